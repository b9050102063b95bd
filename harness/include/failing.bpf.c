// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells of each allocation that a module under test causes, and fails one.
 *
 * The kernel asks should_failslab() and should_fail_alloc_page() before it takes
 * memory (mm/failslab.c and mm/fail_page_alloc.c, 6.11; mm/slab_common.c and
 * mm/page_alloc.c, 6.1), whatever the context. A program in their place sees the
 * stack: an allocation is a module's when one of its functions is there. Unlike
 * a kprobe it also runs inside programs that are on kprobes.
 */
#include <stdbool.h>
#include "kassay.bpf.h"

#define FRAMES 24
#define NAME_LEN 72
#define MODULES 8
#define TOLD 2048

/* ___GFP_NOFAIL of include/linux/gfp_types.h, the same from 6.1 to 7.2. */
#define NOFAIL 0x8000u
/* Places in module.mem of enum mod_mem_type (include/linux/module.h). */
#define MOD_TEXT 0
#define MOD_INIT_TEXT 4
/* ENOMEM of include/uapi/asm-generic/errno-base.h. */
#define NO_MEMORY (-12)

/* Modules as they are since 6.4, ... */
struct module_memory {
	void *base;
	unsigned int size;
} KERNEL_TYPE;

struct module___since_6_4 {
	struct module_memory mem[7];
} KERNEL_TYPE;

/* ... and before. */
struct module_layout {
	void *base;
	unsigned int size;
} KERNEL_TYPE;

struct module___before_6_4 {
	struct module_layout core_layout;
	struct module_layout init_layout;
} KERNEL_TYPE;

struct module;

struct kmem_cache {
	unsigned int object_size;
} KERNEL_TYPE;

struct range {
	__u64 start;
	__u64 end;
};

/* Code of modules, from the moment before they are initialised: each has two places. */
struct {
	__u64 used;
	struct range ranges[2 * MODULES];
} code SEC(".data.code");

/* Which allocation fails, from 1, and 0 is none; what goes on now; how many there were. */
enum control {
	NTH,
	DURING,
	COUNT,
	CONTROLS
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONTROLS);
	__type(key, __u32);
	__type(value, __u32);
} controls SEC(".maps");

struct allocation {
	__u64 size;
	__u32 during;
	__u32 pages;
	__u32 depth;
	char stack[FRAMES][NAME_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TOLD);
	__type(key, __u32);
	__type(value, struct allocation);
} allocations SEC(".maps");

/* One for each of the two programs, of which one may interrupt the other. */
struct scratch {
	__u64 stack[FRAMES];
	char name[NAME_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static void add(const void *base, __u32 size)
{
	__u64 place = __sync_fetch_and_add(&code.used, 1);

	if (place < 2 * MODULES) {
		code.ranges[place].start = (__u64)base;
		code.ranges[place].end = (__u64)base + size;
	}
}

SEC("raw_tp/module_load")
int BPF_PROG(module_loaded, struct module *module)
{
	struct module___since_6_4 *since = (void *)module;
	struct module___before_6_4 *before = (void *)module;

	if (bpf_core_field_exists(since->mem)) {
		add(BPF_CORE_READ(since, mem[MOD_TEXT].base),
		    BPF_CORE_READ(since, mem[MOD_TEXT].size));
		add(BPF_CORE_READ(since, mem[MOD_INIT_TEXT].base),
		    BPF_CORE_READ(since, mem[MOD_INIT_TEXT].size));
	} else {
		add(BPF_CORE_READ(before, core_layout.base),
		    BPF_CORE_READ(before, core_layout.size));
		add(BPF_CORE_READ(before, init_layout.base),
		    BPF_CORE_READ(before, init_layout.size));
	}
	return 0;
}

/* Whether code of a module is there. Global, so that the verifier looks at it once. */
__attribute__((noinline)) int is_of_module(__u64 address)
{
	int i;

	for (i = 0; i < 2 * MODULES; i++) {
		if (address >= code.ranges[i].start && address < code.ranges[i].end)
			return 1;
	}
	return 0;
}

/* The first bytes of a function's name, as they lie in memory. */
#define FIRST(name) ({ __u64 first; __builtin_memcpy(&first, name, 8); first; })

/*
 * Whether a function of this name asks for memory of its own, which no module
 * wants: KASAN, kmemleak and debugobjects, which stop without it, and interrupts.
 */
__attribute__((noinline)) int is_apart(__u64 first)
{
	return first == FIRST("stack_depot") || first == FIRST("kmemleak_alloc") ||
	       first == FIRST("create_object") || first == FIRST("mem_pool_alloc") ||
	       first == FIRST("debug_object") || first == FIRST("__debug_object") ||
	       first == FIRST("fill_pool") || first == FIRST("asm_sysvec") ||
	       first == FIRST("asm_common_interrupt") || first == FIRST("el1_interrupt") ||
	       first == FIRST("do_io_irq") || first == FIRST("do_ext_irq") ||
	       first == FIRST("handle_softirqs") || first == FIRST("__do_softirq");
}

/* Whether a frame of the stack is a module's, and none that it calls is apart. */
static bool is_asked_by_module(struct scratch *scratch, __u32 depth)
{
	int i;

	for (i = 0; i < FRAMES; i++) {
		if (i >= depth)
			break;
		if (is_of_module(scratch->stack[i]))
			return true;
		BPF_SNPRINTF(scratch->name, NAME_LEN, "%pB", scratch->stack[i]);
		if (is_apart(*(__u64 *)scratch->name))
			break;
	}
	return false;
}

/* Notes the allocation, if it is a module's; whether it is the one that fails. */
static bool fails(void *ctx, __u32 pages, __u64 size, __u32 gfp)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &pages);
	__u32 *nth = bpf_map_lookup_elem(&controls, &(__u32){NTH});
	__u32 *during = bpf_map_lookup_elem(&controls, &(__u32){DURING});
	__u32 *count = bpf_map_lookup_elem(&controls, &(__u32){COUNT});
	struct allocation *told;
	__u32 place, depth;
	long got;
	int i;

	if (!code.used || gfp & NOFAIL || !scratch || !nth || !during || !count)
		return false;
	got = bpf_get_stack(ctx, scratch->stack, sizeof(scratch->stack), 0);
	if (got <= 0)
		return false;
	depth = got / sizeof(__u64);
	if (!is_asked_by_module(scratch, depth))
		return false;
	place = __sync_fetch_and_add(count, 1);
	told = bpf_map_lookup_elem(&allocations, &place);
	if (told) {
		told->size = size;
		told->during = *during;
		told->pages = pages;
		for (i = 0; i < FRAMES; i++) {
			if (i >= depth)
				break;
			BPF_SNPRINTF(told->stack[i], NAME_LEN, "%pB", scratch->stack[i]);
		}
		told->depth = depth;
	}
	return place + 1 == *nth;
}

SEC("fmod_ret/should_failslab")
int BPF_PROG(slab, struct kmem_cache *cache, __u32 gfp)
{
	return fails(ctx, 0, cache->object_size, gfp) ? NO_MEMORY : 0;
}

SEC("fmod_ret/should_fail_alloc_page")
int BPF_PROG(pages, __u32 gfp, __u32 order)
{
	return fails(ctx, 1, order, gfp);
}

char LICENSE[] SEC("license") = "GPL";
