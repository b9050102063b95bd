// SPDX-License-Identifier: GPL-2.0-only
#include <linux/refcount.h>
#include <linux/slab.h>

#include "kassay_kfunc.h"

struct plant_leaked {
	refcount_t refs;
	u32 mode;
	void *own;
};

static struct kmem_cache *plant_leaked_cache;

__bpf_kfunc_start_defs();

__bpf_kfunc struct plant_leaked *bpf_plant_leaked(u32 mode)
{
	struct plant_leaked *it = kmem_cache_zalloc(plant_leaked_cache, GFP_ATOMIC);

	if (!it)
		return NULL;
	/* What was made stays. */
	if (mode > 7)
		return NULL;
	refcount_set(&it->refs, 1);
	it->mode = mode;
	return it;
}

__bpf_kfunc u32 bpf_plant_leaked_mode(struct plant_leaked *it)
{
	return READ_ONCE(it->mode);
}

__bpf_kfunc void bpf_plant_leaked_put(struct plant_leaked *it)
{
	if (refcount_dec_and_test(&it->refs))
		kmem_cache_free(plant_leaked_cache, it);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(leaked_ids)
BTF_ID_FLAGS(func, bpf_plant_leaked, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_plant_leaked_mode)
BTF_ID_FLAGS(func, bpf_plant_leaked_put, KF_RELEASE)
BTF_KFUNCS_END(leaked_ids)

static const struct btf_kfunc_id_set kfuncs = {
	.owner = THIS_MODULE,
	.set = &leaked_ids,
};

static int __init leaked_init(void)
{
	int err;

	plant_leaked_cache = kmem_cache_create("leaked", sizeof(struct plant_leaked), 0,
					       SLAB_NOLEAKTRACE, NULL);
	if (!plant_leaked_cache)
		return -ENOMEM;
	err = kassay_register_kfuncs(BPF_PROG_TYPE_SYSCALL, &kfuncs);
	if (err)
		kmem_cache_destroy(plant_leaked_cache);
	return err;
}

static void __exit leaked_exit(void)
{
	kmem_cache_destroy(plant_leaked_cache);
}

module_init(leaked_init);
module_exit(leaked_exit);

MODULE_DESCRIPTION("A kfunc that leaks an object where it fails");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
