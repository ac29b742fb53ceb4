/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the TLB share, and nobody else may use:
 *
 *	tlb.c		what changed; the walk
 *	tlb_enter.c	the sync of a host process before it runs guest code
 *	tlb_several.c	the same where an mm has several
 *	tlb_miss.c	faults for which the page table has the answer
 *	tlb_evict.c	the host refused: make room, or end the process
 *	tlb_kernel.c	the kernel's own range
 *	tlb_inject.c	host calls that fail on purpose (CONFIG_FAULT_INJECTION)
 *
 * In all of them an mm is a user's, or &init_mm for the kernel's own range.
 */

#ifndef __UM_TLB_INTERNAL_H
#define __UM_TLB_INTERNAL_H

#include <linux/mm.h>
#include <linux/fault-inject.h>
#include <linux/hash.h>
#include <asm/tlbflush.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <tlb_batch.h>
#include <tlb_ranges.h>

/* Entries */

pmd_t *um_tlb_find_table(struct mm_struct *mm, unsigned long addr,
			 unsigned long *next);
pte_t *um_tlb_lock_entry(struct mm_struct *mm, unsigned long addr,
			 spinlock_t **ptl);

/* Kernel entries have no lock: they are live, and do not go away. */
static inline pte_t *um_tlb_lock_table(struct mm_struct *mm, pmd_t *pmd,
				       unsigned long addr, spinlock_t **ptl)
{
	if (mm != &init_mm)
		return pte_offset_map_lock(mm, pmd, addr, ptl);

	*ptl = NULL;
	return pte_offset_kernel(pmd, addr);
}

static inline void um_tlb_unlock_table(pte_t *ptep, spinlock_t *ptl)
{
	if (ptl)
		pte_unmap_unlock(ptep, ptl);
}

/* Changes the state bits of an entry; not if a kernel entry changed meanwhile. */
static inline void um_tlb_set_state(struct mm_struct *mm, pte_t *ptep,
				    pte_t pte, unsigned long state)
{
	unsigned long old = pte_val(pte), new = (old & ~_PAGE_TLB) | state;

	if (mm == &init_mm)
		cmpxchg(&pte_val(*ptep), old, new);
	else
		WRITE_ONCE(pte_val(*ptep), new);
}

/* The next walk fills this entry, whatever is noted in it. */
static inline void um_tlb_send_again(struct mm_struct *mm, pte_t *ptep,
				     pte_t pte)
{
	um_tlb_set_state(mm, ptep, pte,
			 pte_get_bits(pte, _PAGE_TLB_HOST) | _PAGE_TLB_STALE);
}

/* Changes */

/* A refill takes this many entries, and more when misses come in sequence. */
#define UM_TLB_WINDOW_MIN	((unsigned int)(UM_TLB_MARK_BYTES / PAGE_SIZE))
#define UM_TLB_WINDOW_MAX	256U

/*
 * Where the walk is: what it walks, and what it adds to. If an mm has several
 * views (@several), a note in an entry tells what any of them may map: this
 * view may map less, and other views may map what this one is told to drop or
 * replace (@removed). Then it fills only where @again is set, what its own guest
 * code has asked for; and also what is noted as mapped, as this view does not map
 * it.
 */
struct tlb_walk {
	struct mm_struct *mm;
	struct um_view *view;
	struct tlb_batch *batch;
	int (*send)(struct mm_struct *mm);
	bool tables_freed;
	bool several;
	bool again;
	struct tlb_ranges removed;
};

struct um_tlb *um_tlb_at(struct mm_struct *mm, unsigned long addr);
void um_tlb_take_changed(struct um_tlb *tlb, struct tlb_ranges *changed);
int um_tlb_walk_range(struct tlb_walk *walk, unsigned long addr,
		      unsigned long end);
int um_tlb_walk_changed(struct tlb_walk *walk, struct um_tlb *tlb);

/* Several views: tlb_several.c */

/* Whether an mm has, or has had, more than one. */
static inline bool um_tlb_several(struct mm_struct *mm)
{
	return READ_ONCE(mm->context.log);
}

/* Where changes are recorded in the current slot, or the common ones. */
static inline struct um_tlb *um_tlb_of_slot(struct mm_struct *mm)
{
	unsigned int slot = um_vas_slot();

	return slot ? um_tlb_at(mm, arch_vas_address(slot, 0))
		    : &mm->context.tlb;
}

/* The bit of um_view.places for a table of entries */
static inline unsigned int um_view_place(unsigned long addr)
{
	return hash_long(addr / PMD_SIZE, UM_VIEW_PLACES);
}

void um_tlb_fill_again(unsigned long start, unsigned long end);
void um_tlb_log(struct mm_struct *mm, const struct tlb_ranges *removed,
		struct um_view *view);
int um_tlb_sync_several(struct tlb_walk *walk);

/* Failures */

void um_tlb_forget_range(struct mm_struct *mm, unsigned long addr,
			 unsigned long end);
int um_tlb_evict_kernel(void);
void um_tlb_report_full(const char *who, const struct tlb_op *op);
void um_tlb_report_failure(const char *who, int err, const struct tlb_op *op);

#ifdef CONFIG_FAULT_INJECTION
extern struct fault_attr um_tlb_fail_kernel_fill;

void um_tlb_inject(struct tlb_batch *batch);
void um_tlb_inject_kernel(struct tlb_batch *batch);
#else
static inline void um_tlb_inject(struct tlb_batch *batch)
{
}

static inline void um_tlb_inject_kernel(struct tlb_batch *batch)
{
}
#endif

int um_fault_in(unsigned long address, bool is_write);

#endif
