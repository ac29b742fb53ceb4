/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seccomp filter of a host process. Included by stub_exe.c only.
 *
 * Every system call that guest code makes traps: its instruction is outside of
 * the stub's page. From within that page, the calls of the stub are let through,
 * whoever jumped there, so what they can do is bounded by their arguments:
 *
 *	mmap		MAP_SHARED | MAP_FIXED, perhaps MAP_POPULATE, and nothing
 *			else, so of a file; below the stub, and with the token
 *			of this host process, which the kernel puts into the
 *			shared pages for each batch that has use for it
 *	mprotect	below the stub, and with the token
 *	munmap		below the stub
 *	arch_prctl	to set the two segment bases
 *
 * The stub's own pages can thus never be unmapped, replaced, or made writable:
 * what the kernel finds a host process doing there is what stub.c says
 * (os_view_settle()). Nor can it open, close or receive a file: it has one, that
 * of the guest's memory. Any other call ends the host process.
 */

#ifndef __STUB_FILTER_H
#define __STUB_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#define ARG_LOW(i)	(offsetof(struct seccomp_data, args) + 8 * (i))
#define ARG_HIGH(i)	(ARG_LOW(i) + 4)
#define MAX_FILTER	96

/* A filter while it is put together. Jumps are counted from the next one. */
struct stub_filter {
	struct sock_filter insn[MAX_FILTER];
	unsigned short nr;
};

static __always_inline void add(struct stub_filter *f, unsigned short code,
				unsigned int k, int if_true, int if_false)
{
	struct sock_filter *insn = &f->insn[f->nr++];

	insn->code = code;
	insn->k = k;
	insn->jt = if_true;
	insn->jf = if_false;
}

static __always_inline void load(struct stub_filter *f, unsigned int offset)
{
	add(f, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static __always_inline void verdict(struct stub_filter *f, unsigned int what)
{
	add(f, BPF_RET | BPF_K, what, 0, 0);
}

/* Skips so many instructions if what was loaded is, or is not, k. */
static __always_inline void if_equal(struct stub_filter *f, unsigned int k,
				     int yes, int no)
{
	add(f, BPF_JMP | BPF_JEQ | BPF_K, k, yes, no);
}

static __always_inline void if_above(struct stub_filter *f, unsigned int k,
				     int yes, int no)
{
	add(f, BPF_JMP | BPF_JGT | BPF_K, k, yes, no);
}

static __always_inline void allow(struct stub_filter *f, unsigned int number)
{
	if_equal(f, number, 0, 1);
	verdict(f, SECCOMP_RET_ALLOW);
}

/*
 * Nine: allow if args[0] + args[1] is below the stub, whose upper half is high,
 * else kill. Two less than that leaves room for what the lower halves add, and
 * the guest's addresses end far below.
 */
static __always_inline void allow_below(struct stub_filter *f,
					unsigned int high)
{
	load(f, ARG_HIGH(0));
	if_above(f, 0x7fff, 5, 0);
	add(f, BPF_MISC | BPF_TAX, 0, 0, 0);
	load(f, ARG_HIGH(1));
	if_above(f, 0x7fff, 2, 0);
	add(f, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	if_above(f, high - 2, 0, 1);
	verdict(f, SECCOMP_RET_KILL_PROCESS);
	verdict(f, SECCOMP_RET_ALLOW);
}

/* Nine: allow if args are (0, start), that is all below the stub. */
static __always_inline void allow_all(struct stub_filter *f,
				      unsigned long start)
{
	load(f, ARG_HIGH(1));
	if_equal(f, start >> 32, 0, 7);
	load(f, ARG_LOW(1));
	if_equal(f, start, 0, 5);
	load(f, ARG_HIGH(0));
	if_equal(f, 0, 0, 3);
	load(f, ARG_LOW(0));
	if_equal(f, 0, 0, 1);
	verdict(f, SECCOMP_RET_ALLOW);
}

/* Three: kill unless half of an argument is k. */
static __always_inline void kill_unless(struct stub_filter *f,
					unsigned int offset, unsigned int k)
{
	load(f, offset);
	if_equal(f, k, 1, 0);
	verdict(f, SECCOMP_RET_KILL_PROCESS);
}

/* Six: kill unless the token is in the upper halves of two arguments. */
static __always_inline void kill_unless_token(struct stub_filter *f,
					      unsigned long token)
{
	kill_unless(f, ARG_HIGH(3), token >> 32);
	kill_unless(f, ARG_HIGH(4), token);
}

/* System calls from outside of the stub's page are the guest's: they trap. */
static __always_inline void trap_guest(struct stub_filter *f,
				       unsigned long start)
{
	load(f, offsetof(struct seccomp_data, instruction_pointer) + 4);
	if_equal(f, start >> 32, 0, 3);
	load(f, offsetof(struct seccomp_data, instruction_pointer));
	add(f, BPF_ALU | BPF_AND | BPF_K, ~(UM_KERN_PAGE_SIZE - 1), 0, 0);
	if_equal(f, start, 1, 0);
	verdict(f, SECCOMP_RET_TRAP);

	load(f, offsetof(struct seccomp_data, arch));
	if_equal(f, UM_SECCOMP_ARCH_NATIVE, 1, 0);
	verdict(f, SECCOMP_RET_KILL_PROCESS);
}

/* Returns what seccomp(2) returned. */
static __always_inline long install_filter(unsigned long start,
					   unsigned long token)
{
	struct stub_filter f;
	struct sock_fprog prog = { .filter = f.insn };

	f.nr = 0;
	trap_guest(&f, start);

	load(&f, offsetof(struct seccomp_data, nr));
	allow(&f, __NR_futex);
	allow(&f, __NR_sched_yield);
	allow(&f, __NR_rt_sigreturn);
	allow(&f, __NR_rt_sigprocmask);
	allow(&f, __NR_sigaltstack);

	if_equal(&f, STUB_MMAP_NR, 0, 19);
	load(&f, ARG_LOW(3));
	add(&f, BPF_ALU | BPF_AND | BPF_K, ~MAP_POPULATE, 0, 0);
	if_equal(&f, MAP_SHARED | MAP_FIXED, 1, 0);
	verdict(&f, SECCOMP_RET_KILL_PROCESS);
	kill_unless_token(&f, token);
	allow_below(&f, start >> 32);

	if_equal(&f, __NR_mprotect, 0, 15);
	kill_unless_token(&f, token);
	allow_below(&f, start >> 32);

	if_equal(&f, __NR_munmap, 0, 18);
	allow_all(&f, start);
	allow_below(&f, start >> 32);

	if_equal(&f, __NR_arch_prctl, 0, 4);
	load(&f, ARG_LOW(0));
	if_equal(&f, ARCH_SET_FS, 1, 0);
	if_equal(&f, ARCH_SET_GS, 0, 1);
	verdict(&f, SECCOMP_RET_ALLOW);

	verdict(&f, SECCOMP_RET_KILL_PROCESS);

	prog.len = f.nr;
	return stub_syscall3(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
			     SECCOMP_FILTER_FLAG_TSYNC, (unsigned long)&prog);
}

#endif
