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

/*
 * In seccomp mode the filter lets neither mmap nor mprotect through without the
 * token. It is where nothing means anything to the host: in the upper halves of
 * mmap's flags and fd, and in the same two arguments of mprotect, which has none.
 * It is read anew for each call, so that no copy stays in a register or on the
 * stack.
 */
static __always_inline long stub_fill(const struct tlb_op *op,
				      const struct stub_data *d)
{
	unsigned long token = *(const volatile unsigned long *)&d->mem_token;
	unsigned long flags = MAP_SHARED | MAP_FIXED;

	if (op->prot & TLB_POPULATE)
		flags |= MAP_POPULATE;
	return stub_syscall6(STUB_MMAP_NR, op->addr, op->len,
			     op->prot & TLB_PROT,
			     flags | (token & STUB_TOKEN_IN_FLAGS),
			     d->mem_fd | token << STUB_TOKEN_FD_SHIFT,
			     MMAP_OFFSET(op->offset));
}

static __always_inline long stub_protect(const struct tlb_op *op,
					 const struct stub_data *d)
{
	unsigned long token = *(const volatile unsigned long *)&d->mem_token;

	return stub_syscall5(__NR_mprotect, op->addr, op->len, op->prot,
			     token & STUB_TOKEN_IN_FLAGS,
			     token << STUB_TOKEN_FD_SHIFT);
}

static __always_inline long stub_run_op(const struct tlb_op *op,
					const struct stub_data *d)
{
	long ret;

	switch (op->kind) {
	case TLB_FILL:
		ret = stub_fill(op, d);
		return ret == op->addr ? 0 : ret;
	case TLB_PROTECT:
		return stub_protect(op, d);
	case TLB_INVALIDATE:
		return stub_syscall2(__NR_munmap, op->addr, op->len);
	default:
		return -95; /* EOPNOTSUPP */
	}
}

/*
 * Leaves in d->err 0, or what the failed call returned, and then in
 * d->syscall_data_len the index of its operation. The token is gone then.
 */
static __always_inline long stub_run_batch(struct stub_data *d)
{
	long err = 0;
	int i;

	for (i = 0; i < d->syscall_data_len; i++) {
		err = stub_run_op(&d->syscall_data[i], d);
		if (err)
			break;
	}

	*(volatile unsigned long *)&d->mem_token = 0;
	d->err = err;
	d->syscall_data_len = err ? i : 0;
	return err;
}

#endif
