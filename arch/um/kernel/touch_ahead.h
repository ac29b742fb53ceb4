/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What fork_ahead.c and exec_ahead.c share.
 */

#ifndef __UM_TOUCH_AHEAD_H
#define __UM_TOUCH_AHEAD_H

#include <linux/mm_types.h>

/* So many pages are remembered, among the first so many faults */
#define REMEMBERED_PAGES	16U

/* After so many times it begins anew. */
#define REMEMBERED_ROUNDS	16U

/* Of a page that was written, in the place of its offset */
#define REMEMBERED_WRITTEN	1UL

/**
 * struct remembered - pages that faulted first, each time that something was done
 * @nr:		how many there are
 * @next:	where the next one goes, instead of the oldest
 * @rounds:	how often it was done
 * @page:	their addresses, and REMEMBERED_WRITTEN
 */
struct remembered {
	unsigned int nr, next, rounds;
	unsigned long page[REMEMBERED_PAGES];
};

struct remembered um_recall(struct remembered *remembered);
void um_remember(struct remembered *remembered, unsigned long addr,
		 bool is_write);

bool um_may_touch_ahead(const struct vm_area_struct *vma);
int um_touch_ahead(struct vm_area_struct *vma, unsigned long addr,
		   unsigned int flags);
void um_touch_address(struct mm_struct *mm, unsigned long addr, bool write);
void um_touch_remembered(struct mm_struct *mm, const struct remembered *known,
			 unsigned long base);

void um_fork_remember(struct mm_struct *mm, unsigned long addr, bool is_write);
void um_exec_remember(struct mm_struct *mm, unsigned long addr, bool is_write);

#endif
