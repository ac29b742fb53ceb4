// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers with which a guest program starts.
 *
 * They are taken from a process that the kernel starts early, and so hold what
 * the kernel itself had in them then: an address of its thread-local storage,
 * pieces of strings. Only what belongs to the machine is kept: the code and stack
 * segments, and in the floating point state which parts of it there are.
 */

#include <stddef.h>
#include <string.h>
#include <asm/sigcontext.h>
#include <fresh_registers.h>
#include <sysdep/ptrace.h>

/* What the processor has after FNINIT, and MXCSR after a reset */
#define FRESH_CONTROL	0x37f
#define FRESH_MXCSR	0x1f80
/* Interrupts are on; the other bit is always set. */
#define FRESH_FLAGS	0x202

static void clear_fp(struct _fpstate_64 *fp, unsigned long size)
{
	unsigned int mxcsr_mask = fp->mxcsr_mask;

	/* The last words are the host's, on what follows. */
	memset(fp, 0, offsetof(struct _fpstate_64, sw_reserved));
	fp->cwd = FRESH_CONTROL;
	fp->mxcsr = FRESH_MXCSR;
	fp->mxcsr_mask = mxcsr_mask;

	/* No bit of the header set: all these parts are as after a reset. */
	memset(fp + 1, 0, size - sizeof(*fp));
}

/**
 * fresh_registers() - make registers those of a new program
 * @regs:	the general ones
 * @fp:		the floating point state
 * @fp_size:	its size in bytes
 */
void fresh_registers(unsigned long *regs, void *fp, unsigned long fp_size)
{
	regs[HOST_EFLAGS] = FRESH_FLAGS;
#ifdef __x86_64__
	regs[HOST_FS_BASE] = 0;
	regs[HOST_GS_BASE] = 0;
#endif
	clear_fp(fp, fp_size);
}
