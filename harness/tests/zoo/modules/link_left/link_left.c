// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

/* A child of the program that made the links has the same file descriptors. */
__bpf_kfunc u64 bpf_zoo_link_left(u64 files)
{
	u64 links = 0;
	u32 fd;

	for (fd = 0; fd < min(files, 64ULL); fd++)
		links += !IS_ERR(bpf_link_get_from_fd(fd));
	return links;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(link_left_ids)
BTF_ID_FLAGS(func, bpf_zoo_link_left)
BTF_KFUNCS_END(link_left_ids)

/* From this version on the name is a string. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS("BPF_INTERNAL");
#else
MODULE_IMPORT_NS(BPF_INTERNAL);
#endif

MODULE_DESCRIPTION("A kfunc that takes the links of whoever calls it, for ever");
KASSAY_KFUNC_MODULE(link_left_ids, KASSAY_PROG_TYPE_KPROBE);
