// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include "objects.bpf.h"

/* Where a payload begins. The packets here have no IP options. */
#define PAYLOAD (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))

/* More than there are packets. */
#define MOST 16

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct leaf, node)->key < container_of(b, struct leaf, node)->key;
}

/* Puts a new object into the list and another into the tree. */
static void keep(struct shelf *shelf, __u32 key)
{
	struct entry *entry;
	struct leaf *leaf;

	entry = obj_new(struct entry);
	if (!entry)
		return;
	leaf = obj_new(struct leaf);
	if (!leaf) {
		obj_drop(entry);
		return;
	}
	entry->key = key;
	leaf->key = key;
	bpf_spin_lock(&shelf->lock);
	list_push_back(&shelf->list, &entry->node);
	rbtree_add(&shelf->tree, &leaf->node, less);
	bpf_spin_unlock(&shelf->lock);
	bpf_printk("%u is kept", key);
}

/* Takes an object from the list and another from the tree; false where there is none. */
static bool take(struct shelf *shelf)
{
	struct bpf_list_node *listed;
	struct bpf_rb_node *first;
	struct entry *entry;
	struct leaf *leaf;

	bpf_spin_lock(&shelf->lock);
	listed = bpf_list_pop_front(&shelf->list);
	first = bpf_rbtree_first(&shelf->tree);
	if (first)
		first = bpf_rbtree_remove(&shelf->tree, first);
	bpf_spin_unlock(&shelf->lock);

	if (!listed)
		goto no_entry;
	if (!first)
		goto no_leaf;
	entry = container_of(listed, struct entry, node);
	leaf = container_of(first, struct leaf, node);
	bpf_printk("the oldest is %u, the least is %u", entry->key, leaf->key);
	obj_drop(entry);
	obj_drop(leaf);
	return true;

no_leaf:
	obj_drop(container_of(listed, struct entry, node));
	return false;
no_entry:
	if (first)
		obj_drop(container_of(first, struct leaf, node));
	return false;
}

/* Keeps what a packet carries; 0 takes all that was kept. */
SEC("tc/ingress")
int objects(struct __sk_buff *skb)
{
	struct shelf *shelf = find_shelf();
	__u8 key;
	int i;

	if (!shelf || bpf_skb_load_bytes(skb, PAYLOAD, &key, sizeof(key)))
		return TC_ACT_OK;
	if (key) {
		keep(shelf, key);
		return TC_ACT_OK;
	}
	for (i = 0; i < MOST && take(shelf); i++)
		;
	bpf_printk("%d were kept", i);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
