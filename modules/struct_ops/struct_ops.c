// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callbacks of a module's own that BPF programs provide (Linux 6.9 to 7.2).
 * Whoever reads /proc/kassay_ops has the one structure that is registered, or
 * else the module's own, answer a question.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/version.h>

#define NAME_LEN 16
#define QUESTION 6

struct kassay_ops {
	int (*answer)(u32 question);
	/* May be missing. */
	void (*told)(int answer);
	char name[NAME_LEN];
};

/* Guards what is registered, also while it is called. */
static DEFINE_MUTEX(ops_lock);
static const struct kassay_ops *registered;

static int own_answer(u32 question)
{
	return -EOPNOTSUPP;
}

static const struct kassay_ops own = {
	.answer = own_answer,
	.name = "the module",
};

static int ops_show(struct seq_file *file, void *unused)
{
	const struct kassay_ops *ops;
	int answer;

	mutex_lock(&ops_lock);
	ops = registered ?: &own;
	answer = ops->answer(QUESTION);
	if (ops->told)
		ops->told(answer);
	seq_printf(file, "%s: %d\n", ops->name, answer);
	mutex_unlock(&ops_lock);
	return 0;
}

static int ops_init(struct btf *btf)
{
	return 0;
}

/* What is no function is copied here; libbpf gives the structure as it is. */
static int ops_init_member(const struct btf_type *t,
			   const struct btf_member *member, void *kdata,
			   const void *udata)
{
	const struct kassay_ops *from = udata;
	struct kassay_ops *to = kdata;

	if (__btf_member_bit_offset(t, member) !=
	    offsetof(struct kassay_ops, name) * BITS_PER_BYTE)
		return 0;
	if (strscpy(to->name, from->name, sizeof(to->name)) <= 0)
		return -EINVAL;
	return 1;
}

static int ops_validate(void *kdata)
{
	const struct kassay_ops *ops = kdata;

	return ops->answer ? 0 : -EINVAL;
}

static int ops_add(const struct kassay_ops *ops)
{
	int err = 0;

	mutex_lock(&ops_lock);
	if (registered)
		err = -EEXIST;
	else
		registered = ops;
	mutex_unlock(&ops_lock);
	return err;
}

/* Nobody calls the structure any more when this returns. */
static void ops_remove(const struct kassay_ops *ops)
{
	mutex_lock(&ops_lock);
	if (registered == ops)
		registered = NULL;
	mutex_unlock(&ops_lock);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static int ops_reg(void *kdata, struct bpf_link *link)
{
	return ops_add(kdata);
}

static void ops_unreg(void *kdata, struct bpf_link *link)
{
	ops_remove(kdata);
}
#else
static int ops_reg(void *kdata)
{
	return ops_add(kdata);
}

static void ops_unreg(void *kdata)
{
	ops_remove(kdata);
}
#endif

/* The types of the callbacks, for kernels that check those of calls. */
static int stub_answer(u32 question)
{
	return 0;
}

static void stub_told(int answer)
{
}

static struct kassay_ops ops_stubs = {
	.answer = stub_answer,
	.told = stub_told,
};

/* Helpers are for who is built into the kernel: modules cannot offer them. */
static const struct bpf_verifier_ops ops_verifier = {
	.is_valid_access = bpf_tracing_btf_ctx_access,
};

static struct bpf_struct_ops kassay_struct_ops = {
	.verifier_ops = &ops_verifier,
	.init = ops_init,
	.init_member = ops_init_member,
	.validate = ops_validate,
	.reg = ops_reg,
	.unreg = ops_unreg,
	.cfi_stubs = &ops_stubs,
	.owner = THIS_MODULE,
	.name = "kassay_ops",
};

static int __init struct_ops_init(void)
{
	int err;

	if (!proc_create_single("kassay_ops", 0400, NULL, ops_show))
		return -ENOMEM;
	err = register_bpf_struct_ops(&kassay_struct_ops, kassay_ops);
	if (err)
		remove_proc_entry("kassay_ops", NULL);
	return err;
}

/* The kernel forgets the type together with the BTF of the module. */
static void __exit struct_ops_exit(void)
{
	remove_proc_entry("kassay_ops", NULL);
}

module_init(struct_ops_init);
module_exit(struct_ops_exit);

MODULE_DESCRIPTION("Callbacks that BPF programs provide");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
