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
 *
 * Of what it can write, half would not be written. So which pages of its own data
 * fault first is remembered of the programs that were run last (touch_ahead.c),
 * and from the second time on these are all that it finds.
 */

#include <linux/cred.h>
#include <linux/elf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <asm/ahead.h>
#include <asm/fault_around.h>
#include "touch_ahead.h"

/* Pages that are written in advance, of a program that is not known */
#define DATA_PAGES_MAX	24UL

/* Pages of text, which are there already and are mapped only. */
#define TEXT_PAGES_MAX	512UL

/* Programs are remembered where their file leads to, instead of another one. */
#define PROGRAM_BITS	6

struct program {
	dev_t dev;
	u64 ino;
	kuid_t uid;	/* nobody learns what programs of others do */
	struct remembered data;		/* from the beginning of its code on */
};

static struct program programs[1 << PROGRAM_BITS];
static DEFINE_SPINLOCK(programs_lock);

/* Which program it is; false if it has no file. */
static bool program_of(struct mm_struct *mm, struct program *key)
{
	struct file *file = get_mm_exe_file(mm);
	const struct inode *inode;

	if (!file)
		return false;
	inode = file_inode(file);
	*key = (struct program){ .dev = inode->i_sb->s_dev,
				 .ino = inode->i_ino, .uid = current_euid() };
	fput(file);
	return true;
}

/* Under programs_lock. */
static struct remembered *data_of(const struct program *key)
{
	struct program *program =
		&programs[hash_64(key->ino ^ key->dev, PROGRAM_BITS)];

	if (program->dev != key->dev || program->ino != key->ino ||
	    !uid_eq(program->uid, key->uid))
		*program = *key;
	return &program->data;
}

/* Whether it was known; then its data is done. */
static bool touch_known(struct mm_struct *mm)
{
	struct remembered known;
	struct program key;

	if (!program_of(mm, &key))
		return false;
	scoped_guard(spinlock, &programs_lock)
		known = um_recall(data_of(&key));
	um_touch_remembered(mm, &known, mm->start_code & PAGE_MASK);
	return known.rounds > 1;
}

/* Its own data: what a loader or a library has is not remembered. */
static bool is_own_data(const struct mm_struct *mm, unsigned long addr)
{
	return addr >= mm->start_code && addr < mm->start_brk;
}

/**
 * um_exec_remember() - a page has faulted soon after an exec
 * @mm:		the mm of the current task
 * @addr:	the address
 * @is_write:	whether it was written
 */
void um_exec_remember(struct mm_struct *mm, unsigned long addr, bool is_write)
{
	struct program key;

	if (!is_write || !is_own_data(mm, addr) || !program_of(mm, &key))
		return;
	guard(spinlock)(&programs_lock);
	um_remember(data_of(&key), addr - (mm->start_code & PAGE_MASK), true);
}

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
	bool known;

	if (!um_memory_has_room(mm, data))
		return;

	mmap_read_lock(mm);
	known = touch_known(mm);
	for_each_vma(vmi, vma) {
		unsigned long pages = vma_pages(vma);

		if (!um_may_touch_ahead(vma) || vma->vm_flags & VM_GROWSDOWN)
			continue;
		if (vma->vm_flags & VM_WRITE && known &&
		    is_own_data(mm, vma->vm_start))
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

	WRITE_ONCE(mm->context.fork_faults, REMEMBERED_PAGES);
}
