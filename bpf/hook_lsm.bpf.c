// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include "kassay.bpf.h"

/* Keeps the file `1`. What an earlier module refuses stays refused. */
SEC("lsm/inode_unlink")
int BPF_PROG(hook_lsm, struct inode *dir, struct dentry *dentry, int ret)
{
	char name[32];

	if (ret || !is_task("unlink"))
		return ret;
	bpf_probe_read_kernel_str(name, sizeof(name), dentry->d_name.name);
	ret = __builtin_memcmp(name, "1", 2) ? 0 : -EPERM;
	bpf_printk("unlink of '%s': %d", name, ret);
	return ret;
}

char LICENSE[] SEC("license") = "GPL";
