/* SPDX-License-Identifier: GPL-2.0-only */
/* Page faults under the lock of one VMA: arch/um/kernel/vma_fault.c */

#ifndef __UM_VMA_FAULT_H
#define __UM_VMA_FAULT_H

#include <linux/types.h>

struct mm_struct;

#ifdef CONFIG_PER_VMA_LOCK
bool um_vma_fault(struct mm_struct *mm, unsigned long addr, bool is_write,
		  unsigned int *flags);
#else
static inline bool um_vma_fault(struct mm_struct *mm, unsigned long addr,
				bool is_write, unsigned int *flags)
{
	return false;
}
#endif

#endif
