/* SPDX-License-Identifier: GPL-2.0-only */
#define PAIR_SECOND 4
