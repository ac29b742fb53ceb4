/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flushing: how the rest of the kernel says that translations changed.
 *
 * For user addresses a flush records the range: the host process does not start
 * to run guest code before um_tlb_enter() has brought it up to date. If it runs
 * already, on another CPU, it is stopped before the flush returns. set_ptes()
 * and pte_clear() record most changes themselves (see asm/tlb_state.h), so
 * flush_tlb_mm() has no more to do than that.
 *
 * For kernel addresses a flush is done at once, in the kernel's own process.
 */

#ifndef __UM_TLBFLUSH_H
#define __UM_TLBFLUSH_H

#include <linux/mm.h>

int um_tlb_enter(struct mm_struct *mm);
void um_tlb_leave(void);
void um_tlb_interrupt(unsigned int cpu);
bool um_tlb_refill(struct mm_struct *mm, unsigned long addr, bool is_write);
bool um_tlb_kernel_refill(unsigned long addr, bool is_write);
void um_tlb_mark_tables_freed(struct mm_struct *mm, unsigned long addr);
void um_tlb_start_empty(struct mm_struct *mm);
int um_tlb_share(struct mm_struct *mm);
void um_tlb_shootdown(struct mm_struct *mm, unsigned long start,
		      unsigned long end);
void um_tlb_expect(struct mm_struct *mm, unsigned long addr,
		   unsigned int pages, bool enter);

void flush_tlb_kernel_range(unsigned long start, unsigned long end);
void flush_tlb_all(void);

static inline void flush_tlb_range(struct vm_area_struct *vma,
				   unsigned long start, unsigned long end)
{
	um_tlb_mark(vma->vm_mm, start, end);
	um_tlb_shootdown(vma->vm_mm, start, end);
}

static inline void flush_tlb_page(struct vm_area_struct *vma,
				  unsigned long addr)
{
	flush_tlb_range(vma, addr, addr + PAGE_SIZE);
}

static inline void flush_tlb_mm(struct mm_struct *mm)
{
	um_tlb_shootdown(mm, 0, TASK_SIZE);
}

#endif
