// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool of views. Starting a host process costs more than all the rest of a
 * fork, so those of dead mms are kept and recycled, and some are made ahead.
 *
 * ready	empty: new, or recycled and emptied while there was time
 * used		as their last mm left them, the longest released first
 *
 * A new mm takes a ready one, else it recycles a used one, else it has to wait
 * for a new one. What is done ahead is done by a thread which only runs when no
 * other one wants to:
 *
 *  - it empties what was released a while ago. Until then its host process holds
 *    mappings of pages that others use now; it sleeps and cannot touch them.
 *  - it makes one for each time that a new mm had to wait.
 *  - of those that nobody needed for a second it destroys half.
 *
 * The pool never holds more than um_view.pool_max, and gives back to the
 * shrinker. That and the thread's reserve bound what it costs.
 *
 * Locks: pool_lock, and under it views_lock (view.c).
 */

#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <asm/tlb_stats.h>
#include <asm/view.h>
#include <host_process.h>
#include <stub-data.h>

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"um_view."

/* A used view is left alone for so long: a new mm would recycle it soon. */
#define SETTLE_JIFFIES		(HZ / 10)

/* How often it is seen what nobody needs, and what is kept all the same. */
#define TRIM_JIFFIES		HZ
#define KEPT			2

/* While the host refuses a process: how often that is tried again. */
#define CREATE_RETRIES		5

static unsigned int pool_max = 64;

/* Guards what stands below it, up to the wait queue */
static DEFINE_SPINLOCK(pool_lock);
static LIST_HEAD(ready);
static LIST_HEAD(used);
static unsigned int idle_views;
/* The fewest that were idle since the last trim */
static unsigned int least_idle;
static unsigned int shortage;

static DECLARE_WAIT_QUEUE_HEAD(pool_wait);

static void add_idle(struct um_view *view, struct list_head *list)
{
	view->released = jiffies;
	list_add_tail(&view->idle, list);
	idle_views++;
}

static struct um_view *take_first(struct list_head *list)
{
	struct um_view *view = list_first_entry_or_null(list, struct um_view,
							idle);

	if (!view)
		return NULL;
	list_del_init(&view->idle);
	idle_views--;
	least_idle = min(least_idle, idle_views);
	return view;
}

/* One that is empty; the host may have killed it meanwhile. */
static struct um_view *take_ready(void)
{
	struct um_view *view;

	for (;;) {
		scoped_guard(spinlock_irqsave, &pool_lock)
			view = take_first(&ready);
		if (!view || os_view_alive(&view->id))
			return view;
		um_view_destroy(view);
	}
}

/* The first used one that was released before a moment in jiffies. */
static struct um_view *take_used(unsigned long before)
{
	struct um_view *view;

	guard(spinlock_irqsave)(&pool_lock);
	view = list_first_entry_or_null(&used, struct um_view, idle);
	if (!view || time_after(view->released, before))
		return NULL;
	return take_first(&used);
}

/* One of those that have been idle for longest, whatever they are. */
static struct um_view *take_any(void)
{
	guard(spinlock_irqsave)(&pool_lock);
	return take_first(&used) ?: take_first(&ready);
}

/* After a release, or when the maximum was lowered. */
static void drop_surplus(void)
{
	struct um_view *view;

	while (READ_ONCE(idle_views) > READ_ONCE(pool_max) &&
	       (view = take_any()))
		um_view_destroy(view);
}

static int set_pool_max(const char *value, const struct kernel_param *param)
{
	int err = param_set_uint(value, param);

	drop_surplus();
	return err;
}

static const struct kernel_param_ops pool_max_ops = {
	.set = set_pool_max,
	.get = param_get_uint,
};
module_param_cb(pool_max, &pool_max_ops, &pool_max, 0644);
MODULE_PARM_DESC(pool_max, "host processes that are kept at most while no guest process needs them");

static struct um_view *recycle_one(void)
{
	struct um_view *view = take_used(jiffies);
	int err;

	if (!view)
		return NULL;
	err = um_view_recycle(view);
	if (!err)
		return view;

	if (err != -EBUSY) {
		um_view_destroy(view);
		return NULL;
	}
	/* If it does not settle, the thread will find it so and destroy it. */
	guard(spinlock_irqsave)(&pool_lock);
	add_idle(view, &used);
	return NULL;
}

static struct um_view *create_one(void)
{
	struct um_view *view;
	int i;

