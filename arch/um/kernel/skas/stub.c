// SPDX-License-Identifier: GPL-2.0-only
/*
 * What runs inside a host process besides guest code: the code page of the stub.
 * Nothing outside of that page can be called or read from here.
 *
 * In ptrace mode stub_syscall_handler() runs a batch and traps. In seccomp mode
 * each stop of guest code is a signal; its handler hands over to the kernel,
 * waits, runs the batch that it finds, and restores the registers that the
 * kernel left in the signal frame.
 *
 * Guest code can jump anywhere into this page, with registers and a stack of its
 * choice. So that the kernel can know that a host process asleep in stub_sleep()
 * will do what is written here and nothing else, nothing behind that system call
 * depends on a register or on the stack: the shared pages are found from the
 * instruction pointer, a new stack is begun in them, and the flags are cleared
 * (os_view_settle()).
 */

#include <sysdep/stub.h>
#include <sysdep/stub_sleep.h>
#include "stub_batch.h"

#include <linux/futex.h>

#define HANDOFF_WAKE(p)							\
	stub_syscall3(__NR_futex, (unsigned long)(p), FUTEX_WAKE, HANDOFF_ALL)
#define HANDOFF_STUB_SLEEP(p, seen)	stub_sleep(p, seen)
#define HANDOFF_YIELD()			stub_syscall0(__NR_sched_yield)
#include <handoff_protocol.h>

void __section(".__syscall_stub")
stub_syscall_handler(void)
{
	struct stub_data *d = get_stub_data();

	stub_run_batch(d);

	trap_myself();
}

/* The signal frame is where the kernel knows it to be; this does not return. */
static __always_inline void return_to_guest(struct stub_data *d)
{
	stub_seccomp_restore_state(&d->arch_data);
	stub_sigreturn(&d->sigstack[d->mctx_offset] -
		       offsetof(ucontext_t, uc_mcontext));
}

/*
 * Another guest program was here before. All that it could leave behind and that
 * neither the batch nor the signal frame, both written by the kernel, undo:
 * signals that are not blocked, another signal stack, segments.
 * From the first call on, signals may be sent (handoff_alarm()).
 */
static __always_inline void reset(struct stub_data *d)
{
	unsigned long long all = ~0ULL;

	stub_syscall4(__NR_rt_sigprocmask, SIG_SETMASK, (unsigned long)&all, 0,
		      sizeof(all));
	HANDOFF_XCHG(&d->handoff.reset, 0);
	stub_set_sigstack(d);
	stub_reset_segments(d);
}

static __always_inline void hand_over(struct stub_data *d)
{
	d->handoff.since = HANDOFF_CYCLES();
	handoff_to_kernel(&d->handoff);
}

/* Waits for work from the kernel, and does it; this does not return. */
static __always_inline void work(struct stub_data *d)
{
	unsigned int *bells = get_stub_bells();

	for (;;) {
		handoff_stub_wait(&d->handoff, bells);

		if (d->handoff.reset == HANDOFF_RESET_WANTED)
			reset(d);
		if (stub_run_batch(d) || d->restart_wait) {
			/* Only the batch was wanted, or it failed. */
			d->signal = SIGSYS;
			d->restart_wait = 0;
		} else if (d->handoff.alarm) {
			d->signal = SIGALRM;
			d->handoff.alarm = 0;
		} else {
			return_to_guest(d);
		}
		hand_over(d);
	}
}

/* What a host process that has slept goes on with. */
void __section(".__syscall_stub")
stub_awake(void)
{
	work(get_stub_data());
}

void __section(".__syscall_stub")
stub_signal_interrupt(int sig, siginfo_t *info, void *p)
{
	struct stub_data *d = get_stub_data();
	ucontext_t *uc = p;

	d->signal = sig;
	d->si_offset = (unsigned long)info - (unsigned long)&d->sigstack[0];
	d->mctx_offset = (unsigned long)&uc->uc_mcontext -
			 (unsigned long)&d->sigstack[0];

	hand_over(d);
	work(d);
}

void __section(".__syscall_stub")
stub_signal_restorer(void)
{
	/* Nothing must be on the stack at this call; no handler comes here. */
	stub_syscall0(__NR_rt_sigreturn);
}
