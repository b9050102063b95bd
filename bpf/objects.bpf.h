/* SPDX-License-Identifier: GPL-2.0-only */
/* Objects that programs allocate, and where a map keeps them. */
#ifndef OBJECTS_BPF_H
#define OBJECTS_BPF_H

/*
 * The machine's linux/bpf.h may be too old for these types, or have nodes of the size
 * that they had before 6.6. What it has gets other names.
 */
#define bpf_list_head machine_bpf_list_head
#define bpf_list_node machine_bpf_list_node
#define bpf_rb_root machine_bpf_rb_root
#define bpf_rb_node machine_bpf_rb_node
#include "kassay.bpf.h"
#undef bpf_list_head
#undef bpf_list_node
#undef bpf_rb_root
#undef bpf_rb_node

struct bpf_list_head {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_list_node {
	__u64 __opaque[3];
} __attribute__((aligned(8)));

struct bpf_rb_root {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_rb_node {
	__u64 __opaque[4];
} __attribute__((aligned(8)));

/* What the list and the tree are of: a type, and the node in it. */
#define CONTAINS(type, node) __attribute__((btf_decl_tag("contains:" #type ":" #node)))

struct entry {
	__u32 key;
	struct bpf_list_node node;
};

struct leaf {
	__u32 key;
	struct bpf_rb_node node;
};

struct shelf {
	struct bpf_spin_lock lock;
	struct bpf_list_head list CONTAINS(entry, node);
	struct bpf_rb_root tree CONTAINS(leaf, node);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct shelf);
	__uint(max_entries, 1);
} shelves SEC(".maps");

/* The verifier fills in `meta` and `offset`. */
extern void *bpf_obj_new_impl(__u64 local_type_id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *object, void *meta) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node,
				   void *meta, __u64 offset) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
			       bool (*less)(struct bpf_rb_node *a, const struct bpf_rb_node *b),
			       void *meta, __u64 offset) __ksym;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root,
					     struct bpf_rb_node *node) __ksym;

#define obj_new(type) ((type *)bpf_obj_new_impl(bpf_core_type_id_local(type), NULL))
#define obj_drop(object) bpf_obj_drop_impl(object, NULL)
#define list_push_back(head, node) bpf_list_push_back_impl(head, node, NULL, 0)
#define rbtree_add(root, node, less) bpf_rbtree_add_impl(root, node, less, NULL, 0)

/* The one of the map. */
static inline struct shelf *find_shelf(void)
{
	return bpf_map_lookup_elem(&shelves, &(__u32){0});
}

#endif /* OBJECTS_BPF_H */
