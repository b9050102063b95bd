/* SPDX-License-Identifier: GPL-2.0-only */
#define PAIR_MOST 100
