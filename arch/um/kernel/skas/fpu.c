// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the floating point state of a task is.
 *
 * In seccomp mode a host process leaves it in its signal frame when it stops, and
 * takes it from there when it is resumed; in ptrace mode the host keeps it. So
 * there it stays, and the kernel does not touch it, until somebody wants to see
 * it, or the host process is resumed for another thread, or the task goes on in
 * another host process. Then it is copied to task->thread.regs.regs.fp.
 *
 * A task and a view that belong together point to each other, or neither does.
 * Such a pair is made by the task itself, under the turnstile; it is broken by
 * the task, by one that traces it while it is stopped, and by a task that enters
 * the view. The lazy switching of floating point state between threads, as
 * processors once helped with, is the same idea.
 */

#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <asm/fpu/types.h>
#include <asm/sigcontext.h>
#include <asm/um_fpu.h>
#include <asm/view.h>
#include <fresh_registers.h>
#include <os.h>
#include <registers.h>
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
 * older state of its own. So does what is left of a host process that was killed.
 */
static void save(struct um_view *view)
{
	struct uml_pt_regs *regs;

	if (!view || !view->fpu_owner)
		return;
	regs = &view->fpu_owner->thread.regs.regs;
	if (using_seccomp)
		get_stub_fp(regs, (struct stub_data *)view->id.stack, NULL);
	else
		get_fp_registers(view->id.pid, regs->fp);
	unpair(view);
}

static int load(struct um_view *view)
{
	struct uml_pt_regs *regs = &current->thread.regs.regs;

	if (using_seccomp)
		return set_stub_fp(regs, (struct stub_data *)view->id.stack);
	return put_fp_registers(view->id.pid, regs->fp);
}

/**
 * um_fpu_move() - put the current task's state into a host process
 * @view:	the host process's view
 *
 * The task gets a SIGSEGV that it cannot handle if the host refuses the state. In
 * seccomp mode, where the program has spoiled the frame, the host deals with that
 * when the frame is used.
 *
 * Context: the turnstile of its mm held.
 */
void um_fpu_move(struct um_view *view)
{
	int err;

	scoped_guard(raw_spinlock_irqsave, &fpu_lock) {
		save(current->thread.fpu_view);
		save(view);
		err = load(view);
		if (!err) {
			view->fpu_owner = current;
			current->thread.fpu_view = view;
		}
	}
	if (err && !using_seccomp)
		force_fatal_sig(SIGSEGV);
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
 * um_fpu_from_user() - take the state that a signal handler returns with
 * @from:	host_fp_size bytes, as in its frame
 *
 * The parts that all processors have count even if the header does not name them,
 * as on the host: a handler that knows no header may have changed them.
 *
 * Context: process.
 * Return: 0; -EFAULT if it cannot be read; -EINVAL if no processor takes it. Then
 * the current task has the state of a new program.
 */
int um_fpu_from_user(const void __user *from)
{
	const struct _fpstate_64 *fresh = (void *)exec_fp_regs;
	struct _fpstate_64 *state = um_fpu_of(current);
	struct _header *header = (void *)(state + 1);
	int err = 0;

	if (copy_from_user(state, from, host_fp_size))
		err = -EFAULT;
	else if (state->mxcsr & ~fresh->mxcsr_mask)
		err = -EINVAL;
	else if (host_fp_size >= sizeof(*state) + sizeof(*header))
		header->xfeatures |= XFEATURE_MASK_FPSSE;
	if (err)
		memcpy(state, fresh, host_fp_size);
	return err;
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
