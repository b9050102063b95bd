/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PAIR_H
#define PAIR_H

#include <linux/types.h>

u64 pair_limit(u64 sum);
u64 pair_sum(u64 a, u64 b);

#endif
