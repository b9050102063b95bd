// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* The first argument's type differs between kernels, and is not read. */
SEC("fentry/vfs_unlink")
int BPF_PROG(hook_fentry, void *mount, struct inode *dir, struct dentry *dentry)
{
	char name[32];

	if (!is_task("unlink"))
		return 0;
	bpf_probe_read_kernel_str(name, sizeof(name), dentry->d_name.name);
	bpf_printk("vfs_unlink of '%s'", name);
	return 0;
}

SEC("fexit/vfs_unlink")
int BPF_PROG(hook_fexit, void *mount, struct inode *dir, struct dentry *dentry,
	     void *delegated, int ret)
{
	if (is_task("unlink"))
		bpf_printk("vfs_unlink returns %d", ret);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
