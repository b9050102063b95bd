// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include "objects.bpf.h"

SEC("tc")
int dropped(void *ctx)
{
	struct entry *entry = obj_new(struct entry);

	if (entry)
		obj_drop(entry);
	return 0;
}

SEC("tc")
int leaked(void *ctx)
{
	struct entry *entry = obj_new(struct entry);

	if (entry)
		entry->key = 1;
	return 0;
}

SEC("tc")
int leaked_from_list(void *ctx)
{
	struct shelf *shelf = find_shelf();

	if (!shelf)
		return 0;
	bpf_spin_lock(&shelf->lock);
	bpf_list_pop_front(&shelf->list);
	bpf_spin_unlock(&shelf->lock);
	return 0;
}

SEC("tc")
int leaked_from_tree(void *ctx)
{
	struct shelf *shelf = find_shelf();
	struct bpf_rb_node *first;

	if (!shelf)
		return 0;
	bpf_spin_lock(&shelf->lock);
	first = bpf_rbtree_first(&shelf->tree);
	if (first)
		bpf_rbtree_remove(&shelf->tree, first);
	bpf_spin_unlock(&shelf->lock);
	return 0;
}

/*
 * A leaf, since clang describes only types that something is done with, and the
 * kernel takes no map of what is not described.
 */
SEC("tc")
int unchecked(void *ctx)
{
	struct leaf *leaf = obj_new(struct leaf);

	leaf->key = 1;
	obj_drop(leaf);
	return 0;
}

SEC("tc")
int used_behind_drop(void *ctx)
{
	struct entry *entry = obj_new(struct entry);

	if (!entry)
		return 0;
	obj_drop(entry);
	return entry->key;
}

SEC("tc")
int without_lock(void *ctx)
{
	struct shelf *shelf = find_shelf();
	struct entry *entry;

	if (!shelf)
		return 0;
	entry = obj_new(struct entry);
	if (entry)
		list_push_back(&shelf->list, &entry->node);
	return 0;
}

SEC("tc")
int lock_kept(void *ctx)
{
	struct shelf *shelf = find_shelf();

	if (shelf)
		bpf_spin_lock(&shelf->lock);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
