// SPDX-License-Identifier: GPL-2.0-only
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "kassay_kfunc.h"

/* An iterator on a program's stack, as the program sees it. */
struct bpf_iter_plant_items {
	u64 __opaque[1];
} __aligned(8);

struct bpf_iter_plant_items_kern {
	struct plant_item *at;
} __aligned(8);

struct plant_item {
	struct list_head list;
	u32 key;
};

static LIST_HEAD(plant_items);
static DEFINE_SPINLOCK(plant_lock);

__bpf_kfunc_start_defs();

/* It takes the first item away from under who looks at it. */
__bpf_kfunc int bpf_plant_iterated_drop(void)
{
	struct plant_item *item;

	spin_lock_bh(&plant_lock);
	item = list_first_entry_or_null(&plant_items, struct plant_item, list);
	if (item)
		list_del(&item->list);
	spin_unlock_bh(&plant_lock);
	kfree(item);
	return item ? 0 : -ENOENT;
}

__bpf_kfunc int bpf_iter_plant_items_new(struct bpf_iter_plant_items *it)
{
	struct bpf_iter_plant_items_kern *kit = (void *)it;

	kit->at = list_first_entry_or_null(&plant_items, struct plant_item, list);
	return 0;
}

__bpf_kfunc u32 *bpf_iter_plant_items_next(struct bpf_iter_plant_items *it)
{
	struct bpf_iter_plant_items_kern *kit = (void *)it;
	struct plant_item *item = kit->at;

	if (!item)
		return NULL;
	kit->at = list_next_entry(item, list);
	if (list_entry_is_head(kit->at, &plant_items, list))
		kit->at = NULL;
	else
		WRITE_ONCE(kit->at->key, item->key + 1);
	return &item->key;
}

__bpf_kfunc void bpf_iter_plant_items_destroy(struct bpf_iter_plant_items *it)
{
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(iterated_ids)
BTF_ID_FLAGS(func, bpf_plant_iterated_drop)
BTF_ID_FLAGS(func, bpf_iter_plant_items_new, KF_ITER_NEW)
BTF_ID_FLAGS(func, bpf_iter_plant_items_next, KF_ITER_NEXT | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_iter_plant_items_destroy, KF_ITER_DESTROY)
BTF_KFUNCS_END(iterated_ids)

static const struct btf_kfunc_id_set kfuncs = {
	.owner = THIS_MODULE,
	.set = &iterated_ids,
};

static void plant_free(void)
{
	struct plant_item *item, *next;

	list_for_each_entry_safe(item, next, &plant_items, list)
		kfree(item);
}

static int __init iterated_init(void)
{
	struct plant_item *item;
	int err;
	int i;

	for (i = 0; i < 64; i++) {
		item = kzalloc(sizeof(*item), GFP_KERNEL);
		if (item)
			list_add_tail(&item->list, &plant_items);
	}
	err = kassay_register_kfuncs(BPF_PROG_TYPE_SYSCALL, &kfuncs);
	if (err)
		plant_free();
	return err;
}

static void __exit iterated_exit(void)
{
	plant_free();
}

module_init(iterated_init);
module_exit(iterated_exit);

MODULE_DESCRIPTION("An iterator over items that others free");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
