/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking pages along that a thread will touch next: kernel/fault_around.c.
 */

#ifndef __UM_FAULT_AROUND_H
#define __UM_FAULT_AROUND_H

#include <fault_runs.h>

/* Of a file: so much is mapped around what faulted, if it is in memory. */
#define ARCH_FAULT_AROUND_BYTES	(64 * PAGE_SIZE)

struct mm_struct;
struct vm_area_struct;

/**
 * struct um_fault_history - the page faults of a thread
 * @mm:		the mm that they were in; only compared
 * @runs:	what they tell
 */
struct um_fault_history {
	const struct mm_struct *mm;
	struct fault_runs runs;
};

bool um_memory_has_room(struct mm_struct *mm, unsigned long pages);
void um_fault_around(struct vm_area_struct *vma, unsigned long addr,
		     unsigned int flags);

#endif
