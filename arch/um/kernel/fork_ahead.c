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
 * they are touched in advance (touch_ahead.c).
 *
 * Locks: the family's, below everything else.
 */

#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/ptrace.h>
#include <linux/refcount.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <asm/ahead.h>
#include <asm/fault_around.h>
#include "touch_ahead.h"

/**
 * struct um_fork_family - what is known of a program that forks
 * @lock:	for @child and @parent
 * @users:	mms of the family
 * @uid:	whose program it is
 * @child:	pages that faulted first in a child
 * @parent:	pages that faulted first in a parent
 */
struct um_fork_family {
	spinlock_t lock;
	refcount_t users;
	kuid_t uid;
	struct remembered child, parent;
};

/**
 * um_fork_join() - a fork makes a new member of a family
 * @parent:	the mm that forks
 * @child:	the new one
 *
 * Without memory there is no family, and nothing is learnt of forks.
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
		family->uid = current_euid();
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

static struct remembered *side_of(const struct mm_struct *mm)
{
	struct um_fork_family *family = mm->context.family;

	return mm->context.learns_as_child ? &family->child : &family->parent;
}

/* One that has become somebody else's does not learn what others do, nor tell. */
static bool is_member(const struct um_fork_family *family)
{
	return family && uid_eq(family->uid, current_euid());
}

static void touch_known(struct mm_struct *mm)
{
	struct um_fork_family *family = mm->context.family;
	struct remembered known;

	if (!is_member(family))
		return;
	scoped_guard(spinlock, &family->lock)
		known = um_recall(side_of(mm));
	if (um_memory_has_room(mm, known.nr))
		um_touch_remembered(mm, &known, 0);
	WRITE_ONCE(mm->context.fork_faults, REMEMBERED_PAGES);
}

/**
 * um_fork_ahead() - have one side of a fork find what it touches first
 * @mm:		the mm of the current task, which has forked or was forked
 *
 * Context: process, may sleep; takes the mmap lock.
 */
void um_fork_ahead(struct mm_struct *mm)
{
	struct pt_regs *regs = current_pt_regs();

	mm->context.learns_as_child = mm->context.forked == UM_FORK_CHILD;
	WRITE_ONCE(mm->context.forked, UM_FORK_NONE);
	mmap_read_lock(mm);
	/* The stack is written in any case, also by what fails then. */
	fixup_user_fault(mm, PT_REGS_SP(regs) - 1, FAULT_FLAG_WRITE, NULL);
	if (mm->context.learns_as_child)
		um_touch_address(mm, PT_REGS_IP(regs), false);
	touch_known(mm);
	mmap_read_unlock(mm);
}

/**
 * um_fork_remember() - a page has faulted soon after a fork
 * @mm:		the mm of the current task
 * @addr:	the address
 * @is_write:	whether it was written
 */
void um_fork_remember(struct mm_struct *mm, unsigned long addr, bool is_write)
{
	struct um_fork_family *family = mm->context.family;

	if (!is_member(family))
		return;
	guard(spinlock)(&family->lock);
	um_remember(side_of(mm), addr, is_write);
}
