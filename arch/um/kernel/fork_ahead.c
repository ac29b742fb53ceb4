// SPDX-License-Identifier: GPL-2.0-only
/*
 * What both sides of a fork touch first.
 *
 * A fork leaves the child without translations, and write-protects the pages of
 * both sides. What they do next is mostly what was done after the fork before:
 * the C library's part of it, the same variables, the same calls. Each page of
 * that is a fault, with a way through the host process and back. So a family (a
 * program since its exec, and all that it has forked) remembers which pages
 * faulted first, in its children and in their parents, and with the next fork
 * they are touched in advance.
 *
 * Whether a page that was touched in advance is used, nobody can tell. So every
 * so many forks a family begins anew to learn.
 *
 * Locks: the family's, below everything else.
 */

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/ptrace.h>
#include <linux/refcount.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <asm/ahead.h>
#include <asm/fault_around.h>
#include <asm/vas_slot.h>

/* So many pages are remembered, among the first so many faults */
#define PAGES	16U

/* After so many forks it begins anew. */
#define FORKS	16

/* Of a page that was written, in the place of its offset */
#define WRITTEN	1UL

/* Pages, the oldest first from @next on, and the forks that found them */
struct side {
	unsigned int nr, next, forks;
	unsigned long page[PAGES];
};

/**
 * struct um_fork_family - what is known of a program that forks
 * @lock:	for @child and @parent
 * @users:	mms of the family
 * @child:	pages that faulted first in a child
 * @parent:	pages that faulted first in a parent
 */
struct um_fork_family {
	spinlock_t lock;
	refcount_t users;
	struct side child, parent;
};

/**
 * um_fork_join() - a fork makes a new member of a family
 * @parent:	the mm that forks
 * @child:	the new one
 *
 * Without memory there is no family, and nothing is learnt.
 *
 * Context: process; the mmap lock of @parent held for writing.
 */
void um_fork_join(struct mm_struct *parent, struct mm_struct *child)
{
	struct um_fork_family *family = parent->context.family;

	if (!family) {
		family = kzalloc_obj(*family, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!family)
			return;
		spin_lock_init(&family->lock);
		refcount_set(&family->users, 1);
		parent->context.family = family;
	}
	refcount_inc(&family->users);
	child->context.family = family;
}

/**
 * um_fork_leave() - a member of a family is no more
 * @mm:		an mm that nobody uses
 */
void um_fork_leave(struct mm_struct *mm)
{
	struct um_fork_family *family = mm->context.family;

	if (family && refcount_dec_and_test(&family->users))
		kfree(family);
}

/* What is to be touched now. */
static void recall(struct um_fork_family *family, struct side *side,
		   struct side *known)
{
	guard(spinlock)(&family->lock);
	if (++side->forks % FORKS == 0) {
		side->nr = 0;
		side->next = 0;
	}
	*known = *side;
}

static void touch(struct mm_struct *mm, unsigned long addr, unsigned int flags)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);

	if (vma && um_may_touch_ahead(vma))
		um_touch_ahead(vma, addr, flags);
}

static void touch_known(struct mm_struct *mm, struct um_fork_family *family,
			struct side *side)
{
	struct side known;
	unsigned int i;

	recall(family, side, &known);
	if (!um_memory_has_room(mm, known.nr))
		return;
	for (i = 0; i < known.nr; i++)
		touch(mm, known.page[i] & PAGE_MASK,
		      known.page[i] & WRITTEN ? FAULT_FLAG_WRITE : 0);
}

/**
 * um_fork_ahead() - have one side of a fork find what it touches first
 * @mm:		the mm of the current task, which has forked or was forked
 *
 * Context: process, may sleep; takes the mmap lock.
 */
void um_fork_ahead(struct mm_struct *mm)
{
	struct um_fork_family *family = mm->context.family;
	bool is_child = mm->context.forked == UM_FORK_CHILD;
	struct pt_regs *regs = current_pt_regs();

	WRITE_ONCE(mm->context.forked, UM_FORK_NONE);
	mmap_read_lock(mm);
	/* The stack is written in any case, also by what fails then. */
	fixup_user_fault(mm, PT_REGS_SP(regs) - 1, FAULT_FLAG_WRITE, NULL);
	if (is_child)
		touch(mm, PT_REGS_IP(regs), 0);
	if (family)
		touch_known(mm, family,
			    is_child ? &family->child : &family->parent);
	mmap_read_unlock(mm);

	mm->context.learns_as_child = is_child;
	WRITE_ONCE(mm->context.fork_faults, family ? PAGES : 0);
}

static void note(struct side *side, unsigned long addr, unsigned long written)
{
	unsigned int i;

	for (i = 0; i < side->nr; i++) {
		if ((side->page[i] & PAGE_MASK) == addr) {
			side->page[i] |= written;
			return;
		}
	}
	side->page[side->next] = addr | written;
	side->next = (side->next + 1) % PAGES;
	side->nr = min(side->nr + 1, PAGES);
}

/* See um_fork_learn(). */
void __um_fork_learn(struct mm_struct *mm, unsigned long addr, bool is_write)
{
	struct um_fork_family *family = mm->context.family;

	if (um_vas_slot_of(addr))
		return;
	guard(spinlock)(&family->lock);
	/* Another thread may have had the last one. */
	if (!mm->context.fork_faults)
		return;
	WRITE_ONCE(mm->context.fork_faults, mm->context.fork_faults - 1);
	note(mm->context.learns_as_child ? &family->child : &family->parent,
	     addr & PAGE_MASK, is_write ? WRITTEN : 0);
}
