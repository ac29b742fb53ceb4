/* SPDX-License-Identifier: GPL-2.0-only */
/* Floating point state that is left in a host process: skas/fpu.c */

#ifndef __ASM_UM_FPU_H
#define __ASM_UM_FPU_H

#include <linux/compiler.h>
#include <linux/sched.h>
#include <asm/view.h>

void *um_fpu_of(struct task_struct *task);
int um_fpu_from_user(const void __user *from);
void um_fpu_drop(struct task_struct *task);
void um_fpu_leave(struct um_view *view);
void um_fpu_move(struct um_view *view);

/**
 * um_fpu_enter() - have a host process go on with the current task's state
 * @view:	the host process's view
 *
 * Context: the turnstile of its mm held.
 */
static inline void um_fpu_enter(struct um_view *view)
{
	if (unlikely(view->fpu_owner != current))
		um_fpu_move(view);
}

#endif
