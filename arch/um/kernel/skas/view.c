// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a view: one host process, which caches the translations of an mm.
 * It is created, recycled any number of times, and destroyed. Which of these,
 * and when, is for the pool to say (view_pool.c).
 *
 * Recycling needs the host process to be as new for the next guest program,
 * whatever the last one did to it. In ptrace mode guest code makes no call of
 * the host, and every register is set each time. In seccomp mode it is
 *
 *  1. found to sleep where it can only go on with what the stub says
 *     (os_view_settle()), or else it is killed;
 *  2. given new contents of its shared pages: those that the first host process
 *     had before any guest code ran, so also the signal frame, from which all
 *     registers, the floating point state, the signal mask and the signal stack
 *     are restored;
 *  3. at its next resumption, has the rest undone by the stub (reset() in
 *     stub.c), and everything below the stub unmapped by the first operation of
 *     its batch, before any guest code runs.
 *
 * A host process dies when the kernel kills it, and if guest code gets it killed
 * by its filter. Its pages are freed when the host has said that it is dead.
 *
 * Locks: views_lock is innermost, and taken with interrupts off.
 */

#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <asm/mmu.h>
#include <asm/tlb_stats.h>
#include <asm/tlbflush.h>
#include <asm/view.h>
#include <as-layout.h>
#include <host_process.h>
#include <os.h>
#include <shared/irq_kern.h>
#include <skas.h>
#include <stub-data.h>

#define STUB_DATA_ORDER	ilog2(STUB_DATA_PAGES)

static_assert(sizeof(struct stub_data) == STUB_DATA_PAGES * UM_KERN_PAGE_SIZE);

/* Every view whose host process is not known to be dead */
static LIST_HEAD(all_views);
static DEFINE_SPINLOCK(views_lock);

/* The shared pages of a host process in which no guest code has run yet */
static struct stub_data *pristine;
static DEFINE_MUTEX(create_mutex);

static void free_view(struct rcu_head *rcu)
{
	struct um_view *view = container_of(rcu, struct um_view, rcu);

	free_pages(view->id.stack, STUB_DATA_ORDER);
	kfree(view);
}

/* A virtual CPU may still look at it as the last one that it ran. */
static void free_view_soon(struct um_view *view)
{
	handoff_forget(&view->id);
	os_view_forget(&view->id);
	call_rcu(&view->rcu, free_view);
}

static struct um_view *alloc_view(void)
{
	static unsigned int next_bell;
	struct um_view *view = kzalloc(sizeof(*view), GFP_KERNEL);

	if (!view)
		return NULL;
	view->id.stack = __get_free_pages(GFP_KERNEL | __GFP_ZERO,
					  STUB_DATA_ORDER);
	if (!view->id.stack) {
		kfree(view);
		return NULL;
	}
	view->id.mem_token = get_random_long();
	view->id.bell = next_bell++ % HANDOFF_BELLS;
	view->id.proc_file = -1;
	stub_batch_init(&view->id);
	mutex_init(&view->turnstile);
	INIT_LIST_HEAD(&view->idle);
	return view;
}

static void list_view(struct um_view *view)
{
	guard(spinlock_irqsave)(&views_lock);
	list_add(&view->all, &all_views);
}

static void unlist_view(struct um_view *view)
{
	guard(spinlock_irqsave)(&views_lock);
	list_del(&view->all);
}

/* Of the first host process, for all that come: they only differ in their words. */
static int keep_pristine(struct um_view *view)
{
	if (pristine || !using_seccomp)
		return 0;
	pristine = kmemdup((void *)view->id.stack, sizeof(*pristine),
			   GFP_KERNEL);
	return pristine ? 0 : -ENOMEM;
}

/**
 * um_view_create() - make a view, and start its host process
 *
 * Context: process, may sleep. Takes about half a millisecond of the host.
 * Return: the view, with an emptied batch; an ERR_PTR(): -ENOMEM without memory,
 * or the errno with which the host refused a process (-EAGAIN: RLIMIT_NPROC).
 */
struct um_view *um_view_create(void)
{
	unsigned long stack = __get_free_page(GFP_KERNEL);
	struct um_view *view;
	int err = -ENOMEM;

	guard(mutex)(&create_mutex);

	view = stack ? alloc_view() : NULL;
	if (!view)
		goto out;

