/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel and a host process share: how the process is started, and the
 * two pages through which they talk from then on.
 *
 * Guest code can write these pages. The kernel reads each word of them once, and
 * believes what it says only as far as it concerns that very process.
 */

#ifndef __STUB_DATA_H
#define __STUB_DATA_H

#include <linux/compiler_types.h>
#include <as-layout.h>
#include <sysdep/tls.h>
#include <sysdep/stub-data.h>
#include <mm_id.h>
#include <handoff.h>

/* In seccomp mode, the only file of a host process */
#define STUB_MEMORY_FD 0

/* Where a call has the token: a part in args[3], the rest above the fd */
#define STUB_TOKEN_IN_FLAGS 0xffffffff00000000ul
#define STUB_TOKEN_FD_SHIFT 32

/**
 * struct stub_init_data - what a host process is told before it maps the stub
 * @seccomp:		in which mode it runs
 * @stub_start:		where the stub's pages are to be
 * @mem_token:		what its filter wants to see in each mmap and mprotect
 * @stub_code_fd:	file of the stub's code, and
 * @stub_code_offset:	where in it
 * @stub_data_fd:	file of the pages of struct stub_data and of the bells
 * @stub_data_offset:	where in it the former are
 * @stub_bells_offset:	where in it the latter are
 * @signal_handler:	address of the handler of all signals
 * @signal_restorer:	address of what follows the handler
 */
struct stub_init_data {
	int seccomp;
	unsigned long stub_start;
	unsigned long mem_token;
	int stub_code_fd;
	unsigned long stub_code_offset;
	int stub_data_fd;
	unsigned long stub_data_offset;
	unsigned long stub_bells_offset;
	unsigned long signal_handler;
	unsigned long signal_restorer;
};

/* Enough for all that is in the first page besides the operations */
#define STUB_DATA_REST 320

/**
 * struct stub_data - the pages through which kernel and host process talk
 * @err:		of the operation that failed, a negative errno; or 0
 * @syscall_data_len:	how many operations there are to run, or were left
 * @mem_fd:		file of the guest's memory
 * @mem_token:		what the process passes with each of them
 * @syscall_data:	the operations
 * @restart_wait:	after the operations, hand over instead of going on
 * @signal:		with which signal the process handed over
 * @si_offset:		where in @sigstack the siginfo of that signal is
 * @mctx_offset:	where in @sigstack the registers are
 * @handoff:		whose turn it is
 * @arch_data:		what else is to be restored
 * @sigstack:		stack of the handler
 *
 * All after @syscall_data only in seccomp mode.
 */
struct stub_data {
	long err;
	int syscall_data_len;
	int mem_fd;
	unsigned long mem_token;
	struct tlb_op syscall_data[(UM_KERN_PAGE_SIZE - STUB_DATA_REST) /
				   sizeof(struct tlb_op)] __aligned(16);

	short restart_wait;
	int signal;
	unsigned short si_offset;
	unsigned short mctx_offset;
	struct handoff handoff;
	struct stub_data_arch arch_data;

	unsigned char sigstack[UM_KERN_PAGE_SIZE] __aligned(UM_KERN_PAGE_SIZE);
};

/**
 * stub_frame() - find what a host process has left on its signal stack
 * @data:	the shared pages
 * @offset:	the word of @data that says where
 * @size:	its size in bytes
 *
 * The offset is read once: guest code can change it at any time.
 *
 * Return: its address; NULL if it would not be within the stack.
 */
static inline void *stub_frame(struct stub_data *data,
			       const unsigned short *offset, unsigned long size)
{
	unsigned short start = *(const volatile unsigned short *)offset;

	return start <= sizeof(data->sigstack) - size ?
	       &data->sigstack[start] : (void *)0;
}

struct uml_pt_regs;

/* The floating point state in the signal frame (sysdep/mcontext.h has the rest) */
int get_stub_fp(struct uml_pt_regs *regs, struct stub_data *data,
		unsigned long *fp_size_out);
int set_stub_fp(struct uml_pt_regs *regs, struct stub_data *data);

#endif
