// SPDX-License-Identifier: GPL-2.0-only
/*
 * A gate that messages pass, written to /proc/gate one at a time. Who passes is
 * for a policy to say: struct gate_ops, which a BPF program implements (Linux
 * 6.12 and newer). Without a policy, everybody does.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define GATE_TEXT_MAX 64
#define GATE_NAME_MAX 16

struct gate_message {
	u32 number;
	u32 length;
	char text[GATE_TEXT_MAX];
};

struct gate_ops {
	/* Returns 0 to let the message pass, or a negative error. */
	int (*admit)(struct gate_message *message);
	/* Optional. Called when the policy is removed. */
	void (*bye)(u32 passed, u32 refused);
	/* Longer messages are refused without a question; 0 is no limit. */
	u32 max_length;
	char name[GATE_NAME_MAX];
};

static DEFINE_MUTEX(gate_lock);
static struct gate_ops *policy;
static u32 passed, refused;

__bpf_kfunc_start_defs();

/* How many messages have passed since the policy came. */
__bpf_kfunc u32 bpf_gate_passed(void)
{
	return READ_ONCE(passed);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(gate_kfunc_ids)
BTF_ID_FLAGS(func, bpf_gate_passed)
BTF_KFUNCS_END(gate_kfunc_ids)

static const struct btf_kfunc_id_set gate_kfuncs = {
	.owner = THIS_MODULE,
	.set = &gate_kfunc_ids,
};

static int gate_ask(struct gate_message *message)
{
	if (!policy)
		return 0;
	if (policy->max_length && message->length > policy->max_length)
		return -EMSGSIZE;
	return policy->admit(message);
}

static ssize_t gate_write(struct file *file, const char __user *from,
			  size_t count, loff_t *pos)
{
	struct gate_message message = {};
	int err;

	if (!count || count >= sizeof(message.text))
		return -EINVAL;
	if (copy_from_user(message.text, from, count))
		return -EFAULT;
	message.length = count;

	mutex_lock(&gate_lock);
	message.number = passed + refused + 1;
	err = gate_ask(&message);
	if (err)
		refused++;
	else
		passed++;
	mutex_unlock(&gate_lock);
	/* What a program returns need not be an error code. */
	if (err < -MAX_ERRNO || err > 0)
		err = -EINVAL;
	return err ?: count;
}

static int gate_show(struct seq_file *seq, void *unused)
{
	mutex_lock(&gate_lock);
	seq_printf(seq, "policy %s, passed %u, refused %u\n",
		   policy ? policy->name : "none", passed, refused);
	mutex_unlock(&gate_lock);
	return 0;
}

static int gate_open(struct inode *inode, struct file *file)
{
	return single_open(file, gate_show, NULL);
}

static const struct proc_ops gate_proc_ops = {
	.proc_open = gate_open,
	.proc_read = seq_read,
	.proc_write = gate_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int gate_ops_init(struct btf *btf)
{
	return 0;
}

static int gate_ops_init_member(const struct btf_type *t,
				const struct btf_member *member,
				void *kdata, const void *udata)
{
	const struct gate_ops *from = udata;
	struct gate_ops *to = kdata;

	switch (__btf_member_bit_offset(t, member) / BITS_PER_BYTE) {
	case offsetof(struct gate_ops, max_length):
		to->max_length = from->max_length;
		return 1;
	case offsetof(struct gate_ops, name):
		if (strscpy(to->name, from->name, sizeof(to->name)) <= 0)
			return -EINVAL;
		return 1;
	default:
		return 0;
	}
}

static int gate_ops_validate(void *kdata)
{
	const struct gate_ops *ops = kdata;

	return ops->admit ? 0 : -EINVAL;
}

static int gate_ops_reg(void *kdata, struct bpf_link *link)
{
	int err = 0;

	mutex_lock(&gate_lock);
	if (policy) {
		err = -EBUSY;
	} else {
		policy = kdata;
		passed = 0;
		refused = 0;
	}
	mutex_unlock(&gate_lock);
	return err;
}

static void gate_ops_unreg(void *kdata, struct bpf_link *link)
{
	mutex_lock(&gate_lock);
	if (policy == kdata) {
		if (policy->bye)
			policy->bye(passed, refused);
		policy = NULL;
	}
	mutex_unlock(&gate_lock);
}

static int gate_admit_stub(struct gate_message *message)
{
	return 0;
}

static void gate_bye_stub(u32 passed, u32 refused)
{
}

static struct gate_ops gate_stubs = {
	.admit = gate_admit_stub,
	.bye = gate_bye_stub,
};

static const struct bpf_verifier_ops gate_verifier_ops = {
	.get_func_proto = bpf_base_func_proto,
	.is_valid_access = bpf_tracing_btf_ctx_access,
};

static struct bpf_struct_ops gate_struct_ops = {
	.verifier_ops = &gate_verifier_ops,
	.init = gate_ops_init,
	.init_member = gate_ops_init_member,
	.validate = gate_ops_validate,
	.reg = gate_ops_reg,
	.unreg = gate_ops_unreg,
	.cfi_stubs = &gate_stubs,
	.owner = THIS_MODULE,
	.name = "gate_ops",
};

static int __init gate_init(void)
{
	int err;

	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS, &gate_kfuncs);
	if (err)
		return err;
	if (!proc_create("gate", 0600, NULL, &gate_proc_ops))
		return -ENOMEM;
	err = register_bpf_struct_ops(&gate_struct_ops, gate_ops);
	if (err)
		remove_proc_entry("gate", NULL);
	return err;
}

static void __exit gate_exit(void)
{
	remove_proc_entry("gate", NULL);
}

module_init(gate_init);
module_exit(gate_exit);

MODULE_DESCRIPTION("A gate whose policy is a BPF program");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
