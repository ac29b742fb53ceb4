// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sync of an mm with slots (asm/vas_slot.h), which has several views.
 *
 * Common changes are walked by the view that runs next. If it dropped or
 * replaced anything, the others, which do not run and may still map that, are
 * emptied before they do; what is only added they get by misses. Changes in a
 * slot concern its own view alone.
 */

#include <linux/mm.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <as-layout.h>
#include "tlb_internal.h"

/* The window of the last miss: others may map it already, this view does not. */
static int send_missed(struct tlb_walk *walk, struct um_tlb *tlb)
{
	unsigned long start = tlb->again_start;
	unsigned long end = min(tlb->again_end,
				start + UM_TLB_WINDOW_MAX * PAGE_SIZE);

	tlb->again_end = 0;
	walk->again = true;
	return um_tlb_walk_range(walk, start, end);
}

/**
 * um_tlb_sync_slot() - put into a batch what the current view has to do
 * @walk:	of an mm with slots
 *
 * Context and return: as um_tlb_walk_range().
 */
int um_tlb_sync_slot(struct tlb_walk *walk)
{
	struct um_tlb *common = &walk->mm->context.tlb;
	struct um_tlb *tlb = um_tlb_of_view(walk->mm);
	int err = 0;

	walk->several = true;
	if (tlb->seen != common->removals) {
		tlb->seen = common->removals;
		tlb_batch_reset(walk->batch);
		tlb_batch_empty_space(walk->batch, 0, STUB_START);
	}

	/* What changes from here on is seen by um_tlb_enter(). */
	if (READ_ONCE(common->changed.nr))
		err = um_tlb_walk_changed(walk, common);
	/* Also on failure: it may have been one of those that were sent. */
	if (walk->removed)
		tlb->seen = ++common->removals;
	if (!err && tlb != common && READ_ONCE(tlb->changed.nr))
		err = um_tlb_walk_changed(walk, tlb);

	walk->removed = false;
	if (!err)
		err = send_missed(walk, tlb);
	if (walk->removed)
		tlb->seen = ++common->removals;
	return err;
}
