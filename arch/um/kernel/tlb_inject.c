// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault injection: host calls that fail.
 *
 *	/sys/kernel/debug/fail_um_host_call	of a host process, with EINVAL
 *	/sys/kernel/debug/fail_um_kernel_fill	of the kernel, with ENOMEM
 *
 * They do fail, as the newest operation of a batch is spoiled before it is
 * sent: the host refuses an address inside a page, to unmap nothing, and more
 * bytes than there are addresses. What it gets to see, the filter lets through.
 * The attributes are those of Documentation/fault-injection/; with task-filter
 * only those processes are hit which have make-it-fail set.
 */

#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/init.h>
#include "tlb_internal.h"

static DECLARE_FAULT_ATTR(fail_host_call);
DECLARE_FAULT_ATTR(um_tlb_fail_kernel_fill);

/*
 * fail-nth counts what a system call may report. A host call that fails is no
 * such thing: it ends the process.
 */
static bool is_due(struct fault_attr *attr)
{
	return !READ_ONCE(current->fail_nth) && should_fail(attr, 1);
}

/**
 * um_tlb_inject() - let the newest operation of a batch fail, if it is due
 * @batch:	the batch of a host process, about to be sent
 */
void um_tlb_inject(struct tlb_batch *batch)
{
	struct tlb_op *op = &batch->last;

	if (op->kind == TLB_NOTHING || !is_due(&fail_host_call))
		return;
	if (op->kind == TLB_INVALIDATE)
		op->len = 0;
	else
		op->addr |= 1;
}

/**
 * um_tlb_inject_kernel() - the same for the kernel's own batch
 * @batch:	that batch, about to be sent
 *
 * Only a fill can fail with ENOMEM: it says that evicting may help.
 */
void um_tlb_inject_kernel(struct tlb_batch *batch)
{
	if (batch->last.kind == TLB_FILL && is_due(&um_tlb_fail_kernel_fill))
		batch->last.len = ULONG_MAX;
}

static int __init um_tlb_inject_init(void)
{
	/* The failures are reported by those who meet them. */
	fail_host_call.verbose = 0;
	um_tlb_fail_kernel_fill.verbose = 0;

	fault_create_debugfs_attr("fail_um_host_call", NULL, &fail_host_call);
	fault_create_debugfs_attr("fail_um_kernel_fill", NULL,
				  &um_tlb_fail_kernel_fill);
	return 0;
}
late_initcall(um_tlb_inject_init);
