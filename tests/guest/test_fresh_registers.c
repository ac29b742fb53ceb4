// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new program finds its registers as Linux gives them to it, and nothing of
 * those of the program that had its host process before.
 *
 * The predecessor fills all registers, the segment bases and selectors included,
 * and exits with that one system call. The new program (fresh_program.h) writes
 * down every register before anything else.
 */
#include "fresh_program.h"
#include "memory.h"
#include "stats.h"

#include <sys/syscall.h>

#define ARCH_SET_GS	0x1001
#define ARCH_SET_FS	0x1002

/* More than are ever kept idle and unused for a test that does this little */
#define SUCCESSORS	24
#define PREDECESSORS	6

#define POISON		0x5a5a5a5a5a5a5a5aul
/* x87, SSE, AVX, AVX-512 */
#define XSAVE_PARTS	0xe7
#define XSAVE_BYTES	2688
#define XSAVE_HEADER	512

#define FLAGS_DF	0x400ul
#define FLAGS_AC	0x40000ul

/* What the new program writes to its standard output */
struct registers {
	uint64_t general[16];
	uint64_t flags;
	uint64_t base[2];
	uint16_t selector[4];
	uint8_t xsave[XSAVE_BYTES] __attribute__((aligned(64)));
};

static bool has_base_instructions(void)
{
	static volatile bool has;

	if (!_setjmp(probe_jump)) {
		uint64_t base;

		__asm__ volatile("rdfsbase %0" : "=r"(base));
		has = true;
	}
	return has;
}

static void no_instruction(int sig)
{
	(void)sig;
	_longjmp(probe_jump, 1);
}

/* The new program as an open file. */
static int new_program(void)
{
	size_t length = fresh_end - fresh_begin;
	int fd = memfd_create("fresh", 0);

	*(uint64_t *)fresh_has_bases = has_base_instructions();
	require_call(fd >= 0 && write(fd, fresh_begin, length) == (long)length);
	return fd;
}

/* Every part that this machine has, full of a pattern. */
static void poison_xsave_area(uint8_t *area)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	memset(area, 0x5a, XSAVE_BYTES);
	memset(area + XSAVE_HEADER, 0, 64);
	*(uint64_t *)(area + XSAVE_HEADER) = low & XSAVE_PARTS;
	*(uint16_t *)area = 0x0b7f;		/* control: rounds up */
	*(uint32_t *)(area + 24) = 0x5fc0;	/* mxcsr */
}

/* Fills what is left, and exits with status 0x5a. */
static void poison_and_exit(uint8_t *xsave, unsigned long data_selector)
{
	__asm__ volatile("xrstor64 (%0)\n"
		"	movw %w1, %%ds\n"
		"	movw %w1, %%es\n"
		"	pushfq\n"
		"	orq %2, (%%rsp)\n"
		"	popfq\n"
		"	movq %%rbx, %%rdi\n"
		"	movq %%rbx, %%rsi\n"
		"	movq %%rbx, %%rdx\n"
		"	movq %%rbx, %%rbp\n"
		"	movq %%rbx, %%rsp\n"
		"	movq %%rbx, %%r8\n"
		"	movq %%rbx, %%r9\n"
		"	movq %%rbx, %%r10\n"
		"	movq %%rbx, %%r12\n"
		"	movq %%rbx, %%r13\n"
		"	movq %%rbx, %%r14\n"
		"	movq %%rbx, %%r15\n"
		"	movl $231, %%eax\n"
		"	syscall\n"
		"	ud2\n"
		: : "r"(xsave), "r"(data_selector), "i"(FLAGS_DF | FLAGS_AC),
		    "a"(XSAVE_PARTS), "d"(0), "b"(POISON)
		: "memory");
	__builtin_unreachable();
}

enum bases { BY_SYSTEM_CALL, BY_INSTRUCTION, BY_SELECTOR };

static void set_bases(enum bases how)
{
	switch (how) {
	case BY_SYSTEM_CALL:
		require_call(syscall(SYS_arch_prctl, ARCH_SET_GS, PROGRAM) == 0);
		__asm__ volatile("syscall" : : "a"(SYS_arch_prctl),
				 "D"(ARCH_SET_FS), "S"(PROGRAM)
				 : "rcx", "r11", "memory");
		break;
	case BY_INSTRUCTION:
		__asm__ volatile("wrfsbase %0; wrgsbase %0" : : "r"(PROGRAM));
		break;
	case BY_SELECTOR:
		__asm__ volatile("movw %w0, %%fs; movw %w0, %%gs" : :
				 "r"(0x2b));
		break;
	}
}

