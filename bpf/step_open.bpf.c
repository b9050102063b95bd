// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include "kassay.bpf.h"

struct path {
	struct dentry *dentry;
} KERNEL_TYPE;

struct file {
	struct path f_path;
} KERNEL_TYPE;

/* Keeps `osrelease` closed. What an earlier module refuses stays refused. */
SEC("lsm/file_open")
int BPF_PROG(step_open, struct file *file, int ret)
{
	char name[32];

	if (ret || !is_task("open"))
		return ret;
	bpf_probe_read_kernel_str(name, sizeof(name), file->f_path.dentry->d_name.name);
	ret = __builtin_memcmp(name, "osrelease", 10) ? 0 : -EPERM;
	bpf_printk("open of '%s': %d", name, ret);
	return ret;
}

char LICENSE[] SEC("license") = "GPL";
