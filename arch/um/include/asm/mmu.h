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
 * struct um_tlb_log - what was last removed from an mm with several views
 * @removed:	the ranges; the n-th of all is at n % UM_TLB_LOG
 *
 * A view that has not seen more than these is emptied.
 */
#define UM_TLB_LOG	32

struct um_tlb_log {
	struct tlb_range removed[UM_TLB_LOG];
};

/**
 * struct um_tlb - state of the translations of one mm, or of a slot of it
 * @lock:		protects what has no other lock; innermost, taken with
 *			interrupts off
 * @changed:		addresses whose translations changed since the last sync
 * @recorded:		a part of @changed, to which a change need not be added:
 *			see um_tlb_recorded(). May be read under a page-table
 *			lock alone, as the walk takes it after this is reset
 */
struct um_tlb {
	spinlock_t lock;
	struct tlb_ranges changed;
	unsigned long recorded;
};

struct um_view;
struct um_cpu_views;
struct um_fork_family;
struct um_slots;
struct vas_mm;

/**
 * struct um_views - the host processes of an mm, or of a slot of it
 * @first:	runs its guest code as long as that is one thread; NULL in init_mm
 * @others:	those for its threads on other virtual CPUs, or NULL
 */
struct um_views {
	struct um_view *first;
	struct um_cpu_views *others;
};

/**
 * struct um_slot - a slot of an mm that a thread was inside of
 * @views:	its host processes; none goes while @users is above 0
 * @users:	threads inside, or about to be; -1 when it has no view
 * @last_used:	when a thread left last, in jiffies
 * @tlb:	changes of the slot's own translations
 */
struct um_slot {
	struct um_views views;
	atomic_t users;
	unsigned long last_used;
	struct um_tlb tlb;
};

enum um_forked { UM_FORK_NONE, UM_FORK_PARENT, UM_FORK_CHILD };

/**
 * struct mm_context - what the architecture keeps for an mm
 * @views:	the host processes for guest code outside of all slots
 * @forked:	a fork has write-protected the pages since guest code ran last
 * @learns_as_child: whether it was forked, not forking, the last time
 * @fork_faults:	so many faults are still to be remembered, since then or since exec
 * @family:	what is known of its forks, or NULL
 * @tlb:	what the views have to be told
 * @expected:	pages which the guest is about to use: the host enters them into its
 *		page table when it maps them. Their address, and how many in the bits
 *		below. A hint, which may be wrong
 * @refused:	the page of the last write that was not allowed. Whose handler allows
 *		it writes there again at once. A hint
 * @walk:	held while common changes are walked, so that no view runs with less
 *		than what the walk finds
 * @log:	what was removed; NULL as long as the mm has one view
 * @removals:	how many ranges were ever put there
 * @slots:	views and changes of the slots that were ever used, or NULL
 * @vas:	the address spaces that are attached, or NULL
 */
typedef struct mm_context {
	struct um_views views;
	enum um_forked forked;
	bool learns_as_child;
	unsigned int fork_faults;
	struct um_fork_family *family;
	struct um_tlb tlb;
	unsigned long expected;
	unsigned long refused;
	struct mutex walk;
	struct um_tlb_log *log;
	unsigned long removals;
#ifdef CONFIG_VAS
	struct um_slots *slots;
	struct vas_mm *vas;
#endif
} mm_context_t;

#define INIT_MM_CONTEXT(mm)						\
	.context = {							\
		.walk = __MUTEX_INITIALIZER(mm.context.walk),		\
		.tlb.lock = __SPIN_LOCK_UNLOCKED(init_mm.context.tlb.lock), \
	}

#endif
