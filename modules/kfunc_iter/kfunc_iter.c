// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

/* An iterator on a program's stack, as the program sees it. */
struct bpf_iter_squares {
	u64 __opaque[2];
} __aligned(8);

struct bpf_iter_squares_kern {
	u32 next;
	u32 end;
	u32 square;
} __aligned(8);

static_assert(sizeof(struct bpf_iter_squares_kern) <=
	      sizeof(struct bpf_iter_squares));

__bpf_kfunc_start_defs();

/* The squares of the numbers from 0 to @end, without it. */
__bpf_kfunc int bpf_iter_squares_new(struct bpf_iter_squares *it, u32 end)
{
	struct bpf_iter_squares_kern *kit = (void *)it;

	kit->next = 0;
	kit->end = end;
	return 0;
}

__bpf_kfunc u32 *bpf_iter_squares_next(struct bpf_iter_squares *it)
{
	struct bpf_iter_squares_kern *kit = (void *)it;

	if (kit->next >= kit->end)
		return NULL;
	kit->square = kit->next * kit->next;
	kit->next++;
	return &kit->square;
}

__bpf_kfunc void bpf_iter_squares_destroy(struct bpf_iter_squares *it)
{
	struct bpf_iter_squares_kern *kit = (void *)it;

	pr_info("kfunc_iter: destroyed after %u of %u\n", kit->next, kit->end);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_iter_ids)
BTF_ID_FLAGS(func, bpf_iter_squares_new, KF_ITER_NEW)
BTF_ID_FLAGS(func, bpf_iter_squares_next, KF_ITER_NEXT | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_iter_squares_destroy, KF_ITER_DESTROY)
BTF_KFUNCS_END(kfunc_iter_ids)

MODULE_DESCRIPTION("An open-coded iterator over square numbers");
KASSAY_KFUNC_MODULE(kfunc_iter_ids, BPF_PROG_TYPE_SYSCALL);
