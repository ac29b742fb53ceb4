// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults in user memory, of guest code and of the kernel's own accesses
 * (skas/uaccess.c).
 *
 * Three ways, the cheapest first: the page table has the answer and the host does
 * not know it yet (tlb_miss.c); the lock of the VMA is enough, and threads that
 * fault in other VMAs, or in the same one, do not wait for one that maps or unmaps
 * elsewhere; the mmap lock, for a stack that has to grow, a VMA that somebody
 * changes, and whatever the generic handler wants to do again.
 */

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <asm/ahead.h>
#include <asm/fault_around.h>
#include <asm/tlbflush.h>
#include <asm/vas_slot.h>
#include <kern_util.h>
#include "tlb_internal.h"

/* The lock under which the generic handler was called has been given back. */
#define UNLOCKED	(VM_FAULT_RETRY | VM_FAULT_COMPLETED)

static vm_fault_t handle(struct vm_area_struct *vma, unsigned long addr,
			 unsigned int flags)
{
	vm_flags_t needed = flags & FAULT_FLAG_WRITE ? VM_WRITE :
			    VM_READ | VM_EXEC;
	vm_fault_t fault;

	if (!(vma->vm_flags & needed))
		return VM_FAULT_SIGSEGV;

	fault = handle_mm_fault(vma, addr, flags, NULL);
	if (!(fault & (VM_FAULT_ERROR | UNLOCKED)))
		um_fault_around(vma, addr, flags);
	return fault;
}

/* Returns VM_FAULT_RETRY where this lock is not enough. */
static vm_fault_t handle_under_vma_lock(struct mm_struct *mm,
					unsigned long addr, unsigned int *flags)
{
	struct vm_area_struct *vma = lock_vma_under_rcu(mm, addr);
	vm_fault_t fault;

	if (!vma)
		return VM_FAULT_RETRY;

	fault = handle(vma, addr, *flags | FAULT_FLAG_VMA_LOCK);
	if (!(fault & UNLOCKED))
		vma_end_read(vma);
	if (!(fault & VM_FAULT_RETRY)) {
		count_vm_vma_lock_event(VMA_LOCK_SUCCESS);
		return fault;
	}
	count_vm_vma_lock_event(VMA_LOCK_RETRY);
	/* It has waited for the page, and is to be done now. */
	if (fault & VM_FAULT_MAJOR)
		*flags |= FAULT_FLAG_TRIED;
	return fault;
}

static vm_fault_t handle_under_mmap_lock(struct mm_struct *mm,
					 unsigned long addr,
					 unsigned int *flags, int *code)
{
	struct vm_area_struct *vma = lock_mm_and_find_vma(mm, addr, NULL);
	vm_fault_t fault;

	if (!vma) {
		*code = SEGV_MAPERR;
		return VM_FAULT_SIGSEGV;
	}

	fault = handle(vma, addr, *flags);
	if (!(fault & UNLOCKED))
		mmap_read_unlock(mm);
	*flags |= FAULT_FLAG_TRIED;
	return fault;
}

/*
 * Is there something else to do than to wait for a page? A signal that does not
 * kill can be handled where guest code has faulted, which then faults again, and
 * not in the middle of a system call.
 */
static bool gives_up(unsigned int flags)
{
	return flags & FAULT_FLAG_INTERRUPTIBLE ?
	       signal_pending(current) : fatal_signal_pending(current);
}

static int fault_in(unsigned long address, bool is_write, unsigned int flags,
		    int *code_out)
{
	struct mm_struct *mm = current->mm;
	vm_fault_t fault;

	*code_out = SEGV_MAPERR;
	if (faulthandler_disabled() || !um_vas_fault(&address))
		return -EFAULT;
	if (um_tlb_refill(mm, address, is_write)) {
		um_learn(mm, address, is_write);
		return 0;
	}

	*code_out = SEGV_ACCERR;
	flags |= FAULT_FLAG_USER | (is_write ? FAULT_FLAG_WRITE : 0);
	fault = handle_under_vma_lock(mm, address, &flags);
	while ((fault & VM_FAULT_RETRY) && !gives_up(flags))
		fault = handle_under_mmap_lock(mm, address, &flags, code_out);

	if (!(fault & VM_FAULT_ERROR)) {
		um_learn(mm, address, is_write);
		return 0;
	}
	if (fault & VM_FAULT_OOM) {
		pagefault_out_of_memory();
		return 0;
	}
	if (fault & VM_FAULT_SIGBUS)
		return -EACCES;
	if (is_write)
		WRITE_ONCE(mm->context.refused, address & PAGE_MASK);
	return -EFAULT;
}

/**
 * handle_page_fault() - handle a fault of guest code
 * @address:	the address, as guest code knows it
 * @ip:		not used
 * @is_write:	whether it was written
 * @is_user:	whether guest code did; the kernel never gets at user memory by a
 *		fault of its own
 * @code_out:	set to the si_code of the SIGSEGV for -EFAULT
 *
 * Context: process, may sleep. Takes the lock of the VMA, or the mmap lock.
 * Return: 0 if the access is to be tried again, also by a task that has a signal
 * to handle first, or has to wait for memory; -EFAULT if it is not allowed; -EACCES
 * where it is, but there is nothing behind the mapping.
 */
int handle_page_fault(unsigned long address, unsigned long ip, int is_write,
		      int is_user, int *code_out)
{
	*code_out = SEGV_MAPERR;
	if (!is_user)
		return -EFAULT;
	return fault_in(address, is_write, FAULT_FLAG_DEFAULT, code_out);
}

/**
 * um_fault_in() - the kernel is to access user memory for which there is no page
 * @address:	the address, as guest code knows it
 * @is_write:	whether it is to be written
 *
 * Context: process, may sleep, as handle_page_fault().
 * Return: 0 if the access is to be tried again, also by a task that is being
 * killed or has to wait for memory; -EFAULT or -EACCES if it is no use.
 */
int um_fault_in(unsigned long address, bool is_write)
{
	int code;

	return fault_in(address, is_write,
			FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE, &code);
}
