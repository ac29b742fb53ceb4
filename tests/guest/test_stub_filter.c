// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest code may jump to the system-call instructions in its stub page, with
 * registers of its choice. In seccomp mode the filter of the host process must
 * let no mprotect through: protection is changed by the kernel alone. A munmap is
 * let through; it is tried too, which shows that the jump reaches such an
 * instruction at all.
 *
 * In ptrace mode there is no filter: the instruction is the guest's own system
 * call, none of this reaches the host, and this test is not for it.
 *
 * Guest code may also write to the pages that its stub shares with the kernel.
 * Unpatched UML panics then.
 */
#include "stub.h"

#include <sys/syscall.h>

static void catch_faults(void)
{
	static char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP };

	require(sigaltstack(&alternate, NULL) == 0, "sigaltstack");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		jump_back_on(signals[i], SA_ONSTACK | SA_NODEFER);
}

/* Comes back through a signal handler, or not at all. */
static void jump_into_stub(char *instruction, long number, char *page)
{
	if (sigsetjmp(back, 1))
		return;
	asm volatile("jmp *%0" : :
		     "r"(instruction), "a"(number), "D"(page), "S"(PAGE),
		     "d"(PROT_READ | PROT_WRITE) : "memory");
	__builtin_unreachable();
}

/*
 * Exits 0 if the page could not be written after the jump, 42 if it could, 43 if
 * there is no such instruction. What is behind the instruction may as well begin
 * this anew, again and again.
 */
static void attack(long number, char *page, int n)
{
	char *instruction;

	catch_faults();
	alarm(2);
	instruction = stub_syscall(n);
	if (!instruction)
		_exit(43);
	jump_into_stub(instruction, number, page);
	if (sigsetjmp(back, 1))
		_exit(0);
	*(volatile char *)page = 1;
	_exit(42);
}

static int status_of_attack(long number, char *page, int n)
{
	int status;
	pid_t child = fork_or_fail();

	if (!child)
		attack(number, page, n);
	require(waitpid(child, &status, 0) == child, "waitpid");
	return status;
}

static char *read_only_page(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	require(page != MAP_FAILED, "mmap");
	page[0] = 7;
	require(mprotect(page, PAGE, PROT_READ) == 0, "mprotect");
	return page;
}

static void the_stub_cannot_change_protection(void)
{
	char *page = read_only_page();
	int status, n;

	for (n = 0; ; n++) {
		status = status_of_attack(SYS_mprotect, page, n);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 43)
			break;
		check(WIFSIGNALED(status) || WEXITSTATUS(status) == 0,
		      "instruction %d: the page could be written, status 0x%x",
		      n, status);
		check(page[0] == 7, "the page reads %d", page[0]);
	}
	check(n > 0, "no system call found in the stub");
}

static void the_stub_can_be_reached(void)
{
	char *page = read_only_page();
	int status, n, reached = 0;

	for (n = 0; ; n++) {
		status = status_of_attack(SYS_munmap, page, n);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 43)
			break;
		reached += WIFEXITED(status) && WEXITSTATUS(status) == 0;
		check(page[0] == 7, "the page reads %d", page[0]);
	}
	check(reached > 0, "no munmap in the stub came back");
}

/* All that the kernel and the stub tell each other, overwritten. */
static void scribble(unsigned char byte)
{
	char *instruction;

	catch_faults();
	instruction = stub_syscall(0);
	if (!instruction)
		_exit(43);
	if (!sigsetjmp(back, 1))
		memset((char *)((uintptr_t)instruction & ~(PAGE - 1)) + PAGE,
		       byte, PAGE);
	getppid();
	_exit(0);
}

static void scribbling_hurts_only_the_writer(void)
{
	static const unsigned char bytes[] = { 0, 1, 0x7f, 0xff };
	unsigned int i;

	for (i = 0; i < sizeof(bytes); i++) {
		pid_t child = fork_or_fail();
		int status;

		if (!child)
			scribble(bytes[i]);
		/* It may die of it, or not. The kernel must live to tell. */
		require(waitpid(child, &status, 0) == child, "waitpid");
		check(!WIFEXITED(status) || WEXITSTATUS(status) == 0,
		      "byte %d: status 0x%x", bytes[i], status);
	}
}

static const struct ktap_case cases[] = {
	{ "the stub cannot change protection", the_stub_cannot_change_protection,
	  0 },
	{ "the stub can be reached", the_stub_can_be_reached, 0 },
	{ "scribbling hurts only the writer", scribbling_hurts_only_the_writer,
	  0 },
};

KTAP_TESTS(cases)
