// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own range (vmalloc, modules): the same walk as for a user's mm,
 * but the batch runs at once, in the kernel's own host process.
 *
 * New mappings are sent as soon as they are complete (flush_cache_vmap()), old
 * ones go when they are flushed, so that neither takes a fault. What was evicted
 * for want of room comes back by faults, as a user's does.
 */

#include <linux/mm.h>
#include <linux/sched/task_stack.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <as-layout.h>
#include <mem.h>
#include <os.h>
#include "tlb_internal.h"

/* Operations that the kernel does on itself in one go. */
#define KERNEL_BATCH_OPS	64

static DEFINE_RAW_SPINLOCK(kernel_tlb_lock);
static struct tlb_op kernel_ops[KERNEL_BATCH_OPS];

static struct tlb_batch kernel_batch = {
	.ops = kernel_ops,
	.max = KERNEL_BATCH_OPS,
};

static int send_kernel(struct mm_struct *mm)
{
	unsigned int nr = tlb_batch_finish(&kernel_batch), done;
	int err;

	if (!nr)
		return 0;

	um_tlb_count_batch(&kernel_batch, true);
	done = os_batch_run(kernel_ops, nr, &err);
	tlb_batch_reset(&kernel_batch);
	if (err == -ENOMEM)
		um_tlb_report_full("kernel", &kernel_ops[done]);
	else if (err)
		um_tlb_report_failure("kernel", err, &kernel_ops[done]);
	return err;
}

/*
 * Unmaps the kernel's whole range but the stack that this runs on. The rest
 * comes back by refills, which run on the signal stack.
 */
static int evict_kernel(void)
{
	unsigned long stack = (unsigned long)task_stack_page(current);
	unsigned long keep_start = VMALLOC_END, keep_end = VMALLOC_END;
	struct tlb_ranges dropped;

	if (is_vmalloc_addr((void *)stack)) {
		keep_start = stack;
		keep_end = stack + THREAD_SIZE;
	}

	um_tlb_count(UM_TLB_EVICTIONS, 1);
	um_tlb_take_changed(&init_mm, &dropped);
	um_tlb_forget_range(&init_mm, VMALLOC_START, keep_start);
	um_tlb_forget_range(&init_mm, keep_end, VMALLOC_END);

	tlb_batch_reset(&kernel_batch);
	tlb_batch_empty_space(&kernel_batch, VMALLOC_START,
			      keep_start - VMALLOC_START);
	if (keep_end < VMALLOC_END)
		tlb_batch_empty_space(&kernel_batch, keep_end,
				      VMALLOC_END - keep_end);
	return send_kernel(&init_mm);
}

static int sync_kernel(void)
{
	int err;

	guard(raw_spinlock_irqsave)(&kernel_tlb_lock);

	err = um_tlb_sync_changed(&init_mm, &kernel_batch, send_kernel);
	if (!err)
		err = send_kernel(&init_mm);
	if (err == -ENOMEM)
		err = evict_kernel();
	return err;
}

/**
 * flush_tlb_kernel_range() - make the kernel's host mappings follow its entries
 * @start:	first address, bytes
 * @end:	first address behind
 *
 * Context: any; takes kernel_tlb_lock. Panics if the host can neither change
 * nor drop mappings of the kernel.
 */
void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	int err;

	um_tlb_mark(&init_mm, start, end);
	err = sync_kernel();
	if (err)
		panic("The host cannot map kernel memory: errno %d\n", -err);
}
EXPORT_SYMBOL_GPL(flush_tlb_kernel_range);

/**
 * flush_tlb_all() - flush_tlb_kernel_range() over all kernel addresses
 */
void flush_tlb_all(void)
{
	flush_tlb_kernel_range(VMALLOC_START, VMALLOC_END);
}

/**
 * um_tlb_kernel_refill() - handle a fault in the kernel's own range
 * @addr:	the address that faulted, between start_vm and end_vm
 * @is_write:	whether it was written
 *
 * Context: signal handler of the host, on the signal stack.
 * Return: true if the kernel maps the address, and the host now does too.
 */
bool um_tlb_kernel_refill(unsigned long addr, bool is_write)
{
	unsigned long start;
	spinlock_t *ptl;
	pte_t *ptep, pte;

	ptep = um_tlb_lock_entry(&init_mm, addr, &ptl);
	if (!ptep)
		return false;
	pte = READ_ONCE(*ptep);
	if (!pte_host_allows(pte, is_write))
		return false;

	um_tlb_send_again(&init_mm, ptep, pte);
	um_tlb_count(UM_TLB_MISSES, 1);
	start = round_down(addr, UM_TLB_MARK_BYTES);
	flush_tlb_kernel_range(start, start + UM_TLB_MARK_BYTES);
	return true;
}
