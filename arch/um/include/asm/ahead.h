/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages that a task finds before it touches them: kernel/exec_ahead.c after an
 * exec, kernel/fork_ahead.c after a fork. Both learn from the faults that are
 * taken all the same.
 */

#ifndef __UM_AHEAD_H
#define __UM_AHEAD_H

#include <linux/compiler.h>
#include <linux/mm_types.h>

void um_exec_ahead(void);

void um_fork_join(struct mm_struct *parent, struct mm_struct *child);
void um_fork_leave(struct mm_struct *mm);
void um_fork_ahead(struct mm_struct *mm);

void __um_learn(struct mm_struct *mm, unsigned long addr, bool is_write);

/**
 * um_learn() - remember a page that faulted, if that was soon after a fork or exec
 * @mm:		the mm of the current task
 * @addr:	the address that faulted
 * @is_write:	whether it was written
 *
 * Context: process, no spinlock.
 */
static inline void um_learn(struct mm_struct *mm, unsigned long addr,
			    bool is_write)
{
	if (READ_ONCE(mm->context.fork_faults))
		__um_learn(mm, addr, is_write);
}

#endif
