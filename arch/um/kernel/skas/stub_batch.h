/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Running a batch inside a host process, in its stub page. Nothing outside
 * that page can be called or read from here.
 */

#ifndef __UM_STUB_BATCH_H
#define __UM_STUB_BATCH_H

#include <sysdep/stub.h>
#include <stub-data.h>
#include <tlb_batch.h>

static __always_inline long stub_run_op(const struct tlb_op *op, int mem_fd)
{
	int flags = MAP_SHARED | MAP_FIXED;
	long ret;

	switch (op->kind) {
	case TLB_FILL:
		if (op->prot & TLB_POPULATE)
			flags |= MAP_POPULATE;
		ret = stub_syscall6(STUB_MMAP_NR, op->addr, op->len,
				    op->prot & TLB_PROT, flags, mem_fd,
				    MMAP_OFFSET(op->offset));
		return ret == op->addr ? 0 : ret;
	case TLB_PROTECT:
		return stub_syscall3(__NR_mprotect, op->addr, op->len,
				     op->prot);
	case TLB_INVALIDATE:
		return stub_syscall2(__NR_munmap, op->addr, op->len);
	default:
		return -95; /* EOPNOTSUPP */
	}
}

/*
 * Leaves in d->err 0, or what the failed call returned, and then in
 * d->syscall_data_len the index of its operation.
 */
static __always_inline long stub_run_batch(struct stub_data *d, int mem_fd)
{
	long err = 0;
	int i;

	for (i = 0; i < d->syscall_data_len; i++) {
		err = stub_run_op(&d->syscall_data[i], mem_fd);
		if (err)
			break;
	}

	d->err = err;
	d->syscall_data_len = err ? i : 0;
	return err;
}

#endif
