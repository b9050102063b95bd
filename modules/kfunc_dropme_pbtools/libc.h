/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the generated C expects of a C library, in terms of the kernel.
 */
#ifndef KASSAY_LIBC_H
#define KASSAY_LIBC_H

#include <linux/limits.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#define CHAR_BIT 8
#define alignof(type) __alignof__(type)

#endif /* KASSAY_LIBC_H */
