/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses whose translations changed since the host last heard of them:
 * a small set of disjoint ranges for each mm, in address order.
 *
 * Ranges that touch or lie close together become one; when the set is full,
 * the two neighbours with the smallest gap between them do. A range may
 * therefore be larger than what changed, never smaller. The page-table walk
 * skips what did not change.
 *
 * Pure logic, tested by tests/host/ and KUnit. Nothing here locks; the owner
 * of the set does.
 */

#ifndef __UM_TLB_RANGES_H
#define __UM_TLB_RANGES_H

#ifdef __UM_HOST__
#include <stdbool.h>
#else
#include <linux/types.h>
#endif

#define TLB_RANGES_MAX		16
/* Ranges at most this far apart are one, in bytes: walking 16 entries is cheap */
#define TLB_RANGES_CLOSE	0x10000UL

/**
 * struct tlb_range - one range of changed addresses
 * @start:		first address
 * @end:		first address behind it
 * @tables_freed:	page tables were freed inside, and with them the notes
 *			of what the host maps there: whatever the guest does
 *			not map now has to be unmapped on the host
 */
struct tlb_range {
	unsigned long start;
	unsigned long end;
	bool tables_freed;
};

/**
 * struct tlb_ranges - a set of changed ranges
 * @nr:		how many ranges are in use
 * @range:	the ranges: disjoint, ascending, more than TLB_RANGES_CLOSE apart
 */
struct tlb_ranges {
	unsigned int nr;
	struct tlb_range range[TLB_RANGES_MAX];
};

struct tlb_range *tlb_ranges_add(struct tlb_ranges *set, unsigned long start,
				 unsigned long end, bool tables_freed);

#endif
