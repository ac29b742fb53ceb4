/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding the stub: the pages that the kernel keeps in each host process, above
 * the highest user address. The lowest of them is code.
 */
#ifndef STUB_H
#define STUB_H

#include "memory.h"

#include <sys/klog.h>
#include <sys/syscall.h>

#define STUB_SEARCH_START 0x7ffffff00000ul
#define STUB_SEARCH_END 0x7ffffffff000ul

/* Where a fault, or another signal that is caught, goes on. */
static sigjmp_buf back;

static inline void jump_back(int sig)
{
	siglongjmp(back, sig);
}

static inline void jump_back_on(int sig, int flags)
{
	struct sigaction action = { .sa_handler = jump_back,
				    .sa_flags = flags };

	require_call(sigaction(sig, &action, NULL) == 0);
}

/* The address of the stub's nth "syscall" instruction, from 0; NULL if there is none. */
static __attribute__((noinline, noclone)) char *stub_syscall(volatile int n)
{
	char *volatile page = (char *)STUB_SEARCH_START;

	jump_back_on(SIGSEGV, SA_ONSTACK | SA_NODEFER);
	jump_back_on(SIGBUS, SA_ONSTACK | SA_NODEFER);
	for (; page < (char *)STUB_SEARCH_END; page += PAGE) {
		volatile unsigned char *code = (volatile unsigned char *)page;
		int i;

		if (sigsetjmp(back, 1))
			continue;
		for (i = 0; i < (int)PAGE - 1; i++)
			if (code[i] == 0x0f && code[i + 1] == 0x05 && n-- == 0)
				return page + i;
	}
	return NULL;
}

/* How many host processes the kernel says to have lost: in seccomp mode only. */
static inline int lost_host_processes(void)
{
	const int read_all = 3, size_of_log = 10;
	int size = klogctl(size_of_log, NULL, 0), count = 0;
	char *log = malloc(size + 1), *at;

	size = klogctl(read_all, log, size);
	require_call(size >= 0);
	log[size] = 0;
	for (at = log; (at = strstr(at, "lost MM child")); at++)
		count++;
	free(log);
	return count;
}

/*
 * Makes a system call by an instruction of the stub. If it comes back, it goes on
 * there.
 */
static inline __attribute__((noreturn)) void
call_in_stub(char *instruction, long number, const long *arguments)
{
	register long r10 __asm__("r10") = arguments[3];
	register long r8 __asm__("r8") = arguments[4];
	register long r9 __asm__("r9") = arguments[5];

	__asm__ volatile("jmp *%0" : : "b"(instruction), "a"(number),
			 "D"(arguments[0]), "S"(arguments[1]),
			 "d"(arguments[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "memory");
	__builtin_unreachable();
}

/*
 * A system call of the stub ends who makes it, but for what the filter of seccomp
 * mode lets through: with its host process in that mode, by the kernel in the other.
 */
static inline bool in_ptrace_mode(void)
{
	const long arguments[6] = { 7 };
	int lost = lost_host_processes(), status;
	pid_t child = fork_or_fail();
	char *instruction;

	if (!child) {
		instruction = stub_syscall(0);
		if (!instruction)
			_exit(1);
		call_in_stub(instruction, SYS_exit_group, arguments);
	}
	require_call(waitpid(child, &status, 0) == child);
	require(WIFSIGNALED(status), "an exit in the stub: 0x%x", status);
	return lost_host_processes() == lost;
}

#endif
