// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host process is brought up to date before it runs guest code, and stopped
 * on another CPU when translations go: see tlb.c for the locks.
 */

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/thread_info.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <host_process.h>
#include <os.h>
#include <skas.h>
#include <tlb_host.h>
#include "tlb_internal.h"

/* How long a host process may take to stop before it is killed, in jiffies. */
#define SHOOTDOWN_TIMEOUT	(2 * HZ)

/**
 * struct runner - what a virtual CPU does
 * @runs:	odd while a host process may run guest code on it
 * @view:	which one, while @runs is odd
 *
 * Written by the thread that holds the turnstile of @view.
 */
struct runner {
	unsigned int runs;
	struct um_view *view;
};

static DEFINE_PER_CPU(struct runner, runners);

/**
 * um_tlb_handoff() - note that a host process is about to be resumed
 * @id:		the host process, with the batch that it will run
 */
void um_tlb_handoff(struct mm_id *id)
{
	um_tlb_count(UM_TLB_HANDOFFS, 1);
	if (tlb_batch_empty(&id->batch))
		return;

	um_tlb_count_batch(&id->batch, false);
	um_tlb_inject(&id->batch);
}

static int send_user(struct mm_struct *mm)
{
	return stub_batch_run(&um_current_view()->id);
}

/**
 * um_tlb_expect() - say that the guest is about to use pages
 * @mm:		the mm of the current task
 * @addr:	the first page
 * @pages:	how many
 * @enter:	whether to enter them into the host's page table, too, if they are
 *		more than one; few, as the host does work for each
 *
 * Until the next sync is done. Of an mm's several views only that of the current
 * task is filled, and only there. A hint, which is lost when another thread gives
 * one.
 *
 * Context: any.
 */
void um_tlb_expect(struct mm_struct *mm, unsigned long addr,
		   unsigned int pages, bool enter)
{
	if (enter && pages > 1)
		WRITE_ONCE(mm->context.expected,
			   addr | min(pages, ~PAGE_MASK));
	if (um_tlb_several(mm) && um_current_view())
		um_tlb_fill_again(addr, addr + pages * PAGE_SIZE);
}

/*
 * What changed has been walked by somebody, who is done with it, and this view
 * has dropped what was removed then.
 */
static bool is_up_to_date(struct mm_struct *mm, const struct um_view *view)
{
	struct um_tlb *tlb = &mm->context.tlb;

	if (READ_ONCE(tlb->changed.nr) ||
	    READ_ONCE(um_tlb_of_slot(mm)->changed.nr))
		return false;

	/* pairs with the lock of mm_context.walk: changes are taken under it */
	smp_rmb();
	if (!um_tlb_several(mm))
		return true;
	if (mutex_is_locked(&mm->context.walk))
		return false;
	/* pairs with the unlock of mm_context.walk: removals are logged under it */
	smp_rmb();
	return READ_ONCE(mm->context.removals) == view->seen;
}

/* Leaves the last operations in the batch, to go out with the resumption. */
static int sync_view(struct mm_struct *mm, struct um_view *view)
{
	struct tlb_walk walk = {
		.mm = mm,
		.view = view,
		.batch = &view->id.batch,
		.send = send_user,
	};
	int err;

	guard(mutex)(&mm->context.walk);
	view->walking = true;
	if (um_tlb_several(mm))
		err = um_tlb_sync_several(&walk);
	else
		err = um_tlb_walk_changed(&walk, &mm->context.tlb);
	view->walking = false;
	WRITE_ONCE(mm->context.expected, 0);
	return err;
}

/**
 * um_tlb_enter() - bring a host process up to date; it may run guest code then
 * @mm:		the mm of the current task
 *
 * From here to um_tlb_leave(), a change of translations stops it.
 *
 * Context: process, the turnstile of the current view held, no spinlock.
 * Return: 0, or a negative errno of a host call when the process is to die.
 */
