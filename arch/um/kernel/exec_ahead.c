// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a new program touches before it does anything.
 *
 * Its first act is to relocate itself, set up its heap and its streams, and run
 * through most of its text: one fault for each page that it writes and for each
 * window of text, which is half of what starting a small program costs. So a
 * small program finds these pages when it begins: what it can write, and the
 * text that is in the page cache. Nothing is read from a disk, reclaimed, or
 * done for a program that is large.
 */

#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <asm/exec_ahead.h>
#include <asm/fault_around.h>

/* Pages that are written in advance: about half of them would be, anyway. */
#define DATA_PAGES_MAX	24UL

/* Pages of text, which are there already and are mapped only. */
#define TEXT_PAGES_MAX	512UL

/* Memory that is no file's is not there yet: it is made. */
static bool is_at_hand(struct vm_area_struct *vma, unsigned long addr)
{
	struct folio *folio;
	bool uptodate;

	if (!vma->vm_file)
		return true;
	folio = filemap_get_folio(vma->vm_file->f_mapping,
				  linear_page_index(vma, addr));
	if (IS_ERR(folio))
		return false;
	uptodate = folio_test_uptodate(folio);
	folio_put(folio);
	return uptodate;
}

/* Whether the kernel or the program would notice, or mind. */
static bool is_plain(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_SHARED | VM_SPECIAL | VM_LOCKED_MASK |
				  VM_GROWSDOWN | VM_RAND_READ));
}

static void touch(struct vm_area_struct *vma, unsigned long step,
		  unsigned int flags)
{
	unsigned long addr;

	for (addr = vma->vm_start; addr < vma->vm_end;
	     addr = round_down(addr, step) + step)
		/* What fails is done again, and told, when it is needed. */
		if (is_at_hand(vma, addr) &&
		    fixup_user_fault(vma->vm_mm, addr, flags, NULL))
			break;
}

/**
 * um_exec_ahead() - have a new program find what it touches first
 *
 * For the current task, whose mm holds a new program that has not run yet.
 *
 * Context: process, may sleep; takes the mmap_lock.
 */
void um_exec_ahead(void)
{
	VMA_ITERATOR(vmi, current->mm, 0);
	unsigned long data = DATA_PAGES_MAX, text = TEXT_PAGES_MAX;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	if (!um_memory_has_room(mm, data))
		return;

	mmap_read_lock(mm);
	for_each_vma(vmi, vma) {
		unsigned long pages = vma_pages(vma);

		if (!is_plain(vma))
			continue;
		if (vma->vm_flags & VM_WRITE && pages <= data) {
			touch(vma, PAGE_SIZE, FAULT_FLAG_WRITE);
			data -= pages;
		} else if (!(vma->vm_flags & VM_WRITE) && pages <= text) {
			touch(vma, ARCH_FAULT_AROUND_BYTES, 0);
			text -= pages;
		}
	}
	mmap_read_unlock(mm);
}
