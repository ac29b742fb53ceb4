// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of an mm, as far as the architecture takes part in it: an mm has a view
 * (skas/view.c) from its first moment to its last. A view has a turnstile that
 * lets one thread at a time use it.
 */

#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <asm/ahead.h>
#include <asm/mmu_context.h>
#include <asm/um_fpu.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <mm_id.h>

struct mutex *__get_turnstile(struct mm_id *id)
{
	return &um_view_of(id)->turnstile;
}

/**
 * enter_turnstile() - become the thread that uses a host process
 * @id:		the host process of the current task
 *
 * Context: process, no spinlock; sleeps while another thread has it.
 */
void enter_turnstile(struct mm_id *id)
{
	struct mm_struct *mm = um_view_of(id)->mm;

	if (READ_ONCE(mm->context.forked))
		um_fork_ahead(mm);
	mutex_lock(__get_turnstile(id));
	um_fpu_enter(um_view_of(id));
}

/**
 * exit_turnstile() - let other threads use a host process, which has stopped
 * @id:		the host process of the current task
 */
void exit_turnstile(struct mm_id *id)
{
	um_tlb_leave();
	mutex_unlock(__get_turnstile(id));
}

/**
 * init_new_context() - give a new mm its view
 * @task:	the task that the mm is for
 * @mm:		the new mm
 *
 * Return: 0; -ENOMEM without memory; -EAGAIN or another errno of the host if
 * it makes no more processes. Then fork() or exec() fails.
 */
int init_new_context(struct task_struct *task, struct mm_struct *mm)
{
	mm->context = (mm_context_t) {};
	spin_lock_init(&mm->context.tlb.lock);
	mutex_init(&mm->context.walk);

	mm->context.views.first = um_view_acquire(mm);
	return PTR_ERR_OR_ZERO(mm->context.views.first);
}

/**
 * destroy_context() - take the views of an mm that nobody uses any more
 * @mm:		the mm
 */
void destroy_context(struct mm_struct *mm)
{
	um_vas_destroy_mm(mm);
	um_fork_leave(mm);
	um_views_give_back_others(&mm->context.views, um_view_release);
	kfree(mm->context.log);
	um_view_release(mm->context.views.first);
	mm->context.views.first = NULL;
}
