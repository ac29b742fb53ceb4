// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the host refuses a call.
 *
 * It has room for vm.max_map_count mappings in each process. When a host call
 * fails for want of room, everything is evicted: one munmap over all, which
 * needs no room itself, and a note in each entry. What is needed comes back by
 * refills. After any other failure, and one right after an eviction, it is emptied
 * too, as nothing is known of it; and it is reported and ends the guest process.
 */

#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <as-layout.h>
#include <host_process.h>
#include <skas.h>
#include <tlb_host.h>
#include "tlb_internal.h"

/**
 * um_tlb_report_full() - report that the host has no room for a mapping
 * @who:	whose mapping
 * @op:		the operation that failed
 *
 * That is what eviction is for: said once, then only counted.
 */
void um_tlb_report_full(const char *who, const struct tlb_op *op)
{
	pr_info_once("um_tlb: %s: the host has no room for another mapping at 0x%lx: evicting (see vm.max_map_count)\n",
		     who, op->addr);
}

/**
 * um_tlb_report_failure() - report a host call that failed for good
 * @who:	whose mapping
 * @err:	negative errno of the call
 * @op:		the operation that failed
 */
void um_tlb_report_failure(const char *who, int err, const struct tlb_op *op)
{
	static const char * const call[] = {
		[TLB_FILL] = "mmap",
		[TLB_PROTECT] = "mprotect",
		[TLB_INVALIDATE] = "munmap",
	};
	bool known = op->kind > TLB_NOTHING && op->kind < TLB_OP_KINDS;

	um_tlb_count(UM_TLB_ERRORS, 1);
	pr_err_ratelimited("um_tlb: %s: host %s(0x%lx, 0x%lx, prot %d, offset 0x%lx) failed: errno %d\n",
			   who, known ? call[op->kind] : "call", op->addr,
			   op->len, op->prot, op->offset, -err);
}

static void forget_table(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			 unsigned long end)
{
	spinlock_t *ptl;
	pte_t *table, *ptep;

	table = um_tlb_lock_table(mm, pmd, addr, &ptl);
	if (!table)
		return;

	for (ptep = table; addr < end; ptep++, addr += PAGE_SIZE) {
		pte_t pte = READ_ONCE(*ptep);

		if (pte_get_bits(pte, _PAGE_TLB))
			um_tlb_set_state(mm, ptep, pte,
					 pte_host_prot(pte) ? _PAGE_TLB_STALE : 0);
	}
	um_tlb_unlock_table(table, ptl);
}

/**
 * um_tlb_forget_range() - note in all entries that the host maps nothing
 * @mm:		the mm, or &init_mm
 * @addr:	first address
 * @end:	first address behind
 *
 * Context: takes the page-table locks of a user's mm.
 */
void um_tlb_forget_range(struct mm_struct *mm, unsigned long addr,
			 unsigned long end)
{
	unsigned long next;
	pmd_t *pmd;

	guard(rcu)();

	for (; addr < end; addr = next) {
		pmd = um_tlb_find_table(mm, addr, &next);
		next = min(next, end);
		if (pmd)
			forget_table(mm, pmd, addr, next);
	}
}

/* Notes that no view of mm maps anything, and has them all see to that. */
static void forget_all(struct mm_struct *mm, struct um_view *view)
{
	const struct tlb_ranges everything = {
		.nr = 1,
		.range[0].end = STUB_START,
	};
	struct um_tlb *tlb = &mm->context.tlb, *own = um_tlb_of_slot(mm);
	unsigned long slot = arch_vas_address(um_vas_slot(), 0);
	struct tlb_ranges dropped;

	um_tlb_take_changed(tlb, &dropped);
	um_tlb_forget_range(mm, 0, USER_TASK_SIZE);
	if (own != tlb) {
		um_tlb_take_changed(own, &dropped);
		um_tlb_forget_range(mm, slot, slot + USER_TASK_SIZE);
	}
	if (um_tlb_several(mm))
		um_tlb_log(mm, &everything, view);
}

/*
 * Empties the current host process of mm; what it needs comes back by refills. One that
 * does not even unmap is killed: what it maps is not known.
 */
static int evict_user(struct mm_struct *mm, struct um_view *view)
{
	int err;

	um_tlb_count(UM_TLB_EVICTIONS, 1);
	if (!view->walking)
		mutex_lock(&mm->context.walk);
	forget_all(mm, view);
	if (!view->walking)
		mutex_unlock(&mm->context.walk);

	um_view_empty(view);
	view->evicting = true;
	err = stub_batch_run(&view->id);
	view->evicting = false;
	view->evicted = true;	/* this success is no progress */
	if (err)
		um_view_kill(view);
	return err;
}

/**
 * um_tlb_recover() - a host process could not do an operation
 * @id:		the host process, of the current task or of no mm
 * @err:	negative errno of the host call that failed
 * @op:		that operation, as far as the host process can be believed
 *
 * The whole address space is evicted, for want of room or because nothing is
 * known of it now: others that share the mm must not run with what should have
 * gone, and are emptied before they run again. If there was no want of room, or
 * an eviction has just been made, then the failure is reported and the guest
 * process gets a SIGBUS that it cannot handle.
 *
 * Context: process, the turnstile of the view held.
 * Return: 0 when the guest can go on; negative errno when it is to die.
 */
int um_tlb_recover(struct mm_id *id, int err, const struct tlb_op *op)
{
	struct um_view *view = um_view_of(id);
	struct mm_struct *mm = view->mm;
	bool full;

	tlb_batch_reset(&id->batch);
	if (!mm)
		return err;

	um_tlb_leave();
	full = err == -ENOMEM && !view->evicted && !view->evicting;

	if (full)
		um_tlb_report_full(current->comm, op);
	else
		um_tlb_report_failure(current->comm, err, op);

	if (view->evicting)
		return err;
	if (!evict_user(mm, view) && full)
		return 0;

	force_fatal_sig(SIGBUS);
	return err;
}

/**
 * um_tlb_lost() - a host process has died that was to run a batch
 * @id:		the host process
 *
 * The current task gets a SIGSEGV that it cannot handle, unless it was only
 * helping.
 */
void um_tlb_lost(struct mm_id *id)
{
	if (current->mm && um_view_of(id)->mm == current->mm)
		force_fatal_sig(SIGSEGV);
}

/**
 * um_tlb_batch_succeeded() - note that the host process did all of a batch
 * @id:		the host process
 */
void um_tlb_batch_succeeded(struct mm_id *id)
{
	um_view_of(id)->evicted = false;
}