	/* Listed before it can die */
	list_view(view);
	err = os_view_start(&view->id, (void *)stack + PAGE_SIZE);
	if (!err) {
		err = keep_pristine(view);
		if (err)
			os_kill_ptraced_process(view->id.pid, 1);
	}
	if (err) {
		unlist_view(view);
		free_view_soon(view);
	} else {
		/* The host itself maps a few things into a new process. */
		um_view_empty(view);
		um_tlb_count(UM_TLB_VIEWS_CREATED, 1);
	}
out:
	free_page(stack);
	return err ? ERR_PTR(err) : view;
}

/**
 * um_view_empty() - have a view unmap all that guest code could reach
 * @view:	the view; what its batch held is forgotten
 *
 * Context: the owner of the batch.
 */
void um_view_empty(struct um_view *view)
{
	tlb_batch_reset(&view->id.batch);
	tlb_batch_empty_space(&view->id.batch, 0, STUB_START);
	bitmap_zero(view->places, 1 << UM_VIEW_PLACES);
}

/**
 * um_view_recycle() - make a view that was in use as new
 * @view:	the view, which has no mm
 *
 * Return: 0; -EBUSY if it is still about to fall asleep, or seems to be; another
 * negative errno if guest code has seen to it that it cannot be trusted.
 */
int um_view_recycle(struct um_view *view)
{
	struct mm_id *id = &view->id;
	int err;

	err = os_view_alive(id) ? os_view_settle(id) : -ESRCH;
	if (err)
		return err;

	if (using_seccomp) {
		*(struct stub_data *)id->stack = *pristine;
		handoff_reset(id);
	}
	um_view_empty(view);
	um_tlb_count(UM_TLB_VIEWS_RECYCLED, 1);
	return 0;
}

/**
 * um_view_kill() - end a host process that is of no use any more
 * @view:	its view, which keeps its mm; the host process is stopped
 *
 * In seccomp mode SIGCHLD tells when it is dead. Its tasks cannot go on.
 *
 * Context: its turnstile held.
 */
void um_view_kill(struct um_view *view)
{
	struct mm_id *id = &view->id;

	if (using_seccomp) {
		os_view_kill(id);
		return;
	}
	os_kill_ptraced_process(id->pid, 1);
	WRITE_ONCE(id->pid, -1);
}

/**
 * um_view_destroy() - end a view and its host process
 * @view:	the view, which has no mm and is not in the pool
 *
 * In seccomp mode this waits for nothing: SIGCHLD tells when it is dead.
 *
 * Context: any.
 */
void um_view_destroy(struct um_view *view)
{
	struct mm_id *id = &view->id;
	bool dead = !using_seccomp;

	if (!using_seccomp)
		os_kill_ptraced_process(id->pid, 1);

	scoped_guard(spinlock_irqsave, &views_lock) {
		if (using_seccomp) {
			dead = id->pid < 0;
			view->dying = true;
			if (!dead)
				os_view_kill(id);
		}
		if (dead)
			list_del(&view->all);
	}
	if (dead)
		free_view_soon(view);
}

/**
 * um_views_kill_all() - end all host processes: the kernel halts
 *
 * That they die is expected, also by other CPUs, which may hear of it first.
 */
void um_views_kill_all(void)
{
	struct um_view *view;

	guard(spinlock_irqsave)(&views_lock);

	list_for_each_entry(view, &all_views, all) {
		view->dying = true;
		os_view_kill(&view->id);
	}
	list_for_each_entry(view, &all_views, all)
		os_view_reap(&view->id);
}

/**
 * um_view_tick() - the timer has interrupted this CPU
 *
 * Context: interrupt.
 */
void um_view_tick(void)
{
	handoff_tick();
	um_tlb_interrupt(raw_smp_processor_id());
}

/* While RCU still watches: the last host process may be about to be freed. */
void arch_cpu_idle_enter(void)
{
	local_irq_enable();
	handoff_poll();
	local_irq_disable();
	if (!need_resched())
		handoff_idle();
}

void arch_cpu_idle_exit(void)
{
	handoff_busy();
}

/* A host process died; if it was not to, its tasks get a SIGSEGV. */
static void view_died(struct um_view *view)
{
	if (view->dying) {
		list_del(&view->all);
		free_view_soon(view);
		return;
	}
	pr_err("Unexpectedly lost MM child! Affected tasks will segfault.\n");
	handoff_lost(&view->id);
}

static irqreturn_t child_died(int irq, void *unused)
{
	struct um_view *view;
	pid_t pid;

	guard(spinlock_irqsave)(&views_lock);

	while ((pid = os_reap_child()) > 0) {
		list_for_each_entry(view, &all_views, all) {
			if (view->id.pid == pid) {
				view_died(view);
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
