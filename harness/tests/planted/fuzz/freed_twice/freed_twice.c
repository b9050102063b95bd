// SPDX-License-Identifier: GPL-2.0-only
#include <linux/refcount.h>
#include <linux/slab.h>

#include "kassay_kfunc.h"

struct plant_twice {
	refcount_t refs;
	u32 mode;
	void *own;
};

static struct kmem_cache *plant_twice_cache;

__bpf_kfunc_start_defs();

__bpf_kfunc struct plant_twice *bpf_plant_freed_twice(u32 mode)
{
	struct plant_twice *it = kmem_cache_zalloc(plant_twice_cache, GFP_ATOMIC);

	if (!it)
		return NULL;
	it->own = kmalloc(96, GFP_ATOMIC);
	refcount_set(&it->refs, 1);
	it->mode = mode;
	return it;
}

__bpf_kfunc u32 bpf_plant_freed_twice_mode(struct plant_twice *it)
{
	return READ_ONCE(it->mode);
}

/* It is gone, and still pointed to. */
__bpf_kfunc void bpf_plant_freed_twice_shed(struct plant_twice *it)
{
	kfree(it->own);
}

__bpf_kfunc void bpf_plant_freed_twice_put(struct plant_twice *it)
{
	if (!refcount_dec_and_test(&it->refs))
		return;
	kfree(it->own);
	kmem_cache_free(plant_twice_cache, it);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(freed_twice_ids)
BTF_ID_FLAGS(func, bpf_plant_freed_twice, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_plant_freed_twice_mode)
BTF_ID_FLAGS(func, bpf_plant_freed_twice_shed)
BTF_ID_FLAGS(func, bpf_plant_freed_twice_put, KF_RELEASE)
BTF_KFUNCS_END(freed_twice_ids)

static const struct btf_kfunc_id_set kfuncs = {
	.owner = THIS_MODULE,
	.set = &freed_twice_ids,
};

static int __init freed_twice_init(void)
{
	int err;

	plant_twice_cache = kmem_cache_create("freed_twice", sizeof(struct plant_twice), 0,
					      SLAB_NOLEAKTRACE, NULL);
	if (!plant_twice_cache)
		return -ENOMEM;
	err = kassay_register_kfuncs(BPF_PROG_TYPE_SYSCALL, &kfuncs);
	if (err)
		kmem_cache_destroy(plant_twice_cache);
	return err;
}

static void __exit freed_twice_exit(void)
{
	kmem_cache_destroy(plant_twice_cache);
}

module_init(freed_twice_init);
module_exit(freed_twice_exit);

MODULE_DESCRIPTION("A kfunc that frees what another one frees again");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