int um_tlb_enter(struct mm_struct *mm)
{
	struct um_view *view = um_current_view();
	struct runner *runner;
	int err;

	for (;;) {
		if (!is_up_to_date(mm, view) || view->again_end) {
			err = sync_view(mm, view);
			if (err)
				return err;
		}

		runner = this_cpu_ptr(&runners);
		WRITE_ONCE(runner->view, view);
		/* pairs with um_tlb_shootdown(), which looks for the view */
		smp_store_release(&runner->runs, runner->runs + 1);
		/* pairs with um_tlb_shootdown(): one sees what the other did */
		smp_mb();
		if (is_up_to_date(mm, view))
			return 0;
		um_tlb_leave();
	}
}

/**
 * current_mm_enter() - um_tlb_enter() for the current task
 *
 * Context: as um_tlb_enter().
 * Return: 0, also without an mm; 1 if there is work to do before guest code runs;
 * or a negative errno as um_tlb_enter().
 */
int current_mm_enter(void)
{
	if (!current->mm)
		return 0;

	return um_tlb_enter(current->mm) ?:
	       !!(read_thread_flags() & _TIF_WORK_MASK);
}

/**
 * um_tlb_leave() - note that this CPU runs no guest code any more
 *
 * To be called before any lock is taken that a shootdown may be made under.
 */
void um_tlb_leave(void)
{
	struct runner *runner = this_cpu_ptr(&runners);

	if (!(runner->runs & 1))
		return;

	/* pairs with um_tlb_shootdown() */
	smp_store_release(&runner->runs, runner->runs + 1);
}

/**
 * um_tlb_interrupt() - stop guest code that may be running on a CPU
 * @cpu:	the CPU
 *
 * Where no guest code can be running, its next entry looks for what there is to
 * do (current_mm_enter()), and no signal is spent. Another CPU that sends an
 * interrupt calls this, too: where the host process has the host CPU of that
 * virtual CPU's thread, the thread would not see the interrupt for a while.
 *
 * Context: any.
 */
void um_tlb_interrupt(unsigned int cpu)
{
	struct runner *runner = per_cpu_ptr(&runners, cpu);

	/* A view that has stopped may be freed meanwhile. */
	guard(rcu)();
	/* pairs with um_tlb_enter() */
	if (smp_load_acquire(&runner->runs) & 1)
		handoff_alarm(&READ_ONCE(runner->view)->id);
}

/* Returns the odd number that tells when it has stopped, or 0. */
static unsigned int alarm(struct runner *runner, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	/* pairs with um_tlb_enter() */
	unsigned int runs = smp_load_acquire(&runner->runs);
	struct um_view *view = READ_ONCE(runner->view);

	if (!(runs & 1) || READ_ONCE(view->mm) != mm ||
	    !um_view_may_map(view, start, end))
		return 0;
	um_tlb_count(UM_TLB_SHOOTDOWNS, 1);
	handoff_alarm(&view->id);
	return runs;
}

static void wait_until_stopped(struct runner *runner, unsigned int runs)
{
	unsigned long deadline = jiffies + SHOOTDOWN_TIMEOUT;

	/* pairs with um_tlb_leave() */
	while (smp_load_acquire(&runner->runs) == runs) {
		if (time_after(jiffies, deadline)) {
			os_kill_process(READ_ONCE(runner->view)->id.pid, 0);
			deadline = jiffies + SHOOTDOWN_TIMEOUT;
		}
		os_yield();
	}
}

/**
 * um_tlb_shootdown() - let no old translation of an mm be in use
 * @mm:		the mm
 * @start:	first address whose translation changed
 * @end:	first address behind
 *
 * Host processes of @mm that run guest code on other CPUs, and may map something
 * there, are interrupted and waited for; each syncs before it goes on. One that
 * does not stop has blocked the signal by foul means, and is killed.
 *
 * Context: any but interrupt; the changes are recorded.
 */
void um_tlb_shootdown(struct mm_struct *mm, unsigned long start,
		      unsigned long end)
{
	unsigned int runs[NR_CPUS], cpu;

	if (num_online_cpus() == 1)
		return;

	/* pairs with um_tlb_enter() */
	smp_mb();
	/* A view that has stopped may be freed meanwhile. */
	guard(rcu)();
	for_each_online_cpu(cpu)
		runs[cpu] = alarm(per_cpu_ptr(&runners, cpu), mm, start, end);
	for_each_online_cpu(cpu)
		if (runs[cpu])
			wait_until_stopped(per_cpu_ptr(&runners, cpu),
					   runs[cpu]);
}
