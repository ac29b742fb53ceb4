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
 * @runs:		odd while a host process may run guest code; written by
 *			the thread that holds the turnstile
 * @runner:		which host process that is, when @runs is odd
 * @evicting:		the host process is being emptied
 * @evicted:		nothing was sent successfully since the last eviction
 * @next_miss:		where the last window that was filled on a miss ends
 * @window_pages:	how large that window was
 * @expected:		pages which the guest is about to use: the host enters them
 *			into its page table when it maps them. Their address, and
 *			how many in the bits below
 * @removals:		times that a view of an mm with several took something
 *			away that the others may still map: only in slot 0's
 * @seen:		what @removals was when the view was last up to date
 * @again_start:	entries that the view is to be sent even if another view
 *			of the mm has them; set by a miss
 * @again_end:		their end, 0 if none
 *
 * All that follows @runs belongs to the thread that holds the turnstile;
 * from @next_miss on these are hints, which may be wrong.
 */
struct um_tlb {
	spinlock_t lock;
	struct tlb_ranges changed;
	unsigned long recorded;
	unsigned int runs;
	struct um_view *runner;
	bool evicting;
	bool evicted;
	unsigned long next_miss;
	unsigned int window_pages;
	unsigned long expected;
	unsigned long removals;
	unsigned long seen;
	unsigned long again_start;
	unsigned long again_end;
};

struct um_view;
struct um_slots;
struct vas_mm;

/**
 * struct um_slot - a slot of an mm that a thread was inside of
 * @view:	its host process; does not change while @users is above 0
 * @users:	threads inside, or about to be; -1 when it has no view
 * @last_used:	when a thread left last, in jiffies
 * @tlb:	changes of the slot's own translations; of the fields that belong
 *		to a view, the view's
 */
struct um_slot {
	struct um_view *view;
	atomic_t users;
	unsigned long last_used;
	struct um_tlb tlb;
};

/**
 * struct mm_context - what the architecture keeps for an mm
 * @view:	the host process that runs its guest code; NULL in init_mm only
 * @turnstile:	held by the thread that gives a view work and waits for it
 * @forked:	a fork has write-protected the pages since guest code ran last
 * @tlb:	what the view has to be told
 * @slots:	the same for the slots that were ever used, or NULL
 * @vas:	the address spaces that are attached, or NULL
 */
typedef struct mm_context {
	struct um_view *view;
	struct mutex turnstile;
	bool forked;
	struct um_tlb tlb;
#ifdef CONFIG_VAS
	struct um_slots *slots;
	struct vas_mm *vas;
#endif
} mm_context_t;

#define INIT_MM_CONTEXT(mm)						\
	.context = {							\
		.turnstile = __MUTEX_INITIALIZER(mm.context.turnstile),	\
		.tlb.lock = __SPIN_LOCK_UNLOCKED(init_mm.context.tlb.lock), \
	}

#endif
