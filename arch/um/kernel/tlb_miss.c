// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misses: an entry is present, but the host does not map it yet, or gives less.
 *
 * The guest faults, and a window of entries is filled around the address, as a
 * processor would refill its TLB, without asking the rest of the memory
 * management.
 */

#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include "tlb_internal.h"

static bool allows(pte_t pte, bool is_write)
{
	return pte_present(pte) && (is_write ? pte_write(pte) : pte_read(pte));
}

/*
 * Chooses what to fill after a miss at addr: more when misses are sequential, and
 * what is written in sequence is entered. Returns where that begins; it ends at
 * next_miss.
 */
static unsigned long mark_window(struct mm_struct *mm, unsigned long addr,
				 bool is_write)
{
	struct um_view *view = um_current_view();
	unsigned int pages = UM_TLB_WINDOW_MIN;
	unsigned long start;
	bool goes_on;

	addr &= PAGE_MASK;
	goes_on = addr == view->next_miss;
	if (goes_on) {
		pages = min(view->window_pages * 2, UM_TLB_WINDOW_MAX);
		start = addr;
	} else {
		start = round_down(addr, UM_TLB_MARK_BYTES);
	}
	view->window_pages = pages;
	view->next_miss = start + pages * PAGE_SIZE;
	if (!um_tlb_several(mm))
		um_tlb_mark(mm, start, view->next_miss);
	um_tlb_expect(mm, start, pages, goes_on && is_write);
	return start;
}

/*
 * Goes through a window, as far as its first table goes. What a fork has left
 * there as not used counts as used (@used). What mprotect has made writable is
 * writable on the host with the next sync, too, when the guest begins to write
 * there (@raised).
 */
static void prepare_window(struct mm_struct *mm, unsigned long addr, bool used,
			   bool raised)
{
	unsigned long end = min(um_current_view()->next_miss,
				(addr & PMD_MASK) + PMD_SIZE);
	pte_t *table, *ptep;
	spinlock_t *ptl;

	guard(rcu)();
	table = um_tlb_lock_entry(mm, addr, &ptl);
	if (!table)
		return;
	for (ptep = table; addr < end; ptep++, addr += PAGE_SIZE) {
		pte_t pte = *ptep;

		if (raised && pte_raised_later(pte))
			um_tlb_set_state(mm, ptep, pte, _PAGE_TLB);
		else if (used && allows(pte, false) && !pte_young(pte))
			set_pte_at(mm, addr, ptep, pte_mkyoung(pte));
	}
	um_tlb_unlock_table(table, ptl);
}

/* As a processor does that finds an entry in the page table. */
static void use_entry(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
		      bool is_write)
{
	pte_t pte = *ptep;
	pte_t used = pte_mkyoung(is_write ? pte_mkdirty(pte) : pte);

	if (!pte_same(pte, used))
		set_pte_at(mm, addr & PAGE_MASK, ptep, used);
	else if (!pte_raised_later(pte) && !um_tlb_several(mm))
		um_tlb_send_again(mm, ptep, pte);
}

/**
 * um_tlb_refill() - handle a fault for which the page table has the answer
 * @mm:		the mm of the current task
 * @addr:	the address that faulted
 * @is_write:	whether it was written
 *
 * If the entry of @addr allows the access, the use is noted in it, and it and a
 * window of present entries around it will be filled by the next sync. The entry
 * is sent again even if it is noted as mapped: the guest would fault for ever if
 * the host had lost it.
 *
 * Context: process; takes the page-table lock. No mmap lock is needed: like a
 * processor, this uses present entries only and changes no more than their
 * accessed and dirty bits.
 * Return: true if the fault is handled.
 */
bool um_tlb_refill(struct mm_struct *mm, unsigned long addr, bool is_write)
{
	spinlock_t *ptl;
	unsigned long start;
	pte_t *ptep, pte;
	bool hit;

	/* A kernel thread that uses the mm has no host process. */
	if (addr >= TASK_SIZE || !um_current_view())
		return false;

	scoped_guard(rcu) {
		ptep = um_tlb_lock_entry(mm, addr, &ptl);
		if (!ptep)
			return false;

		pte = *ptep;
		hit = allows(pte, is_write);
		if (hit)
			use_entry(mm, addr, ptep, is_write);
		um_tlb_unlock_table(ptep, ptl);
	}

	if (hit) {
		um_tlb_count(UM_TLB_MISSES, 1);
		start = mark_window(mm, addr, is_write);
		if (!pte_young(pte) || pte_raised_later(pte))
			prepare_window(mm, start, !pte_young(pte),
				       pte_raised_later(pte));
	}
	return hit;
}