	for (i = 0; ; i++) {
		view = um_view_create();
		if (view != ERR_PTR(-EAGAIN) || i == CREATE_RETRIES)
			return view;
		/* Host processes that were killed may be about to go. */
		schedule_timeout_uninterruptible(1);
	}
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
	struct um_view *view = take_ready() ?: recycle_one();

	if (!view) {
		view = create_one();
		if (IS_ERR(view)) {
			pr_err_ratelimited("um_view: the host makes no more processes: errno %ld\n",
					   -PTR_ERR(view));
			return view;
		}
		scoped_guard(spinlock_irqsave, &pool_lock)
			shortage = min(shortage + 1, pool_max);
		wake_up(&pool_wait);
	}
	view->mm = mm;
	/* It is empty, and has nothing to drop. */
	view->seen = READ_ONCE(mm->context.removals);
	view->again_end = 0;
	view->evicted = false;
	return view;
}

/**
 * um_view_release() - give back a view
 * @view:	the view; its mm is gone and no task runs in it
 *
 * Context: any.
 */
void um_view_release(struct um_view *view)
{
	WARN_ON_ONCE(view->fpu_owner);
	view->mm = NULL;
	tlb_batch_reset(&view->id.batch);

	if (READ_ONCE(view->id.pid) < 0) {
		um_view_destroy(view);
		return;
	}

	scoped_guard(spinlock_irqsave, &pool_lock)
		add_idle(view, &used);
	drop_surplus();
	wake_up(&pool_wait);
}

/* Unmaps what a used view still maps, and makes a ready one of it. */
static void empty_one(struct um_view *view)
{
	if (um_view_recycle(view) || stub_batch_run(&view->id)) {
		um_view_destroy(view);
		return;
	}
	guard(spinlock_irqsave)(&pool_lock);
	add_idle(view, &ready);
}

static void make_one(void)
{
	struct um_view *view;

	scoped_guard(spinlock_irqsave, &pool_lock) {
		if (!shortage)
			return;
		shortage--;
		if (idle_views >= pool_max)
			return;
	}
	view = um_view_create();
	if (IS_ERR(view))
		return;

	guard(spinlock_irqsave)(&pool_lock);
	add_idle(view, &ready);
}

/* Destroys half of those that nobody needed since the last time. */
static void trim(void)
{
	unsigned int surplus;
	struct um_view *view;

	scoped_guard(spinlock_irqsave, &pool_lock) {
		surplus = least_idle > KEPT ? (least_idle - KEPT + 1) / 2 : 0;
		least_idle = idle_views;
	}
	while (surplus-- && (view = take_any()))
		um_view_destroy(view);
}

static bool something_to_do(void)
{
	return READ_ONCE(shortage) || !list_empty(&used);
}

static int pool_thread(void *unused)
{
	const struct sched_param no_priority = {};
	unsigned long last_trim = jiffies;
	struct um_view *view;

	sched_setscheduler_nocheck(current, SCHED_IDLE, &no_priority);
	while (!kthread_should_stop()) {
		if (READ_ONCE(idle_views) > KEPT)
			wait_event_timeout(pool_wait, something_to_do(),
					   TRIM_JIFFIES);
		else
			wait_event_idle(pool_wait, something_to_do());

		while (READ_ONCE(shortage))
			make_one();
		while ((view = take_used(jiffies - SETTLE_JIFFIES)))
			empty_one(view);
		/* One that was taken while the maximum was lowered is back. */
		drop_surplus();
		if (time_after(jiffies, last_trim + TRIM_JIFFIES)) {
			last_trim = jiffies;
			trim();
		}
		schedule_timeout_idle(SETTLE_JIFFIES);
	}
	return 0;
}

static unsigned long count_idle(struct shrinker *shrinker,
				struct shrink_control *control)
{
	return READ_ONCE(idle_views) ?: SHRINK_EMPTY;
}

static unsigned long shrink_idle(struct shrinker *shrinker,
				 struct shrink_control *control)
{
	unsigned long freed = 0;
	struct um_view *view;

	while (freed < control->nr_to_scan && (view = take_any())) {
		um_view_destroy(view);
		freed++;
	}
	return freed ?: SHRINK_STOP;
}

static int __init um_view_pool_init(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "um_view");
	struct task_struct *thread;

	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = count_idle;
	shrinker->scan_objects = shrink_idle;
	shrinker_register(shrinker);

	thread = kthread_run(pool_thread, NULL, "um_views");
	return PTR_ERR_OR_ZERO(thread);
}
late_initcall(um_view_pool_init);
