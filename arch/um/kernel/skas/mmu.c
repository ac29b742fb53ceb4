// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of an mm, as far as the architecture takes part in it: an mm has a view
 * (skas/view.c) from its first moment to its last. A view has a turnstile that
 * lets one thread at a time use it.
 */

#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <asm/mmu_context.h>
#include <asm/um_fpu.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <mm_id.h>

struct mutex *__get_turnstile(struct mm_id *id)
{
	return &um_view_of(id)->turnstile;
}

/*
 * After a fork, the first thing that either side does is to write to its stack,
 * and to take a fault for that. It is taken here, without the way through the
 * host process and back; so are the translations of the code that comes next.
 */
static void prefault_after_fork(struct mm_struct *mm)
{
	struct pt_regs *regs = current_pt_regs();
	unsigned long ip = PT_REGS_IP(regs) & PAGE_MASK;

	mm->context.forked = false;
	mmap_read_lock(mm);
	/* If it fails, so does the access, in its own time. */
	fixup_user_fault(mm, PT_REGS_SP(regs) - 1, FAULT_FLAG_WRITE, NULL);
	mmap_read_unlock(mm);
	um_tlb_mark(mm, ip, ip + PAGE_SIZE);
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
		prefault_after_fork(mm);
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

	mm->context.view = um_view_acquire(mm);
	return PTR_ERR_OR_ZERO(mm->context.view);
}

/**
 * destroy_context() - take the views of an mm that nobody uses any more
 * @mm:		the mm
 */
void destroy_context(struct mm_struct *mm)
{
	um_vas_destroy_mm(mm);
	um_cpu_views_release(mm);
	kfree(mm->context.log);
	um_view_release(mm->context.view);
	mm->context.view = NULL;
}
