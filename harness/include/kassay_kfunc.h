/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a module that offers kfuncs needs, spelled alike from Linux 6.1 on.
 *
 * The macros of the kernel itself are used wherever it has them; only what a
 * kernel lacks is filled in here.
 */
#ifndef KASSAY_KFUNC_H
#define KASSAY_KFUNC_H

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/version.h>

/*
 * Without module BTF the kernel's macros expand to an empty set, which can be
 * registered without an error although nobody will ever find the kfuncs.
 */
#if !IS_ENABLED(CONFIG_DEBUG_INFO_BTF_MODULES)
#error "kfuncs of a module need CONFIG_DEBUG_INFO_BTF_MODULES"
#endif

/* The function has no caller that the compiler could see. */
#ifndef __bpf_kfunc
#define __bpf_kfunc __used noinline
#endif

#ifndef __bpf_kfunc_start_defs
#define __bpf_kfunc_start_defs()					\
	__diag_push();							\
	__diag_ignore_all("-Wmissing-prototypes",			\
			  "Only BPF programs call these functions")
#define __bpf_kfunc_end_defs() __diag_pop()
#endif

#ifndef BTF_KFUNCS_START
#define BTF_KFUNCS_START(name) BTF_SET8_START(name)
#define BTF_KFUNCS_END(name) BTF_SET8_END(name)
#endif

/*
 * A parameter for memory that may be missing. What trusts all arguments without
 * being told to (7.2 does) has one annotation for all that may be NULL.
 */
#ifdef KF_TRUSTED_ARGS
#define KASSAY_OPT(name) name##__opt
#else
#define KASSAY_OPT(name) name##__nullable
#define KF_TRUSTED_ARGS 0
#endif

/* Flags that a kernel does not have yet are nothing there. */
#ifndef KF_RCU
#define KF_RCU 0
#endif
#ifndef KF_ITER_NEW
#define KF_ITER_NEW 0
#define KF_ITER_NEXT 0
#define KF_ITER_DESTROY 0
#endif

/*
 * Up to 6.9 no kfunc can be offered to kprobes. The nearest kind that can
 * have some is registered there, so that the module still loads and says what
 * it offers, and it is the kprobe program that the verifier turns down.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define KASSAY_PROG_TYPE_KPROBE BPF_PROG_TYPE_KPROBE
#else
#define KASSAY_PROG_TYPE_KPROBE BPF_PROG_TYPE_TRACING
#endif

/*
 * An ID stays zero when the build had no vmlinux BTF to resolve it against.
 * Several kernels register such a set and report success, so it is refused
 * here.
 */
static inline int kassay_register_kfuncs(enum bpf_prog_type type,
					 const struct btf_kfunc_id_set *kfuncs)
{
	u32 i;

	if (!kfuncs->set->cnt)
		return -ENOENT;
	for (i = 0; i < kfuncs->set->cnt; i++) {
		if (!kfuncs->set->pairs[i].id)
			return -ENOENT;
	}
	return register_btf_kfunc_id_set(type, kfuncs);
}

static inline int kassay_load(const enum bpf_prog_type *types, size_t count,
			      const struct btf_kfunc_id_set *kfuncs)
{
	size_t i;
	int err;

	for (i = 0; i < count; i++) {
		err = kassay_register_kfuncs(types[i], kfuncs);
		if (err) {
			pr_err("bpf_kfunc_example: cannot register kfuncs: %d\n",
			       err);
			return err;
		}
	}
	pr_info("Hello, world!\n");
	pr_info("bpf_kfunc_example: Module loaded successfully\n");
	return 0;
}

/*
 * Makes a module of the BTF set @ids: its kfuncs are offered to programs of
 * each type that follows. Removal needs no call, for the kernel forgets the
 * kfuncs together with the BTF of the module.
 */
#define KASSAY_KFUNC_MODULE(ids, ...)					\
static const enum bpf_prog_type kassay_types[] = { __VA_ARGS__ };	\
									\
static const struct btf_kfunc_id_set kassay_kfuncs = {			\
	.owner = THIS_MODULE,						\
	.set = &(ids),							\
};									\
									\
static int __init kassay_init(void)					\
{									\
	return kassay_load(kassay_types, ARRAY_SIZE(kassay_types),	\
			   &kassay_kfuncs);				\
}									\
									\
static void __exit kassay_exit(void)					\
{									\
	pr_info("Goodbye, world!\n");					\
}									\
									\
module_init(kassay_init);						\
module_exit(kassay_exit);						\
									\
MODULE_AUTHOR("kassay");						\
MODULE_LICENSE("GPL")

#endif /* KASSAY_KFUNC_H */
