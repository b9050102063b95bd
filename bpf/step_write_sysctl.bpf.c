// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* 1 allows. */
SEC("cgroup/sysctl")
int step_write_sysctl(struct bpf_sysctl *ctx)
{
	char name[32] = {}, value[16] = {};
	int is_allowed;

	bpf_sysctl_get_name(ctx, name, sizeof(name), 0);
	if (!ctx->write)
		return __builtin_memcmp(name, "kernel/printk_delay", 20) != 0;
	if (!is_task("write_sysctl"))
		return 1;
	bpf_sysctl_get_new_value(ctx, value, sizeof(value));
	is_allowed = value[0] != 'a';
	bpf_printk("'%s' to %s: %d", value, name, is_allowed);
	return is_allowed;
}

char LICENSE[] SEC("license") = "GPL";
