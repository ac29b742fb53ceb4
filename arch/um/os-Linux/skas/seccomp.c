// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running guest code in seccomp mode: its registers are put on the signal stack
 * of its host process, which returns from a signal with them, and which leaves
 * them there with the next signal.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <as-layout.h>
#include <host_process.h>
#include <kern_util.h>
#include <ptrace_user.h>
#include <stub-data.h>
#include <sysdep/faultinfo.h>
#include <sysdep/mcontext.h>
#include <sysdep/ptrace.h>
#include <asm-generic/rwonce.h>
#include "../internal.h"
#include "run_guest.h"

/* The number of that exception */
#define GENERAL_PROTECTION	13

/* What a system call or a fault has besides the registers. */
static int get_signal(struct stub_data *data, struct uml_pt_regs *regs,
		      siginfo_t *si, int sig)
{
	void *frame = stub_frame(data, &data->si_offset, sizeof(*si));

	if (!frame)
		return -EINVAL;
	memcpy(si, frame, sizeof(*si));
	PT_SYSCALL_NR(regs->gp) = si->si_syscall;

	if (sig == SIGSEGV) {
		mcontext_t *registers = stub_frame(data, &data->mctx_offset,
						   sizeof(*registers));

		if (!registers)
			return -EINVAL;
		GET_FAULTINFO_FROM_MC(regs->faultinfo, registers);
		/* By no access: what it says of one is of an earlier one */
		if (si->si_code == SI_KERNEL)
			regs->faultinfo.trap_no = GENERAL_PROTECTION;
	}
	return 0;
}

/**
 * seccomp_run_guest() - run guest code until it needs the kernel
 * @id:		its host process
 * @regs:	its registers, before and after
 * @si:		filled with the siginfo of the signal that stopped it
 *
 * What is pending of its mappings is brought up to date first.
 *
 * Context: turnstile of @id held.
 * Return: the signal. -EAGAIN if no guest code has run, since the host refused a
 * change of the mappings, which has been dealt with. Another negative errno if
 * the process is to be killed: -ESRCH as it has died, -EINVAL or -ENOSPC as what
 * it left in its signal stack cannot be.
 */
int seccomp_run_guest(struct mm_id *id, struct uml_pt_regs *regs, siginfo_t *si)
{
	struct stub_data *data = (void *)id->stack;
	int sig, err;

	err = set_stub_state(regs, data, singlestepping());
	if (err)
		goto failed;

	/* Guest code can write it */
	data->restart_wait = 0;
	stub_batch_publish(id);

	err = handoff_run(id);
	if (err)
		return err;

	sig = __READ_ONCE(data->signal);
	if (stub_batch_done(id))
		return -EAGAIN;

	err = sig < 0 ? -EINVAL : get_stub_state(regs, data) ?:
				  get_signal(data, regs, si, sig);
	if (err)
		goto failed;

	regs->is_user = 1;
	return sig;

failed:
	printk(UM_KERN_ERR "um_view: cannot pass registers to host process %d or get them: errno %d\n",
	       id->pid, -err);
	return err;
}
