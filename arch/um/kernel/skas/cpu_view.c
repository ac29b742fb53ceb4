// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of one process on several virtual CPUs: each CPU has a view of the mm,
 * as each processor has a TLB, so that threads run guest code at once. The same
 * goes for each slot of the mm (asm/vas_slot.h) that threads are inside of.
 *
 * A process with one thread has one view, wherever it runs. So have those that
 * share an mm without being threads of one process: they take turns.
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
	struct um_view *on[NR_CPUS];
};

/* Making one may sleep for long. */
static DEFINE_MUTEX(cpu_views_lock);

/* The view of a CPU, or NULL if it was never needed. */
static struct um_view *find_cpu_view(const struct um_views *views,
				     unsigned int cpu)
{
	/* pairs with make_cpu_view() */
	struct um_cpu_views *others = smp_load_acquire(&views->others);

	/* pairs with make_cpu_view() */
	return others ? smp_load_acquire(&others->on[cpu]) : NULL;
}

/* If there can be no more host processes, the CPU shares the first from now on. */
static struct um_view *make_cpu_view(struct mm_struct *mm,
				     struct um_views *views, unsigned int cpu)
{
	struct um_cpu_views *others;
	struct um_view *view;

	guard(mutex)(&cpu_views_lock);

	view = find_cpu_view(views, cpu);
	if (view)
		return view;
	if (um_tlb_share(mm))
		return views->first;
	others = views->others;
	if (!others) {
		others = kzalloc_obj(*others, GFP_KERNEL_ACCOUNT);
		if (!others)
			return views->first;
		/* pairs with find_cpu_view() */
		smp_store_release(&views->others, others);
	}

	view = um_vas_slot() ? um_slot_view_acquire(mm) : um_view_acquire(mm);
	if (IS_ERR(view))
		view = views->first;
	/* pairs with find_cpu_view() */
	smp_store_release(&others->on[cpu], view);
	return view;
}

static struct um_view *choose_view(struct mm_struct *mm)
{
	struct um_slot *slot = um_slot_of(mm, um_vas_slot());
	struct um_views *views = slot ? &slot->views : &mm->context.views;
	unsigned int cpu = raw_smp_processor_id();

	if (cpu == 0 || thread_group_empty(current))
		return views->first;
	return find_cpu_view(views, cpu) ?: make_cpu_view(mm, views, cpu);
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
 * um_views_may_map() - may any view but one map something there?
 * @views:	those of an mm, or of a slot that the current task is in
 * @except:	the view that does not count
 * @start:	first address
 * @end:	first address behind
 *
 * Context: mm_context.walk of the mm held.
 */
bool um_views_may_map(const struct um_views *views,
		      const struct um_view *except, unsigned long start,
		      unsigned long end)
{
	struct um_view *view = views->first;
	unsigned int cpu;

	if (view != except && um_view_may_map(view, start, end))
		return true;
	for_each_online_cpu(cpu) {
		view = find_cpu_view(views, cpu);
		if (view && view != except && um_view_may_map(view, start, end))
			return true;
	}
	return false;
}

/**
 * um_views_give_back_others() - leave an mm, or a slot of it, its first view only
 * @views:	the views, in which no task runs
 * @release:	what to do with each of the others
 */
void um_views_give_back_others(struct um_views *views,
			       void (*release)(struct um_view *view))
{
	struct um_cpu_views *others = views->others;
	unsigned int cpu;

	if (!others)
		return;
	for_each_possible_cpu(cpu)
		if (others->on[cpu] && others->on[cpu] != views->first)
			release(others->on[cpu]);
	kfree(others);
	views->others = NULL;
}
