// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a new program touches before it does anything.
 *
 * Its first act is to relocate itself, set up its heap and its streams, and run
 * through most of its text: one fault for each page that it writes and for each
 * window of text, which is half of what starting a small program costs. So a
 * small program finds these pages when it begins: what it can write, the text
 * that is in the page cache, and the vDSO, whose symbols every program looks up.
 * Nothing is read from a disk, reclaimed, or done for a program that is large.
 */

#include <linux/elf.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/ahead.h>
#include <asm/fault_around.h>

/* Pages that are written in advance: about half of them would be, anyway. */
#define DATA_PAGES_MAX	24UL

/* Pages of text, which are there already and are mapped only. */
#define TEXT_PAGES_MAX	512UL

static void touch(struct vm_area_struct *vma, unsigned long step,
		  unsigned int flags)
{
	unsigned long addr;

	for (addr = vma->vm_start; addr < vma->vm_end; addr += step)
		if (um_touch_ahead(vma, addr, flags))
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

		if (!um_may_touch_ahead(vma) || vma->vm_flags & VM_GROWSDOWN)
			continue;
		if (vma->vm_flags & VM_WRITE && pages <= data) {
			touch(vma, PAGE_SIZE, FAULT_FLAG_WRITE);
			data -= pages;
		} else if (!(vma->vm_flags & VM_WRITE) && pages <= text) {
			touch(vma, ARCH_FAULT_AROUND_BYTES, 0);
			text -= pages;
		}
	}
	fixup_user_fault(mm, um_vdso_addr, 0, NULL);
	mmap_read_unlock(mm);
}
