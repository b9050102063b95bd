// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

struct widths {
	s16 small;
	u64 large;
};

static struct widths widths_kept = { .small = -3, .large = 1ULL << 40 };

__bpf_kfunc_start_defs();

__bpf_kfunc bool bpf_width_bool(bool value)
{
	pr_info("bool: %d\n", value);
	return value;
}

__bpf_kfunc u8 bpf_width_u8(u8 value)
{
	pr_info("u8: %u\n", value);
	return value;
}

__bpf_kfunc s16 bpf_width_s16(s16 value)
{
	pr_info("s16: %d\n", value);
	return value;
}

__bpf_kfunc u64 bpf_width_u64(u64 value)
{
	pr_info("u64: %llx\n", value);
	return value;
}

__bpf_kfunc u64 bpf_width_struct(struct widths *value)
{
	pr_info("struct: %d and %llx\n", value->small, value->large);
	return value->large;
}

__bpf_kfunc struct widths *bpf_width_kept(void)
{
	return &widths_kept;
}

__bpf_kfunc u64 bpf_width_by_value(struct widths value)
{
	return value.large;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_widths_ids)
BTF_ID_FLAGS(func, bpf_width_bool)
BTF_ID_FLAGS(func, bpf_width_u8)
BTF_ID_FLAGS(func, bpf_width_s16)
BTF_ID_FLAGS(func, bpf_width_u64)
BTF_ID_FLAGS(func, bpf_width_struct)
BTF_ID_FLAGS(func, bpf_width_kept)
BTF_ID_FLAGS(func, bpf_width_by_value)
BTF_KFUNCS_END(kfunc_widths_ids)

MODULE_DESCRIPTION("kfuncs that say which values arrive in arguments of each width");
KASSAY_KFUNC_MODULE(kfunc_widths_ids, BPF_PROG_TYPE_SYSCALL);
