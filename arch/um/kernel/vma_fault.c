// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults under the lock of one VMA: threads that fault in different VMAs, or
 * in one, do not wait for one that maps or unmaps elsewhere.
 *
 * What this cannot do is left to the way with the mmap lock: a stack that has to
 * grow, a VMA that somebody changes, an access that is not allowed, and whatever
 * the generic handler wants to do again or reports as an error.
 */

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <asm/fault_around.h>
#include <asm/vma_fault.h>

static bool may_access(const struct vm_area_struct *vma, bool is_write)
{
	return vma->vm_flags & (is_write ? VM_WRITE : VM_READ | VM_EXEC);
}

/**
 * um_vma_fault() - try to handle a page fault under the lock of its VMA
 * @mm:		the mm of the current task
 * @addr:	the address that faulted
 * @is_write:	whether it was written
 * @flags:	FAULT_FLAG_... of the fault; FAULT_FLAG_TRIED is added if the fault
 *		has waited for a page, and is to be tried again
 *
 * Context: process, may sleep.
 * Return: whether the fault has been handled.
 */
bool um_vma_fault(struct mm_struct *mm, unsigned long addr, bool is_write,
		  unsigned int *flags)
{
	unsigned int how = *flags | FAULT_FLAG_VMA_LOCK |
			   (is_write ? FAULT_FLAG_WRITE : 0);
	struct vm_area_struct *vma;
	vm_fault_t fault;

	vma = lock_vma_under_rcu(mm, addr);
	if (!vma)
		return false;
	if (!may_access(vma, is_write)) {
		vma_end_read(vma);
		return false;
	}

	fault = handle_mm_fault(vma, addr, how, NULL);
	if (fault & VM_FAULT_RETRY) {
		count_vm_vma_lock_event(VMA_LOCK_RETRY);
		if (fault & VM_FAULT_MAJOR)
			*flags |= FAULT_FLAG_TRIED;
		return false;
	}
	count_vm_vma_lock_event(VMA_LOCK_SUCCESS);
	if (fault & VM_FAULT_COMPLETED)
		return true;
	if (!(fault & VM_FAULT_ERROR))
		um_fault_around(vma, addr, how);
	vma_end_read(vma);
	return !(fault & VM_FAULT_ERROR);
}
