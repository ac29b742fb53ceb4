/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The architecture's part of an mm: its host process, and what that process
 * has to be told before it runs guest code again.
 */

#ifndef __ARCH_UM_MMU_H
#define __ARCH_UM_MMU_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <tlb_ranges.h>

/**
 * struct um_tlb - state of the translations of one mm
 * @lock:		protects the next two; innermost, taken with interrupts off
 * @changed:		addresses whose translations changed since the last sync
 * @recorded:		a part of @changed, to which a change need not be added:
 *			see um_tlb_recorded(). May be read under a page-table
 *			lock alone, as the walk takes it after this is reset
 * @runs:		odd while the host process may run guest code; written by
 *			the thread that holds the turnstile
 * @evicting:		the host process is being emptied
 * @evicted:		nothing was sent successfully since the last eviction
 * @next_miss:		where the last window that was filled on a miss ends
 * @window_pages:	how large that window was
 * @expected:		pages which the guest is about to use: the host enters them
 *			into its page table when it maps them. Their address, and
 *			how many in the bits below
 *
 * All that follows @runs belongs to the thread that holds the turnstile;
 * from @next_miss on these are hints, which may be wrong.
 */
struct um_tlb {
	spinlock_t lock;
	struct tlb_ranges changed;
	unsigned long recorded;
	unsigned int runs;
	bool evicting;
	bool evicted;
	unsigned long next_miss;
	unsigned int window_pages;
	unsigned long expected;
};

struct um_view;

/**
 * struct mm_context - what the architecture keeps for an mm
 * @view:	the host process that runs its guest code; NULL in init_mm only
 * @turnstile:	held by the thread that gives @view work and waits for it
 * @forked:	a fork has write-protected the pages since guest code ran last
 * @tlb:	what @view has to be told
 */
typedef struct mm_context {
	struct um_view *view;
	struct mutex turnstile;
	bool forked;
	struct um_tlb tlb;
} mm_context_t;

#define INIT_MM_CONTEXT(mm)						\
	.context = {							\
		.turnstile = __MUTEX_INITIALIZER(mm.context.turnstile),	\
		.tlb.lock = __SPIN_LOCK_UNLOCKED(init_mm.context.tlb.lock), \
	}

#endif
