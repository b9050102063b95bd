// SPDX-License-Identifier: GPL-2.0-only
#include <linux/refcount.h>
#include <linux/slab.h>

#include "kassay_kfunc.h"

struct plant_unset {
	refcount_t refs;
	u32 mode;
	void *own;
};

static struct kmem_cache *plant_unset_cache;

__bpf_kfunc_start_defs();

__bpf_kfunc struct plant_unset *bpf_plant_unset(u32 mode)
{
	struct plant_unset *it = kmem_cache_alloc(plant_unset_cache, GFP_ATOMIC);

	if (!it)
		return NULL;
	/* Of some modes nobody says where it is. */
	memset(it, 0x5a, sizeof(*it));
	if (mode < 3)
		it->own = &it->mode;
	refcount_set(&it->refs, 1);
	it->mode = mode;
	return it;
}

__bpf_kfunc u32 bpf_plant_unset_read(struct plant_unset *it)
{
	return READ_ONCE(*(u32 *)it->own);
}

__bpf_kfunc void bpf_plant_unset_put(struct plant_unset *it)
{
	if (refcount_dec_and_test(&it->refs))
		kmem_cache_free(plant_unset_cache, it);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(unset_ids)
BTF_ID_FLAGS(func, bpf_plant_unset, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_plant_unset_read)
BTF_ID_FLAGS(func, bpf_plant_unset_put, KF_RELEASE)
BTF_KFUNCS_END(unset_ids)

static const struct btf_kfunc_id_set kfuncs = {
	.owner = THIS_MODULE,
	.set = &unset_ids,
};

static int __init unset_init(void)
{
	int err;

	plant_unset_cache = kmem_cache_create("unset", sizeof(struct plant_unset), 0,
					      SLAB_NOLEAKTRACE, NULL);
	if (!plant_unset_cache)
		return -ENOMEM;
	err = kassay_register_kfuncs(BPF_PROG_TYPE_SYSCALL, &kfuncs);
	if (err)
		kmem_cache_destroy(plant_unset_cache);
	return err;
}

static void __exit unset_exit(void)
{
	kmem_cache_destroy(plant_unset_cache);
}

module_init(unset_init);
module_exit(unset_exit);

MODULE_DESCRIPTION("A kfunc that gives an object of which not all is set");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
