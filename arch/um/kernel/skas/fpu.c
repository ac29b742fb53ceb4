// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the floating point state of a task is.
 *
 * In seccomp mode a host process leaves it in its signal frame when it stops, and
 * takes it from there when it is resumed. So there it stays, and the kernel does
 * not touch it, until somebody wants to see it, or the host process is resumed
 * for another thread, or the task goes on in another host process. Then it is
 * copied to task->thread.regs.regs.fp, where it always is in ptrace mode.
 *
 * A task and a view that belong together point to each other, or neither does.
 * Such a pair is made by the task itself, under the turnstile; it is broken by
 * the task, by one that traces it while it is stopped, and by a task that enters
 * the view. The lazy switching of floating point state between threads, as
 * processors once helped with, is the same idea.
 */

#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <asm/um_fpu.h>
#include <asm/view.h>
#include <os.h>
#include <skas.h>
#include <stub-data.h>

/* Pairs, and the copying; innermost. */
static DEFINE_RAW_SPINLOCK(fpu_lock);

static void unpair(struct um_view *view)
{
	view->fpu_owner->thread.fpu_view = NULL;
	view->fpu_owner = NULL;
}

/*
 * A frame that the guest program has spoiled is not copied: it goes on with an
 * older state of its own.
 */
static void save(struct um_view *view)
{
	if (!view || !view->fpu_owner)
		return;
	get_stub_fp(&view->fpu_owner->thread.regs.regs,
		    (struct stub_data *)view->id.stack, NULL);
	unpair(view);
}

/**
 * um_fpu_move() - put the current task's state into a host process
 * @view:	the host process's view
 *
 * Context: the turnstile of its mm held.
 */
void um_fpu_move(struct um_view *view)
{
	if (!using_seccomp)
		return;

	guard(raw_spinlock_irqsave)(&fpu_lock);

	save(current->thread.fpu_view);
	save(view);
	/* Where the program has spoiled the frame, the host deals with it. */
	if (set_stub_fp(&current->thread.regs.regs,
			(struct stub_data *)view->id.stack))
		return;
	view->fpu_owner = current;
	current->thread.fpu_view = view;
}

/**
 * um_fpu_of() - get at the state of a task
 * @task:	the current task, or one that is stopped
 *
 * Context: any but interrupt.
 * Return: the state, host_fp_size bytes; what is written to it counts.
 */
void *um_fpu_of(struct task_struct *task)
{
	scoped_guard(raw_spinlock_irqsave, &fpu_lock)
		save(task->thread.fpu_view);
	return task->thread.regs.regs.fp;
}

/**
 * um_fpu_drop() - forget the state of a task that leaves its mm
 * @task:	the current task
 *
 * It execs, and then begins with a new one, or exits.
 */
void um_fpu_drop(struct task_struct *task)
{
	guard(raw_spinlock_irqsave)(&fpu_lock);

	if (task->thread.fpu_view)
		unpair(task->thread.fpu_view);
}

/**
 * um_fpu_leave() - leave no task's state in a host process
 * @view:	its view, which no task runs in
 *
 * Context: any.
 */
void um_fpu_leave(struct um_view *view)
{
	guard(raw_spinlock_irqsave)(&fpu_lock);

	save(view);
}
