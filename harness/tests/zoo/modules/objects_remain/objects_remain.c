// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

/* The kernel lists each of them before the stack. */
#define OBJECTS 200

static struct kmem_cache *zoo_cache;

/* A cache with a constructor is not merged with others. */
static void zoo_construct(void *object)
{
	*(u64 *)object = 0;
}

static int __init zoo_init(void)
{
	int i;

	zoo_cache = kmem_cache_create("zoo_remain", 16, 0, SLAB_NOLEAKTRACE, zoo_construct);
	if (!zoo_cache)
		return -ENOMEM;
	for (i = 0; i < OBJECTS; i++)
		if (!kmem_cache_alloc(zoo_cache, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

static void __exit zoo_exit(void)
{
	kmem_cache_destroy(zoo_cache);
	/* It is not the last call, so that the stack has this function. */
	barrier();
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that destroys a slab cache with objects in it");
MODULE_LICENSE("GPL");
