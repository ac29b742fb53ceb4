/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmu_gather: entries are cleared many at a time and flushed once.
 *
 * A flush of "everything" means either that the mm is dying, and then nothing
 * matters any more, or that another thread gathers in the same mm and may have
 * cleared entries that it has not flushed yet.
 */

#ifndef __UM_TLB_H
#define __UM_TLB_H

#include <linux/mm.h>
#include <asm/tlbflush.h>

struct mmu_gather;
#define tlb_flush tlb_flush
static inline void tlb_flush(struct mmu_gather *tlb);

#include <asm-generic/tlb.h>

static inline void tlb_flush(struct mmu_gather *tlb)
{
	if (!tlb->fullmm && !tlb->need_flush_all) {
		um_tlb_mark(tlb->mm, tlb->start, tlb->end);
		um_tlb_shootdown(tlb->mm, tlb->start, tlb->end);
		return;
	}
	if (atomic_read(&tlb->mm->mm_users))
		um_tlb_mark(tlb->mm, 0, TASK_SIZE);
	um_tlb_shootdown(tlb->mm, 0, TASK_SIZE);
}

/* A table of entries goes: what the host maps under it is not known after. */
static inline void um_free_table(struct mmu_gather *tlb, struct ptdesc *table,
				 unsigned long addr)
{
	um_tlb_mark_tables_freed(tlb->mm, addr);
	tlb_remove_ptdesc(tlb, table);
}

#endif
