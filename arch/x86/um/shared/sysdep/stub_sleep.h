/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instructions of the stub that no compiler must choose. Included by stub.c
 * only.
 */

#ifndef __SYSDEP_STUB_SLEEP_H
#define __SYSDEP_STUB_SLEEP_H

#include <linux/futex.h>
#include <linux/stringify.h>
#include <stub-data.h>
#include <sysdep/stub.h>

/* The bells come after the data pages. */
static __always_inline unsigned int *get_stub_bells(void)
{
	return get_stub_data() + STUB_DATA_PAGES * UM_KERN_PAGE_SIZE;
}

/* Restores what the signal frame at uc holds. */
static __always_inline void stub_sigreturn(void *uc)
{
	asm volatile("movq %0, %%rsp; syscall"
		     : : "r" (uc), "a" (__NR_rt_sigreturn) : "memory");
	__builtin_unreachable();
}

/*
 * Makes the stub's data pages the signal stack. This is refused on the signal
 * stack, and guest code may have set one that covers every address. The check is
 * by the stack pointer; none is below zero. No signal may come meanwhile.
 */
static __always_inline void stub_set_sigstack(struct stub_data *d)
{
	stack_t stack = {
		.ss_sp = d,
		.ss_size = STUB_DATA_PAGES * UM_KERN_PAGE_SIZE,
	};
	long res;

	asm volatile("movq %%rsp, %%r12; xorl %%esp, %%esp; syscall;"
		     "movq %%r12, %%rsp"
		     : "=a" (res)
		     : "0" (__NR_sigaltstack), "D" (&stack), "S" (0)
		     : __syscall_clobber, "r12");
}

/*
 * What a signal frame does not restore. Both bases are set anew with the next
 * return to guest code, whatever the kernel believes them to be: guest code may
 * have an instruction for it. That clears the selectors FS and GS, too.
 */
static __always_inline void stub_reset_segments(struct stub_data *d)
{
	asm volatile("movl %0, %%ds; movl %0, %%es" : : "r" (0));
	d->arch_data.sync = STUB_SYNC_FS_BASE | STUB_SYNC_GS_BASE;
}

void stub_awake(void);
void stub_awake_afresh(void);

/*
 * Sleeps while *bell is seen, and goes on in stub_awake(), with a stack that
 * begins below the signal frame. What is behind the system call uses no register
 * that comes from before it, see stub.c. It stands here once, for the kernel to
 * know its address.
 */
asm(".pushsection .__syscall_stub, \"ax\", @progbits;"
	"stub_sleep:"
	"	movl $" __stringify(__NR_futex) ", %eax;"
	"	movl $" __stringify(FUTEX_WAIT) ", %esi;"
	"	xorl %r10d, %r10d;"
	"	syscall;"
	".globl stub_slept;"
	"stub_slept:"
	"	jmp stub_awake_afresh;"
	".popsection");

static __always_inline void stub_sleep(unsigned int *bell, unsigned int seen)
{
	/* Calls by the compiler are absolute, which does not work in the stub. */
	asm volatile("jmp stub_sleep"
		     : : "D" (bell), "d" (seen) : "memory");
	__builtin_unreachable();
}

__attribute__((naked)) void __section(".__syscall_stub")
stub_awake_afresh(void)
{
	asm volatile(
		"leaq	0(%%rip), %%rbx;"
		"andq	%0, %%rbx;"
		"addq	%1, %%rbx;"
		"movzwl	%c2(%%rbx), %%eax;"
		"leaq	%c3(%%rbx,%%rax), %%rsp;"
		"andq	$-16, %%rsp;"
		"pushq	$0;"
		"popfq;"
		"call	stub_awake;"
		"ud2"
		: : "i" (~(UM_KERN_PAGE_SIZE - 1)), "i" (UM_KERN_PAGE_SIZE),
		    "i" (offsetof(struct stub_data, mctx_offset)),
		    "i" (offsetof(struct stub_data, sigstack) -
			 offsetof(ucontext_t, uc_mcontext) - 8));
}

#endif
