// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define SIGSEGV 11

SEC("tp/syscalls/sys_enter_open")
int signal_sent(void *ctx)
{
	char name[16];

	bpf_get_current_comm(name, sizeof(name));
	if (!__builtin_memcmp(name, "open", 5))
		bpf_send_signal(SIGSEGV);
	return 0;
}
