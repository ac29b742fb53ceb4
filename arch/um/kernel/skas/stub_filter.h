/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seccomp filter of a host process. Included by stub_exe.c only.
 *
 * Every system call that guest code makes traps: its instruction is outside of
 * the stub's page. From within that page, the calls of the stub are let through,
 * whoever jumped there, so what they can do is bounded by their arguments:
 *
 *	mmap		MAP_SHARED | MAP_FIXED, perhaps MAP_POPULATE, and nothing
 *			else, so of a file; and below the stub
 *	munmap		below the stub
 *	mprotect	below the stub, and without PROT_WRITE: it only lowers
 *	arch_prctl	to set the two segment bases
 *
 * The stub's own pages can thus never be unmapped, replaced, or made writable:
 * what the kernel finds a host process doing there is what stub.c says
 * (os_view_settle()). Any other call ends the host process.
 */

#ifndef __STUB_FILTER_H
#define __STUB_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#define ARG_LOW(i)	(offsetof(struct seccomp_data, args) + 8 * (i))
#define ARG_HIGH(i)	(ARG_LOW(i) + 4)
#define FIELD(f)	offsetof(struct seccomp_data, f)

#define LOAD(offset)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define VERDICT(v)	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##v)
/* Skips so many of the next instructions if the accumulator is, or is not, v. */
#define IF_EQUAL(v, yes, no)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, yes, no)
#define IF_ABOVE(v, yes, no)	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, v, yes, no)
#define IF_BITS(v, yes, no)	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, v, yes, no)

/* Two instructions, with a verdict in the second: allow this call. */
#define ALLOW(number)							\
	IF_EQUAL(number, 0, 1),						\
	VERDICT(ALLOW)

/*
 * Eight: kill unless args[0] + args[1] is below the stub, whose upper half is
 * high. Two less than that leaves room for what the lower halves add, and the
 * guest's addresses end far below.
 */
#define KILL_UNLESS_BELOW(high)						\
	LOAD(ARG_HIGH(0)),						\
	IF_ABOVE(0x7fff, 5, 0),						\
	BPF_STMT(BPF_MISC | BPF_TAX, 0),				\
	LOAD(ARG_HIGH(1)),						\
	IF_ABOVE(0x7fff, 2, 0),						\
	BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),				\
	IF_ABOVE((high) - 2, 0, 1),					\
	VERDICT(KILL_PROCESS)

/* Nine: allow if args are (0, start), all that is below the stub. */
#define ALLOW_IF_ALL(start)						\
	LOAD(ARG_HIGH(1)),						\
	IF_EQUAL((start) >> 32, 0, 7),					\
	LOAD(ARG_LOW(1)),						\
	IF_EQUAL((start) & 0xffffffff, 0, 5),				\
	LOAD(ARG_HIGH(0)),						\
	IF_EQUAL(0, 0, 3),						\
	LOAD(ARG_LOW(0)),						\
	IF_EQUAL(0, 0, 1),						\
	VERDICT(ALLOW)

/* Returns what seccomp(2) returned. */
static __always_inline long install_filter(unsigned long start)
{
	struct sock_filter filter[] = {
		/* Not from the stub's page: a system call of the guest */
		LOAD(FIELD(instruction_pointer) + 4),
		IF_EQUAL(start >> 32, 0, 3),
		LOAD(FIELD(instruction_pointer)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfffff000),
		IF_EQUAL(start & 0xfffff000, 1, 0),
		VERDICT(TRAP),

		LOAD(FIELD(arch)),
		IF_EQUAL(UM_SECCOMP_ARCH_NATIVE, 1, 0),
		VERDICT(KILL_PROCESS),

		LOAD(FIELD(nr)),
		ALLOW(__NR_futex),
		ALLOW(__NR_rt_sigreturn),
		ALLOW(__NR_recvmsg),
		ALLOW(__NR_close),
		ALLOW(__NR_close_range),
		ALLOW(__NR_rt_sigprocmask),
		ALLOW(__NR_sigaltstack),

		IF_EQUAL(STUB_MMAP_NR, 0, 13),
		LOAD(ARG_LOW(3)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~MAP_POPULATE),
		IF_EQUAL(MAP_SHARED | MAP_FIXED, 1, 0),
		VERDICT(KILL_PROCESS),
		KILL_UNLESS_BELOW(start >> 32),
		VERDICT(ALLOW),

		IF_EQUAL(__NR_munmap, 0, 18),
		ALLOW_IF_ALL(start),
		KILL_UNLESS_BELOW(start >> 32),
		VERDICT(ALLOW),

		IF_EQUAL(__NR_mprotect, 0, 12),
		LOAD(ARG_LOW(2)),
		IF_BITS(~(PROT_READ | PROT_EXEC), 0, 1),
		VERDICT(KILL_PROCESS),
		KILL_UNLESS_BELOW(start >> 32),
		VERDICT(ALLOW),

		IF_EQUAL(__NR_arch_prctl, 0, 4),
		LOAD(ARG_LOW(0)),
		IF_EQUAL(ARCH_SET_FS, 1, 0),
		IF_EQUAL(ARCH_SET_GS, 0, 1),
		VERDICT(ALLOW),

		VERDICT(KILL_PROCESS),
	};
	struct sock_fprog prog = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	return stub_syscall3(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
			     SECCOMP_FILTER_FLAG_TSYNC, (unsigned long)&prog);
}

#endif
