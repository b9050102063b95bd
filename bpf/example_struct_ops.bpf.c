// SPDX-License-Identifier: GPL-2.0-only
/* A policy for the gate of modules/example_gate: no shouting, and at most two pass. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EPERM 1
#define EDQUOT 122
#define QUOTA 2

struct gate_message {
	__u32 number;
	__u32 length;
	char text[64];
} __attribute__((preserve_access_index));

struct gate_ops {
	int (*admit)(struct gate_message *message);
	void (*bye)(__u32 passed, __u32 refused);
	__u32 max_length;
	char name[16];
};

extern __u32 bpf_gate_passed(void) __ksym;

/* How often each error was the answer. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __s32);
	__type(value, __u64);
} answers SEC(".maps");

static void count(__s32 answer)
{
	__u64 one = 1, *times;

	times = bpf_map_lookup_elem(&answers, &answer);
	if (times)
		__sync_fetch_and_add(times, 1);
	else
		bpf_map_update_elem(&answers, &answer, &one, BPF_ANY);
}

SEC("struct_ops/admit")
int BPF_PROG(quiet_admit, struct gate_message *message)
{
	char first = message->text[0];
	int answer = 0;

	if (first >= 'A' && first <= 'Z')
		answer = -EPERM;
	else if (bpf_gate_passed() >= QUOTA)
		answer = -EDQUOT;
	count(answer);
	bpf_printk("message %u of %u bytes: %d", message->number, message->length, answer);
	return answer;
}

SEC("struct_ops/bye")
void BPF_PROG(quiet_bye, __u32 passed, __u32 refused)
{
	bpf_printk("bye: %u passed, %u refused", passed, refused);
}

SEC(".struct_ops.link")
struct gate_ops quiet = {
	.admit = (void *)quiet_admit,
	.bye = (void *)quiet_bye,
	.max_length = 32,
	.name = "quiet",
};

char LICENSE[] SEC("license") = "GPL";
