// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole registers are passed, whose upper parts no argument has room for. What
 * cuts them off is the processor's calling convention, the compiler or the JIT.
 * Of a result only the part counts that its type has: what the register has
 * above it is the compiler's. The types of integers are not compared when a
 * kfunc is looked for.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct widths {
	s16 small;
	u64 large;
};

extern u64 bpf_width_bool(u64 value) __ksym;
extern u64 bpf_width_u8(u64 value) __ksym;
extern u64 bpf_width_s16(u64 value) __ksym;
extern u64 bpf_width_u64(u64 value) __ksym;
extern u64 bpf_width_struct(struct widths *value) __ksym;
extern struct widths *bpf_width_kept(void) __ksym;
extern u64 bpf_width_by_value(struct widths value) __ksym;

/* Not known to the compiler. */
volatile u64 wide_bool = 0xff01;
volatile u64 wide_u8 = 0x1ff;
volatile u64 wide_s16 = 0x18001;
volatile u64 wide_u64 = 0xfedcba9876543210;

SEC("syscall")
int integers(void *ctx)
{
	u64 result;

	result = bpf_width_bool(wide_bool);
	bpf_printk("bool of %llx: %d", wide_bool, (bool)(u8)result);
	result = bpf_width_u8(wide_u8);
	bpf_printk("u8 of %llx: %u", wide_u8, (u8)result);
	result = bpf_width_s16(wide_s16);
	bpf_printk("s16 of %llx: %d", wide_s16, (s16)result);
	result = bpf_width_u64(wide_u64);
	bpf_printk("u64 of %llx: %llx", wide_u64, result);
	return 0;
}

SEC("syscall")
int structures(void *ctx)
{
	struct widths value = { .small = -2, .large = wide_u64 };
	struct widths *kept = bpf_width_kept();

	bpf_printk("struct: %llx", bpf_width_struct(&value));
	bpf_printk("kept: %d and %llx", kept->small, kept->large);
	return 0;
}

SEC("syscall")
int by_value(void *ctx)
{
	struct widths value = { .small = -2, .large = wide_u64 };

	return bpf_width_by_value(value);
}

char LICENSE[] SEC("license") = "GPL";
