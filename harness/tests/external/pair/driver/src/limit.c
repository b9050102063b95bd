// SPDX-License-Identifier: GPL-2.0-only
#include <linux/minmax.h>

#include "pair.h"
#include "pair_most.h"

u64 pair_limit(u64 sum)
{
	return min_t(u64, sum, PAIR_MOST);
}
