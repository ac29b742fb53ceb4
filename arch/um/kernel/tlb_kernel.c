// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own range (vmalloc, modules): the same walk as for a user's mm,
 * but the batch runs at once, in the kernel's own host process.
 *
 * New mappings are sent as soon as they are complete (flush_cache_vmap()), old
 * ones go when they are flushed, so that neither takes a fault. What was evicted
 * for want of room comes back by faults, as a user's does; stacks are not in
 * this range, for the handler of these faults needs one.
 */

#include <linux/mm.h>
#include <linux/vmalloc.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <as-layout.h>
#include <mem.h>
#include <host_process.h>
#include <tlb_host.h>
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
	unsigned int nr, done;
	int err;

	if (tlb_batch_empty(&kernel_batch))
		return 0;

	um_tlb_count_batch(&kernel_batch, true);
	um_tlb_inject_kernel(&kernel_batch);
	nr = tlb_batch_finish(&kernel_batch);
	done = os_batch_run(kernel_ops, nr, &err);
	tlb_batch_reset(&kernel_batch);
	if (err == -ENOMEM)
		um_tlb_report_full("kernel", &kernel_ops[done]);
	else if (err)
		um_tlb_report_failure("kernel", err, &kernel_ops[done]);
	return err;
}

/*
 * Unmaps the kernel's range, in which no stack lies, where it has tables. Elsewhere
 * in it may be what it did not map: KASAN's shadow is between the areas of vmalloc()
 * and those for per-CPU data at its end. No host mapping is split by this, for which
 * there might be no room: it ends where tables do.
 */
static int evict_kernel(void)
{
	struct tlb_ranges dropped;
	unsigned long addr, next;
	int err = 0;

	um_tlb_count(UM_TLB_EVICTIONS, 1);
	um_tlb_take_changed(&init_mm.context.tlb, &dropped);
	tlb_batch_reset(&kernel_batch);

	for (addr = VMALLOC_START; addr < VMALLOC_END && !err; addr = next) {
		pmd_t *pmd = um_tlb_find_table(&init_mm, addr, &next);

		next = min(next, VMALLOC_END);
		if (!pmd)
			continue;
		um_tlb_forget_range(&init_mm, addr, next);
		tlb_batch_invalidate(&kernel_batch, addr, next - addr);
		if (tlb_batch_full(&kernel_batch))
			err = send_kernel(&init_mm);
	}
	return err ?: send_kernel(&init_mm);
}

/**
 * um_tlb_evict_kernel() - unmap the kernel's own range, to come back by refills
 *
 * Done by itself when the host has no room; to be called by tests.
 *
 * Context: any; takes kernel_tlb_lock.
 * Return: 0, or the negative errno of the host call that failed.
 */
int um_tlb_evict_kernel(void)
{
	guard(raw_spinlock_irqsave)(&kernel_tlb_lock);

	return evict_kernel();
}

static int sync_kernel(void)
{
	struct tlb_walk walk = {
		.mm = &init_mm,
		.batch = &kernel_batch,
		.send = send_kernel,
	};
	int err;

	guard(raw_spinlock_irqsave)(&kernel_tlb_lock);

	err = um_tlb_walk_changed(&walk, &init_mm.context.tlb);
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
 * @addr:	the address that faulted, any
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

	if (!is_vmalloc_addr((void *)addr))
		return false;
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

/**
 * um_tlb_kernel_touch() - see to it that the host maps a buffer of the kernel
 * @buf:	the buffer, anywhere in the kernel
 * @len:	its length in bytes
 *
 * What the kernel touches after an eviction comes back by itself. A host call
 * that gets the buffer would fail with EFAULT, or end short. An eviction on
 * another CPU during that call is not kept away.
 *
 * Context: any in which the kernel may touch the buffer.
 */
void um_tlb_kernel_touch(const void *buf, int len)
{
	const char *at = buf, *end = at + len;

	if (!is_vmalloc_addr(buf))
		return;

	for (; at < end; at = PTR_ALIGN_DOWN(at, PAGE_SIZE) + PAGE_SIZE)
		READ_ONCE(*at);
}
