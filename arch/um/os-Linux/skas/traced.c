// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running guest code in ptrace mode: the host stops a host process at each system
 * call and each signal, and the kernel reads and writes its registers meanwhile.
 *
 * Floating point state stays in the host process (kernel/skas/fpu.c). Batches do
 * not use it. But whether a page fault was a write is told to a signal handler
 * only, which the host gives fresh state: around that it is saved and put back.
 */

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <as-layout.h>
#include <host_process.h>
#include <init.h>
#include <kern_util.h>
#include <os.h>
#include <ptrace_user.h>
#include <registers.h>
#include <skas.h>
#include <stub-data.h>
#include <stub_image.h>
#include <sysdep/faultinfo.h>
#include <sysdep/ptrace.h>
#include <sysdep/stub.h>
#include <tlb_host.h>
#include "run_guest.h"

/* Registers with which a host process runs its batch */
static unsigned long batch_regs[MAX_REG_NR];

static int __init init_batch_regs(void)
{
	get_safe_registers(batch_regs, NULL);

	batch_regs[REGS_IP_INDEX] = STUB_CODE +
		((unsigned long)stub_syscall_handler -
		 (unsigned long)__syscall_stub_start);
	batch_regs[REGS_SP_INDEX] = STUB_DATA +
		offsetof(struct stub_data, sigstack) +
		sizeof(((struct stub_data *)0)->sigstack) -
		sizeof(void *);

	return 0;
}

__initcall(init_batch_regs);

/* Until it stops again. Return: the signal that stopped it, or a negative errno. */
static int resume(struct mm_id *id, int how, int sig)
{
	int status, pid;

	handoff_place_traced(id);
	if (ptrace(how, id->pid, 0, sig) < 0)
		return -errno;

	CATCH_EINTR(pid = waitpid(id->pid, &status, WUNTRACED | __WALL));
	if (pid < 0)
		return -errno;
	if (WIFSTOPPED(status))
		return WSTOPSIG(status);
	id->pid = -1;
	return -ESRCH;
}

/* Its code ends in a trap. A signal that is meant for the kernel does not end it. */
static int run_stub(struct mm_id *id, int sig)
{
	int pid = id->pid;

	sig = resume(id, PTRACE_CONT, sig);
	while (sig == SIGALRM || sig == SIGWINCH)
		sig = resume(id, PTRACE_CONT, 0);
	if (sig == SIGTRAP)
		return 0;

	printk(UM_KERN_ERR "um_view: host process %d fails in its stub: %s %d\n",
	       pid, sig < 0 ? "errno" : "signal", sig < 0 ? -sig : sig);
	return sig < 0 ? sig : -EINVAL;
}

/**
 * traced_run_batch() - have a host process run its batch, and nothing else
 * @id:		the host process, stopped, with a batch that was published
 *
 * Return: 0 when it has run, with whatever success; -ESRCH if the host process
 * has died; another negative errno if it cannot be used any more.
 */
int traced_run_batch(struct mm_id *id)
{
	int err = ptrace_setregs(id->pid, batch_regs);

	return err ? err : run_stub(id, 0);
}

/* Leaves the floating point state as it was. */
static int get_fault(struct mm_id *id, struct uml_pt_regs *regs)
{
	int err;

	err = get_fp_registers(id->pid, regs->fp) ?:
	      run_stub(id, SIGSEGV) ?:
	      put_fp_registers(id->pid, regs->fp);
	/* That is what the handler has left at the start of its data */
	if (!err)
		memcpy(&regs->faultinfo, (void *)id->stack,
		       sizeof(regs->faultinfo));
	return err;
}

static int get_signal(struct mm_id *id, struct uml_pt_regs *regs, siginfo_t *si,
		      int sig)
{
	switch (sig) {
	case SIGSEGV:
		return get_fault(id, regs);
	case SIGTRAP:
	case SIGILL:
	case SIGBUS:
	case SIGFPE:
		return ptrace(PTRACE_GETSIGINFO, id->pid, 0, si) < 0 ? -errno : 0;
	default:
		return 0;
	}
}

/**
 * traced_run_guest() - run guest code until it needs the kernel
 * @id:		its host process
 * @regs:	its registers, before and after
 * @si:		filled with the siginfo of a trap, or of an exception but SIGSEGV
 *
 * What is pending of its mappings is brought up to date first.
 *
 * Context: turnstile of @id held.
 * Return: the signal, SIGTRAP | 0x80 for a system call. -EAGAIN if no guest code
 * has run, since the host refused a change of the mappings, which has been dealt
 * with. Another negative errno if the process is to be killed: -ESRCH as the host
 * process has died, -EIO or -EPERM as its segment registers cannot be.
 */
int traced_run_guest(struct mm_id *id, struct uml_pt_regs *regs, siginfo_t *si)
{
	int how = singlestepping() ? PTRACE_SYSEMU_SINGLESTEP : PTRACE_SYSEMU;
	int sig, err;

	if (stub_batch_run(id))
		return -EAGAIN;
	um_tlb_handoff(id);

	sig = ptrace_setregs(id->pid, regs->gp) ?: resume(id, how, 0);
	err = sig < 0 ? sig : ptrace_getregs(id->pid, regs->gp) ?:
			      get_signal(id, regs, si, sig);
	if (err) {
		printk(UM_KERN_ERR "um_view: cannot pass registers to host process %d or get them: errno %d\n",
		       id->pid, -err);
		return err;
	}
	regs->is_user = 1;
	return sig;
}
