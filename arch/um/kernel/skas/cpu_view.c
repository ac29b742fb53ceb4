// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of one process on several virtual CPUs: each CPU has a view of the mm,
 * as each processor has a TLB, so that threads run guest code at once.
 *
 * A process with one thread has one view, wherever it runs. So have the threads
 * inside of a VAS, and those that share an mm without being of one process: they
 * take turns.
 *
 * A view on each CPU rather than host threads which share one: no guest thread
 * ever shares an address space with a host thread that changes mappings, so all
 * that makes the stub safe (kernel/skas/stub.c) holds as it is.
 */

#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/tlbflush.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <skas.h>

struct um_cpu_views {
	struct um_view *view[NR_CPUS];
};

/* Making one may sleep for long. */
static DEFINE_MUTEX(cpu_views_lock);

/* The view of a CPU, or NULL if it was never needed. */
static struct um_view *find_cpu_view(struct mm_struct *mm, unsigned int cpu)
{
	/* pairs with make_cpu_view() */
	struct um_cpu_views *views = smp_load_acquire(&mm->context.cpu_views);

	/* pairs with make_cpu_view() */
	return views ? smp_load_acquire(&views->view[cpu]) : NULL;
}

/* If the host makes no more processes, this CPU shares the first one for good. */
static struct um_view *make_cpu_view(struct mm_struct *mm, unsigned int cpu)
{
	struct um_cpu_views *views;
	struct um_view *view;

	guard(mutex)(&cpu_views_lock);

	view = find_cpu_view(mm, cpu);
	if (view)
		return view;
	if (um_tlb_share(mm))
		return mm->context.view;
	views = mm->context.cpu_views;
	if (!views) {
		views = kzalloc_obj(*views, GFP_KERNEL_ACCOUNT);
		if (!views)
			return mm->context.view;
		/* pairs with find_cpu_view() */
		smp_store_release(&mm->context.cpu_views, views);
	}

	view = um_view_acquire(mm);
	if (IS_ERR(view))
		view = mm->context.view;
	/* pairs with find_cpu_view() */
	smp_store_release(&views->view[cpu], view);
	return view;
}

static struct um_view *choose_view(struct mm_struct *mm)
{
	unsigned int cpu = raw_smp_processor_id();

	if (um_vas_slot())
		return um_slot_of(mm, um_vas_slot())->view;
	if (cpu == 0 || thread_group_empty(current))
		return mm->context.view;
	return find_cpu_view(mm, cpu) ?: make_cpu_view(mm, cpu);
}

/**
 * choose_mm_id() - choose the host process that the current task is to run in
 *
 * Context: process, may sleep.
 * Return: the host process; it is the current one until the next choice.
 */
struct mm_id *choose_mm_id(void)
{
	struct um_view *view = choose_view(current->mm);

	current->thread.view = view;
	return &view->id;
}

/**
 * um_cpu_views_may_map() - may any view of an mm but one map something there?
 * @mm:		the mm, without slots
 * @except:	the view that does not count
 * @start:	first address
 * @end:	first address behind
 *
 * Context: mm_context.walk of @mm held.
 */
bool um_cpu_views_may_map(struct mm_struct *mm, const struct um_view *except,
			  unsigned long start, unsigned long end)
{
	struct um_view *view = mm->context.view;
	unsigned int cpu;

	if (view != except && um_view_may_map(view, start, end))
		return true;
	for_each_online_cpu(cpu) {
		view = find_cpu_view(mm, cpu);
		if (view && view != except && um_view_may_map(view, start, end))
			return true;
	}
	return false;
}

/**
 * um_cpu_views_release() - give back the views that an mm has for CPUs
 * @mm:		the mm, which nobody uses any more
 */
void um_cpu_views_release(struct mm_struct *mm)
{
	struct um_cpu_views *views = mm->context.cpu_views;
	unsigned int cpu;

	if (!views)
		return;
	for_each_possible_cpu(cpu)
		if (views->view[cpu] && views->view[cpu] != mm->context.view)
			um_view_release(views->view[cpu]);
	kfree(views);
	mm->context.cpu_views = NULL;
}
