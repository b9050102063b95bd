// SPDX-License-Identifier: GPL-2.0-only
#include <linux/refcount.h>
#include <linux/slab.h>

#include "kassay_kfunc.h"

struct plant_kept {
	refcount_t refs;
	u32 mode;
	void *own;
};

static struct kmem_cache *plant_kept_cache;

__bpf_kfunc_start_defs();

__bpf_kfunc struct plant_kept *bpf_plant_kept(u32 mode)
{
	struct plant_kept *it = kmem_cache_zalloc(plant_kept_cache, GFP_ATOMIC);

	if (!it)
		return NULL;
	if (mode > 7) {
		kmem_cache_free(plant_kept_cache, it);
		return NULL;
	}
	refcount_set(&it->refs, 1);
	it->mode = mode;
	return it;
}

__bpf_kfunc u32 bpf_plant_kept_mode(struct plant_kept *it)
{
	return READ_ONCE(it->mode);
}

__bpf_kfunc void bpf_plant_kept_put(struct plant_kept *it)
{
	if (refcount_dec_and_test(&it->refs))
		kmem_cache_free(plant_kept_cache, it);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(leaked_clean_ids)
BTF_ID_FLAGS(func, bpf_plant_kept, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_plant_kept_mode)
BTF_ID_FLAGS(func, bpf_plant_kept_put, KF_RELEASE)
BTF_KFUNCS_END(leaked_clean_ids)

static const struct btf_kfunc_id_set kfuncs = {
	.owner = THIS_MODULE,
	.set = &leaked_clean_ids,
};

static int __init leaked_clean_init(void)
{
	int err;

	plant_kept_cache = kmem_cache_create("leaked_clean", sizeof(struct plant_kept), 0,
					     SLAB_NOLEAKTRACE, NULL);
	if (!plant_kept_cache)
		return -ENOMEM;
	err = kassay_register_kfuncs(BPF_PROG_TYPE_SYSCALL, &kfuncs);
	if (err)
		kmem_cache_destroy(plant_kept_cache);
	return err;
}

static void __exit leaked_clean_exit(void)
{
	kmem_cache_destroy(plant_kept_cache);
}

module_init(leaked_clean_init);
module_exit(leaked_clean_exit);

MODULE_DESCRIPTION("A kfunc that frees an object where it fails");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
