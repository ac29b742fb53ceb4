// SPDX-License-Identifier: GPL-2.0-only
/*
 * Touching a page before its task does. That is a guess, and must not cost
 * anything that matters if it is wrong: nothing is read from a disk or from swap,
 * and regions are left alone whose owner wants to know or to decide what becomes
 * resident.
 *
 * The guess is what faulted first the times before. Whether a page that was touched
 * in advance is used, nobody can tell; so every so many times it is learnt anew.
 */

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/userfaultfd_k.h>
#include <asm/ahead.h>
#include <asm/vas_slot.h>
#include "tlb_internal.h"
#include "touch_ahead.h"

/* What the entry of an address has */
enum found { FOUND_NOTHING, FOUND_SWAPPED, FOUND_OTHER, FOUND_ANONYMOUS };

static enum found found_at(struct vm_area_struct *vma, unsigned long addr)
{
	enum found found = FOUND_OTHER;
	struct folio *folio;
	spinlock_t *ptl;
	pte_t *ptep, pte;

	guard(rcu)();
	ptep = um_tlb_lock_entry(vma->vm_mm, addr, &ptl);
	if (!ptep)
		return FOUND_NOTHING;

	pte = ptep_get(ptep);
	folio = pte_present(pte) ? vm_normal_folio(vma, addr, pte) : NULL;
	if (pte_none(pte))
		found = FOUND_NOTHING;
	else if (!pte_present(pte))
		found = FOUND_SWAPPED;
	else if (folio && folio_test_anon(folio))
		found = FOUND_ANONYMOUS;
	um_tlb_unlock_table(ptep, ptl);
	return found;
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
	enum found found = found_at(vma, addr);

	if (found == FOUND_NOTHING)
		return !vma->vm_file || is_in_page_cache(vma, addr);
	return found != FOUND_SWAPPED;
}

/*
 * A private mapping of a file follows the file until its page is copied. So that is
 * not done in advance where the file may be written: it may not while it is run.
 */
static bool may_write_ahead(struct vm_area_struct *vma, unsigned long addr)
{
	return !vma->vm_file || found_at(vma, addr) == FOUND_ANONYMOUS ||
	       atomic_read(&file_inode(vma->vm_file)->i_writecount) < 0;
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

/**
 * um_recall() - what is to be touched now
 * @remembered:	what was remembered so far; nothing, from time to time
 *
 * Context: the lock of @remembered held.
 */
struct remembered um_recall(struct remembered *remembered)
{
	if (remembered->rounds++ % REMEMBERED_ROUNDS == 0) {
		remembered->nr = 0;
		remembered->next = 0;
	}
	return *remembered;
}

/**
 * um_remember() - a page has faulted
 * @remembered:	where to remember it
 * @addr:	its address, or what stands for it
 * @is_write:	whether it was written
 *
 * Context: the lock of @remembered held.
 */
void um_remember(struct remembered *remembered, unsigned long addr,
		 bool is_write)
{
	unsigned long written = is_write ? REMEMBERED_WRITTEN : 0;
	unsigned int i;

	addr &= PAGE_MASK;
	for (i = 0; i < remembered->nr; i++) {
		if ((remembered->page[i] & PAGE_MASK) == addr) {
			remembered->page[i] |= written;
			return;
		}
	}
	remembered->page[remembered->next] = addr | written;
	remembered->next = (remembered->next + 1) % REMEMBERED_PAGES;
	remembered->nr = min(remembered->nr + 1, REMEMBERED_PAGES);
}

/**
 * um_touch_address() - touch what a task is likely to touch, if nobody minds
 * @mm:		the mm of the current task
 * @addr:	the address; there may be nothing
 * @write:	whether it is to be written
 *
 * Context: process; the mmap lock held for reading.
 */
void um_touch_address(struct mm_struct *mm, unsigned long addr, bool write)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);

	if (!vma || !um_may_touch_ahead(vma) ||
	    (write && !may_write_ahead(vma, addr)))
		return;
	um_touch_ahead(vma, addr, write ? FAULT_FLAG_WRITE : 0);
}

/**
 * um_touch_remembered() - touch what was remembered
 * @mm:		the mm of the current task
 * @known:	what was remembered
 * @base:	what is to be added to its addresses
 *
 * Context: process; the mmap lock held for reading.
 */
void um_touch_remembered(struct mm_struct *mm, const struct remembered *known,
			 unsigned long base)
{
	unsigned int i;

	for (i = 0; i < known->nr; i++)
		um_touch_address(mm, base + (known->page[i] & PAGE_MASK),
				 known->page[i] & REMEMBERED_WRITTEN);
}

/* See um_learn(). */
void __um_learn(struct mm_struct *mm, unsigned long addr, bool is_write)
{
	unsigned int left = READ_ONCE(mm->context.fork_faults);

	/* Of several threads, each may have the last one. */
	if (left)
		WRITE_ONCE(mm->context.fork_faults, left - 1);
	if (um_vas_slot_of(addr))
		return;
	if (mm->context.family)
		um_fork_remember(mm, addr, is_write);
	else
		um_exec_remember(mm, addr, is_write);
}
