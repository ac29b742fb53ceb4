/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A view is one host address space, that is one host process, which caches the
 * translations of an mm. This header knows the life of host processes and
 * nothing of page tables. See Documentation/arch/um-views.rst.
 */

#ifndef __ASM_UM_VIEW_H
#define __ASM_UM_VIEW_H

#include <linux/container_of.h>
#include <linux/list.h>
#include <linux/types.h>
#include <mm_id.h>
#include <asm/vas_slot.h>

struct mm_struct;
struct task_struct;

/**
 * struct um_view - a host address space
 * @id:		its host process, as the host side knows it
 * @mm:		the mm whose translations it caches, NULL while it has none
 * @fpu_owner:	the task whose floating point state is in its signal frame
 * @all:	in the list of all views; protected by its lock
 * @idle:	in the pool, while @mm is NULL
 * @released:	when it came there, in jiffies
 * @dying:	its host process was killed, and is to be reaped
 * @rcu:	a virtual CPU may look at @id until a grace period has passed
 */
struct um_view {
	struct mm_id id;
	struct mm_struct *mm;
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

/* The view that the current task's guest code runs in. */
#ifdef CONFIG_VAS
#define um_current_view()						\
	(um_vas_slot() ? um_slot_of(current->mm, um_vas_slot())->view	\
		       : current->mm->context.view)
#else
#define um_current_view()	(current->mm->context.view)
#endif

struct um_view *um_view_create(void);
int um_view_recycle(struct um_view *view);
void um_view_kill(struct um_view *view);
void um_view_destroy(struct um_view *view);
struct um_view *um_view_acquire(struct mm_struct *mm);
void um_view_release(struct um_view *view);
void um_view_interrupt(struct mm_struct *mm);
void um_view_tick(struct mm_struct *mm);
void um_views_kill_all(void);

#endif