static void run_predecessor(enum bases how)
{
	static uint8_t xsave[XSAVE_BYTES] __attribute__((aligned(64)));
	pid_t child = fork_or_fail();
	int status;

	if (!child) {
		poison_xsave_area(xsave);
		set_bases(how);
		poison_and_exit(xsave, 0x2b);
	}
	require_call(waitpid(child, &status, 0) == child);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0x5a,
	      "the predecessor ended with 0x%x", status);
}

/* Runs the new program with so many arguments; what it told, and its status. */
static int run_successor(int program, int arguments, struct registers *found)
{
	char *argv[] = { "fresh", arguments > 1 ? "fs" : NULL,
			 arguments > 2 ? "gs" : NULL, NULL };
	char *none[] = { NULL };
	int line[2], status;
	pid_t child;

	require_call(pipe(line) == 0);
	child = fork_or_fail();
	if (!child) {
		dup2(line[1], STDOUT_FILENO);
		fexecve(program, argv, none);
		_exit(1);
	}
	close(line[1]);
	require_call(read(line[0], found, sizeof(*found)) == sizeof(*found));
	close(line[0]);
	require_call(waitpid(child, &status, 0) == child);
	return status;
}

static void check_zeroes(const uint8_t *bytes, int from, int to,
			 const char *what)
{
	int i;

	for (i = from; i < to; i++)
		check(bytes[i] == 0, "%s: byte %d is 0x%x", what, i, bytes[i]);
}

static void check_floating_point(const uint8_t *xsave)
{
	uint32_t mxcsr = *(const uint32_t *)(xsave + 24);
	uint16_t control = *(const uint16_t *)xsave;

	check(control == 0x37f, "x87 control word 0x%x", control);
	check(mxcsr == 0x1f80, "mxcsr 0x%x", mxcsr);
	check_zeroes(xsave, 2, 24, "x87 status");
	check_zeroes(xsave, 32, 160, "x87");
	check_zeroes(xsave, 160, 416, "xmm");
	check_zeroes(xsave, XSAVE_HEADER + 64, XSAVE_BYTES, "ymm, zmm");
}

static void check_registers(const struct registers *found)
{
	static const char *const selectors[] = { "ds", "es", "fs", "gs" };
	int i;

	for (i = 0; i < 16; i++)
		check(i == 7 || found->general[i] == 0, "register %d: 0x%lx", i,
		      found->general[i]);
	check(found->general[7] >> 46 == 1 && found->general[7] % 16 == 0,
	      "stack pointer 0x%lx", found->general[7]);
	check(found->flags == 0x202, "flags 0x%lx", found->flags);
	for (i = 0; i < 4; i++)
		check(found->selector[i] == 0, "%s: 0x%x", selectors[i],
		      found->selector[i]);
	for (i = 0; i < 2; i++)
		check(found->base[i] == 0, "%s base 0x%lx", selectors[i + 2],
		      found->base[i]);
	check_floating_point(found->xsave);
}

static void check_successors(int program)
{
	long recycled = tlb_counter("views_recycled");
	struct registers found;
	int i, status;

	for (i = 0; i < SUCCESSORS; i++) {
		status = run_successor(program, 1 + i % 3, &found);
		check_registers(&found);
		check(i % 3 == 0 ? status == 0 :
		      WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV,
		      "successor %d could use its bases: 0x%x", i, status);
	}
	recycled = tlb_counter("views_recycled") - recycled;
	check(recycled >= SUCCESSORS, "only %ld views were recycled", recycled);
}

static void after(enum bases how)
{
	int program, i;

	signal(SIGILL, no_instruction);
	program = new_program();
	if (how == BY_INSTRUCTION && !has_base_instructions()) {
		ktap_note("this host has no such instructions\n");
		return;
	}
	for (i = 0; i < PREDECESSORS; i++)
		run_predecessor(how);
	check_successors(program);
}

static void after_system_calls(void)
{
	after(BY_SYSTEM_CALL);
}

static void after_instructions(void)
{
	after(BY_INSTRUCTION);
}

static void after_selectors(void)
{
	after(BY_SELECTOR);
}

static const struct ktap_case cases[] = {
	{ "bases set by system calls", after_system_calls, 0 },
	{ "bases set by instructions", after_instructions, 0 },
	{ "bases set by selectors", after_selectors, 0 },
};

KTAP_TESTS(cases)
