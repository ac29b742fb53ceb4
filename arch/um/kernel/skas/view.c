// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a view: one host process, which caches the translations of an mm.
 *
 * Locks: views_lock is innermost, and taken with interrupts off.
 */

#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <asm/mmu.h>
#include <asm/view.h>
#include <as-layout.h>
#include <os.h>
#include <shared/irq_kern.h>
#include <skas.h>
#include <stub-data.h>

#define STUB_DATA_ORDER	ilog2(STUB_DATA_PAGES)

static_assert(sizeof(struct stub_data) == STUB_DATA_PAGES * UM_KERN_PAGE_SIZE);

static DEFINE_SPINLOCK(views_lock);
static LIST_HEAD(all_views);
static atomic_t next_bell;

static void free_view(struct rcu_head *rcu)
{
	struct um_view *view = container_of(rcu, struct um_view, rcu);

	free_pages(view->id.stack, STUB_DATA_ORDER);
	kfree(view);
}

static struct um_view *create_view(void)
{
	struct um_view *view = kzalloc(sizeof(*view), GFP_KERNEL);
	int err = -ENOMEM;

	if (!view)
		return ERR_PTR(-ENOMEM);
	view->id.stack = __get_free_pages(GFP_KERNEL | __GFP_ZERO,
					  STUB_DATA_ORDER);
	if (!view->id.stack)
		goto out_free;
	view->id.bell = atomic_inc_return(&next_bell) % HANDOFF_BELLS;
	stub_batch_init(&view->id);

	/* Listed before it can die */
	scoped_guard(spinlock_irqsave, &views_lock)
		list_add(&view->all, &all_views);

	err = start_userspace(&view->id);
	if (err < 0)
		goto out_unlist;

	/* The host itself maps a few things into a new process. */
	tlb_batch_empty_space(&view->id.batch, 0, STUB_START);
	return view;

out_unlist:
	scoped_guard(spinlock_irqsave, &views_lock)
		list_del(&view->all);
	free_pages(view->id.stack, STUB_DATA_ORDER);
out_free:
	kfree(view);
	return ERR_PTR(err);
}

static void destroy_view(struct um_view *view)
{
	scoped_guard(spinlock_irqsave, &views_lock)
		list_del(&view->all);

	if (view->id.pid > 0)
		os_kill_ptraced_process(view->id.pid, 1);
	if (using_seccomp)
		os_close_file(view->id.sock);
	handoff_forget(&view->id);
	call_rcu(&view->rcu, free_view);
}

/**
 * um_view_acquire() - get an empty view
 * @mm:		the mm whose guest code it will run
 *
 * Context: process, may sleep.
 * Return: the view, or an ERR_PTR(): -ENOMEM without memory, or the errno with
 * which the host refused a process (-EAGAIN: RLIMIT_NPROC).
 */
struct um_view *um_view_acquire(struct mm_struct *mm)
{
	struct um_view *view = create_view();

	if (!IS_ERR(view))
		view->mm = mm;
	return view;
}

/**
 * um_view_release() - give back a view
 * @view:	the view; its mm is gone and no task runs in it
 */
void um_view_release(struct um_view *view)
{
	destroy_view(view);
}

/**
 * um_view_interrupt() - stop guest code that may be running on this CPU
 * @mm:		the mm of the current task, or NULL
 *
 * Where no guest code can be running, its next entry looks for what there is to
 * do (current_mm_enter()), and no signal is spent.
 *
 * Context: interrupt.
 */
void um_view_interrupt(struct mm_struct *mm)
{
	if (mm && READ_ONCE(mm->context.tlb.runs) & 1)
		os_alarm_process(mm->context.view->id.pid);
}

/**
 * um_view_tick() - the same for the timer, which also looks after hand-offs
 * @mm:		the mm of the current task, or NULL
 *
 * Context: interrupt.
 */
void um_view_tick(struct mm_struct *mm)
{
	handoff_tick();
	um_view_interrupt(mm);
}

/**
 * um_views_kill_all() - end all host processes: the kernel halts
 */
void um_views_kill_all(void)
{
	struct um_view *view;

	list_for_each_entry(view, &all_views, all)
		os_kill_ptraced_process(view->id.pid, 1);
}

/* A host process that died on its own; its tasks get a SIGSEGV. */
static void lost_view(struct um_view *view)
{
	pr_err("Unexpectedly lost MM child! Affected tasks will segfault.\n");
	handoff_lost(&view->id);
}

static irqreturn_t child_died(int irq, void *unused)
{
	struct um_view *view;
	pid_t pid;

	guard(spinlock)(&views_lock);

	while ((pid = os_reap_child()) > 0) {
		list_for_each_entry(view, &all_views, all) {
			if (view->id.pid == pid) {
				lost_view(view);
				break;
			}
		}
	}
	return IRQ_HANDLED;
}

static int __init um_view_init(void)
{
	int err;

	handoff_bells = (unsigned int *)get_zeroed_page(GFP_KERNEL);
	if (!handoff_bells)
		panic("No page for the bells of host processes");

	err = request_irq(SIGCHLD_IRQ, child_died, 0, "SIGCHLD", NULL);

	if (err < 0)
		panic("Failed to register SIGCHLD IRQ: %d", err);
	return 0;
}
early_initcall(um_view_init);
