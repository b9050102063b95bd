// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

/*
 * The verifier holds each size against the memory behind its pointer, because
 * the parameter's name ends in __sz. It does not ask for a terminating NUL,
 * and lets a null pointer pass when the size is 0: nothing is read beyond the
 * sizes.
 *
 * Newer kernels, 7.2 for one, have a kfunc of this name and refuse the module.
 */
__bpf_kfunc int bpf_strstr(const char *str, u32 str__sz,
			   const char *substr, u32 substr__sz)
{
	size_t len = strnlen(str, str__sz);
	size_t sublen = strnlen(substr, substr__sz);
	size_t i;

	if (!sublen)
		return 0;

	for (i = 0; i + sublen <= len; i++) {
		if (!memcmp(str + i, substr, sublen))
			return i;
	}
	return -1;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_strstr_ids)
BTF_ID_FLAGS(func, bpf_strstr)
BTF_KFUNCS_END(kfunc_strstr_ids)

MODULE_DESCRIPTION("A kfunc that finds a string within a string");
KASSAY_KFUNC_MODULE(kfunc_strstr_ids, KASSAY_PROG_TYPE_KPROBE);
