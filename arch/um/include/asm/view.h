/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A view is one host address space, that is one host process, which caches the
 * translations of an mm. This header knows the life of host processes and
 * nothing of page tables. See Documentation/arch/um-views.rst.
 */

#ifndef __ASM_UM_VIEW_H
#define __ASM_UM_VIEW_H

#include <linux/bitmap.h>
#include <linux/container_of.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <mm_id.h>
#include <asm/vas_slot.h>

struct mm_struct;
struct task_struct;
struct um_views;

/* log2 of how many bits tell where a view maps something */
#define UM_VIEW_PLACES	10

/**
 * struct um_view - a host address space
 * @id:		its host process, as the host side knows it
 * @mm:		the mm whose translations it caches, NULL while it has none
 * @turnstile:	held by the thread that gives it work and waits for it
 * @seen:	how much of what was removed from @mm it has dropped, too
 * @places:	where it may map something: a bit for each table of entries, by
 *		hash. Set under the page-table lock before the entry is read
 * @again_start: entries that it is to be sent even if another view of @mm has
 *		them; set by a fault
 * @again_end:	their end, 0 if none
 * @next_miss:	where the last window that was filled on a miss ends
 * @window_pages: how large that window was
 * @walking:	its thread holds mm_context.walk of @mm
 * @evicting:	it is being emptied
 * @evicted:	nothing was sent successfully since the last eviction
 * @fpu_owner:	the task whose floating point state is in its signal frame
 * @all:	in the list of all views; protected by its lock
 * @idle:	in the pool, while @mm is NULL
 * @released:	when it came there, in jiffies
 * @dying:	its host process was killed, and is to be reaped
 * @rcu:	a virtual CPU may look at it until a grace period has passed
 *
 * What follows @turnstile, up to @evicted, belongs to the thread that runs in it.
 */
struct um_view {
	struct mm_id id;
	struct mm_struct *mm;
	struct mutex turnstile;
	unsigned long seen;
	DECLARE_BITMAP(places, 1 << UM_VIEW_PLACES);
	unsigned long again_start;
	unsigned long again_end;
	unsigned long next_miss;
	unsigned int window_pages;
	bool walking;
	bool evicting;
	bool evicted;
	struct task_struct *fpu_owner;
	struct list_head all;
	struct list_head idle;
	unsigned long released;
	bool dying;
	struct rcu_head rcu;
};

/* The view of a host process. */
static inline struct um_view *um_view_of(struct mm_id *id)
{
	return container_of(id, struct um_view, id);
}

/* The view that the current task's guest code runs in, or ran in last. */
#define um_current_view()	(current->thread.view)

struct um_view *um_view_create(void);
void um_view_empty(struct um_view *view);
int um_view_recycle(struct um_view *view);
void um_view_kill(struct um_view *view);
void um_view_destroy(struct um_view *view);
struct um_view *um_view_acquire(struct mm_struct *mm);
void um_view_release(struct um_view *view);
void um_view_tick(void);
void um_views_kill_all(void);
void um_views_give_back_others(struct um_views *views,
			       void (*release)(struct um_view *view));
bool um_views_may_map(const struct um_views *views,
		      const struct um_view *except, unsigned long start,
		      unsigned long end);
bool um_view_may_map(const struct um_view *view, unsigned long start,
		     unsigned long end);

#endif
