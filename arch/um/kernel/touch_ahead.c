// SPDX-License-Identifier: GPL-2.0-only
/*
 * Touching a page before its task does. That is a guess, and must not cost
 * anything that matters if it is wrong: nothing is read from a disk or from swap,
 * and regions are left alone whose owner wants to know or to decide what becomes
 * resident.
 */

#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/userfaultfd_k.h>
#include <asm/ahead.h>
#include "tlb_internal.h"

static pte_t entry_of(struct mm_struct *mm, unsigned long addr)
{
	spinlock_t *ptl;
	pte_t *ptep, pte;

	guard(rcu)();
	ptep = um_tlb_lock_entry(mm, addr, &ptl);
	if (!ptep)
		return __pte(0);
	pte = ptep_get(ptep);
	um_tlb_unlock_table(ptep, ptl);
	return pte;
}

static bool is_in_page_cache(struct vm_area_struct *vma, unsigned long addr)
{
	struct folio *folio;
	bool uptodate;

	folio = filemap_get_folio(vma->vm_file->f_mapping,
				  linear_page_index(vma, addr));
	if (IS_ERR(folio))
		return false;
	uptodate = folio_test_uptodate(folio);
	folio_put(folio);
	return uptodate;
}

/* Memory that is no file's is not there yet: it is made. */
static bool is_at_hand(struct vm_area_struct *vma, unsigned long addr)
{
	pte_t pte = entry_of(vma->vm_mm, addr);

	if (!pte_none(pte))
		return pte_present(pte);
	return !vma->vm_file || is_in_page_cache(vma, addr);
}

/**
 * um_may_touch_ahead() - whether nobody would notice, or mind
 * @vma:	a VMA of an mm whose mmap lock is held
 */
bool um_may_touch_ahead(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_SHARED | VM_SPECIAL | VM_LOCKED_MASK |
				  VM_RAND_READ)) &&
	       !userfaultfd_armed((struct vm_area_struct *)vma);
}

/**
 * um_touch_ahead() - touch a page if that takes no waiting
 * @vma:	where; um_may_touch_ahead() allows it
 * @addr:	the address
 * @flags:	FAULT_FLAG_WRITE to write to it, or 0
 *
 * Context: process; the mmap lock held for reading.
 * Return: 0, also where the page is not at hand; a negative errno if it was, and
 * could not be had all the same. What fails is done again, and told, when the
 * task touches the page itself.
 */
int um_touch_ahead(struct vm_area_struct *vma, unsigned long addr,
		   unsigned int flags)
{
	if (!is_at_hand(vma, addr))
		return 0;
	return fixup_user_fault(vma->vm_mm, addr, flags, NULL);
}
