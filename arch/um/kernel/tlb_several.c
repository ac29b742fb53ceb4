// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sync of an mm that has several views: one for each slot (asm/vas_slot.h),
 * and one for each virtual CPU that its threads run on (skas/cpu_view.c).
 *
 * They are what the TLBs of several processors are. Common changes are walked by
 * the view that runs next, those in a slot by the next of its views, while no other
 * one may begin to run. What it dropped goes to a log (struct um_tlb_log), and each
 * other view drops these ranges before it runs again, but for those of a slot that
 * it is not for. What is added, each view gets where its own guest code faults.
 *
 * A view is not disturbed by changes where it maps nothing (um_view.places): most
 * threads change their own memory.
 */

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <as-layout.h>
#include "tlb_internal.h"

/* More than the longest run of pages that a fault takes along */
#define FILL_AGAIN_MAX	(2 * PMD_SIZE)

/**
 * um_tlb_share() - prepare an mm for a second view
 * @mm:		the mm, of the current task
 *
 * Context: process, may sleep; takes mm_context.walk.
 * Return: 0; -ENOMEM without memory.
 */
int um_tlb_share(struct mm_struct *mm)
{
	struct um_tlb_log *log;

	if (um_tlb_several(mm))
		return 0;
	log = kzalloc_obj(*log, GFP_KERNEL_ACCOUNT);
	if (!log)
		return -ENOMEM;

	guard(mutex)(&mm->context.walk);
	if (mm->context.log)
		kfree(log);
	else
		WRITE_ONCE(mm->context.log, log);
	return 0;
}

/* Of all slots, only the current one's views are there to look at. */
static bool others_may_map(struct mm_struct *mm, const struct um_view *view,
			   const struct tlb_range *range)
{
	struct um_slot *slot = um_slot_of(mm, um_vas_slot_of(range->start));

	if (um_has_slots(mm) && !slot)
		return true;
	return um_views_may_map(slot ? &slot->views : &mm->context.views, view,
				range->start, range->end);
}

/**
 * um_tlb_log() - have the other views of an mm drop what one has dropped
 * @mm:		the mm
 * @removed:	what that was: common addresses, or those of the current slot
 * @view:	the one that has
 *
 * Context: mm_context.walk held.
 */
void um_tlb_log(struct mm_struct *mm, const struct tlb_ranges *removed,
		struct um_view *view)
{
	mm_context_t *context = &mm->context;
	bool all_seen = view->seen == context->removals;
	unsigned int i;

	for (i = 0; i < removed->nr; i++) {
		const struct tlb_range *range = &removed->range[i];

		if (!others_may_map(mm, view, range))
			continue;
		context->log->removed[context->removals % UM_TLB_LOG] = *range;
		WRITE_ONCE(context->removals, context->removals + 1);
	}
	if (all_seen)
		view->seen = context->removals;
}

/**
 * um_view_may_map() - may a view map anything in a range?
 * @view:	the view, of the mm
 * @start:	first address
 * @end:	first address behind
 *
 * Context: any; for changes that were made under the page-table lock.
 */
bool um_view_may_map(const struct um_view *view, unsigned long start,
		     unsigned long end)
{
	if (end - start >= PMD_SIZE << UM_VIEW_PLACES)
		return true;
	for (start &= PMD_MASK; start < end; start += PMD_SIZE)
		if (test_bit(um_view_place(start), view->places))
			return true;
	return false;
}

/**
 * um_tlb_fill_again() - have the current view filled where its guest code faults
 * @start:	first address
 * @end:	first address behind
 *
 * All of it, as it is not known what the view maps. A hint, which is lost with the
 * next one.
 */
void um_tlb_fill_again(unsigned long start, unsigned long end)
{
	struct um_view *view = um_current_view();

	WRITE_ONCE(view->again_start, start);
	WRITE_ONCE(view->again_end, end);
}

/* Is this address common, or in the current slot? */
static bool is_here(unsigned long addr)
{
	unsigned int slot = um_vas_slot_of(addr);

	return !slot || slot == um_vas_slot();
}

/* What others have dropped since this view ran last. */
static void drop_removed(const mm_context_t *context, struct um_view *view)
{
	struct tlb_batch *batch = &view->id.batch;
	unsigned long n = view->seen;

	view->seen = context->removals;
	if (context->removals - n > UM_TLB_LOG) {
		um_view_empty(view);
		return;
	}
	for (; n != context->removals; n++) {
		const struct tlb_range *range =
			&context->log->removed[n % UM_TLB_LOG];

		if (!is_here(range->start) ||
		    !um_view_may_map(view, range->start, range->end))
			continue;
		if (tlb_batch_full(batch)) {
			um_view_empty(view);
			return;
		}
		tlb_batch_invalidate(batch, um_vas_strip(range->start),
				     range->end - range->start);
	}
}

/*
 * What one walk has removed, which is all common or all in one slot. Also when the
 * walk failed: it may have been one of those that were sent.
 */
static void log_walked(struct tlb_walk *walk)
{
	um_tlb_log(walk->mm, &walk->removed, walk->view);
	walk->removed.nr = 0;
}

/*
 * Where the last fault was: others may map it already, this view does not. The two
 * ends may be of two hints, as a thread that came from another CPU gives one, too.
 */
static int fill_again(struct tlb_walk *walk, struct um_view *view)
{
	unsigned long start = READ_ONCE(view->again_start);
	unsigned long end = min3(READ_ONCE(view->again_end),
				 start + FILL_AGAIN_MAX,
				 um_vas_user_end(start));
	int err;

	view->again_end = 0;
	walk->again = true;
	err = um_tlb_walk_range(walk, start, end);
	walk->again = false;
	log_walked(walk);
	return err;
}

static int walk_changed(struct tlb_walk *walk, struct um_tlb *tlb)
{
	/* What changes from here on is seen by um_tlb_enter(). */
	int err = READ_ONCE(tlb->changed.nr) ? um_tlb_walk_changed(walk, tlb) :
					       0;

	log_walked(walk);
	return err;
}

/**
 * um_tlb_sync_several() - put into a batch what the current view has to do
 * @walk:	of an mm with several views
 *
 * Context: mm_context.walk held; otherwise, and return: as um_tlb_walk_range().
 */
int um_tlb_sync_several(struct tlb_walk *walk)
{
	struct um_tlb *common = &walk->mm->context.tlb;
	struct um_tlb *own = um_tlb_of_slot(walk->mm);
	struct um_view *view = walk->view;
	int err;

	walk->several = true;
	drop_removed(&walk->mm->context, view);

	err = fill_again(walk, view);
	if (!err)
		err = walk_changed(walk, common);
	if (!err && own != common)
		err = walk_changed(walk, own);
	return err;
}
