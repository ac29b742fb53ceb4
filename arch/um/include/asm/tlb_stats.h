/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of the memory path, one set for each CPU, shown in
 * /sys/kernel/debug/um_tlb/stats.
 */

#ifndef __UM_TLB_STATS_H
#define __UM_TLB_STATS_H

#include <linux/percpu.h>

struct tlb_batch;

enum um_tlb_counter {
	UM_TLB_FILLS,			/* user: mmap calls asked for */
	UM_TLB_FILL_PAGES,		/* pages that they covered */
	UM_TLB_PROTECTS,		/* user: mprotect calls */
	UM_TLB_PROTECT_PAGES,
	UM_TLB_INVALIDATES,		/* user: munmap calls */
	UM_TLB_INVALIDATE_PAGES,
	UM_TLB_KERNEL_FILLS,		/* the same for kernel addresses */
	UM_TLB_KERNEL_FILL_PAGES,
	UM_TLB_KERNEL_PROTECTS,
	UM_TLB_KERNEL_PROTECT_PAGES,
	UM_TLB_KERNEL_INVALIDATES,
	UM_TLB_KERNEL_INVALIDATE_PAGES,
	UM_TLB_BATCHES,			/* batches sent, user and kernel */
	UM_TLB_HANDOFFS,		/* times a host process was resumed */
	UM_TLB_MISSES,			/* faults that only needed a fill */
	UM_TLB_AHEAD_PAGES,		/* pages given before they were touched */
	UM_TLB_AHEAD_COPIES,		/* pages copied, or made writable, before */
	UM_TLB_SHOOTDOWNS,		/* running host processes stopped */
	UM_TLB_EVICTIONS,		/* address spaces emptied to make room */
	UM_TLB_ERRORS,			/* host calls that failed */
	UM_TLB_VIEWS_CREATED,		/* host processes started */
	UM_TLB_VIEWS_RECYCLED,		/* host processes used again */
	UM_TLB_COUNTERS,
};

struct um_tlb_stats {
	unsigned long count[UM_TLB_COUNTERS];
};

DECLARE_PER_CPU(struct um_tlb_stats, um_tlb_stats);

static inline void um_tlb_count(enum um_tlb_counter counter, unsigned long n)
{
	this_cpu_add(um_tlb_stats.count[counter], n);
}

void um_tlb_count_batch(const struct tlb_batch *batch, bool kernel);

#endif
