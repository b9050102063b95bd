// SPDX-License-Identifier: GPL-2.0-only
/* Headers of the C library, of which only macros, types and inline functions are used. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "kassay.bpf.h"

_Static_assert(sizeof(uintptr_t) == 8 && UINTPTR_MAX == UINT64_MAX,
	       "a pointer has the size that it has in the kernel");

enum mode {
	MODE_QUIET,
	MODE_LOUD = 5,
};

struct seen {
	uint16_t port;
	enum mode mode;
	char comm[COMM_LEN];
};

/* Set before the program is loaded. */
const volatile uint8_t limit = 1;
const volatile bool is_loud;
const volatile char who[8] = "nobody";
const volatile int16_t steps[4];
enum mode mode = MODE_QUIET;
int64_t least;

/* Set by it. */
struct seen last;
uint64_t count;
int verdict = -ENOENT;

SEC("kprobe/vfs_unlink")
int globals(void *ctx)
{
	if (count >= limit)
		return 0;
	count++;
	verdict = is_loud ? -EPERM : 0;
	/* Both are macros or inline functions of <arpa/inet.h>. */
	last.port = ntohs(htons(13330));
	last.mode = mode;
	bpf_get_current_comm(last.comm, sizeof(last.comm));
	bpf_printk("%s takes %d and %d, not below %lld", who, steps[0], steps[1], least);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
