// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host process is used again for the next guest program. Whatever a program
 * did to its own must not be seen by those that come after it.
 *
 * Some of that no decent program can do: here it jumps into the stub, to a
 * system call instruction, and returns from a signal that never was. So its host
 * process gets a signal mask and a signal stack of its choice. Each of these
 * ends badly for the program itself; what counts is how its successors fare.
 *
 * In ptrace mode the same instructions are the guest's own system calls, and
 * change what the guest kernel keeps, which ends with the program.
 */
#include "stub.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

/* More than are ever kept idle for a test that does this little. */
#define SUCCESSORS 24

/* The address of a "syscall" instruction of the stub, or of our own in ptrace mode. */
static char *any_stub_syscall(void)
{
	jump_back_on(SIGSEGV, SA_NODEFER);
	jump_back_on(SIGBUS, SA_NODEFER);
	return stub_syscall(0);
}

static void leave(void)
{
	for (;;)
		__asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(0)
				 : "rcx", "r11", "memory");
}

static void loop(void)
{
	for (;;)
		__asm__ volatile("");
}

static void (*goes_on)(void) = leave;

/* Returns to *goes_on with this mask and signal stack, by a made-up frame. */
static void forge(uint64_t mask, void *stack, size_t length)
{
	static char own_stack[16384];
	static ucontext_t frame;
	unsigned short cs, ss;
	char *instruction = any_stub_syscall();

	if (!instruction)
		_exit(0);
	__asm__("mov %%cs, %0; mov %%ss, %1" : "=r"(cs), "=r"(ss));
	memset(&frame, 0, sizeof(frame));
	frame.uc_flags = 6; /* the frame has an ss, and it counts */
	frame.uc_stack.ss_sp = stack;
	frame.uc_stack.ss_size = length;
	frame.uc_mcontext.gregs[REG_RIP] = (long)goes_on;
	frame.uc_mcontext.gregs[REG_RSP] =
		(long)(own_stack + sizeof(own_stack) - 64) & -16l;
	frame.uc_mcontext.gregs[REG_CSGSFS] = cs | (long)ss << 48;
	frame.uc_mcontext.gregs[REG_EFL] = 0x202;
	memcpy(&frame.uc_sigmask, &mask, sizeof(mask));

	__asm__ volatile("mov %0, %%rsp; jmp *%1" : :
			 "r"(&frame), "r"(instruction), "a"(SYS_rt_sigreturn)
			 : "memory");
	__builtin_unreachable();
}

/* What a successor must be able to do; its exit status tells what it could not. */
static void live(void)
{
	struct itimerval timer = { .it_value.tv_usec = 30000 };
	volatile sig_atomic_t *fired;
	unsigned short ds, es;
	char *page;

	__asm__("mov %%ds, %0; mov %%es, %1" : "=r"(ds), "=r"(es));
	if (ds || es)
		_exit(2);

	/* Faults, and system calls. */
	page = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		_exit(3);
	memset(page, 1, 4 * PAGE);
	if (getppid() <= 0)
		_exit(4);

	/* The tick: a timer's signal comes while guest code is busy. */
	fired = (volatile sig_atomic_t *)page;
	*fired = 0;
	if (!sigsetjmp(back, 1)) {
		jump_back_on(SIGALRM, 0);
		setitimer(ITIMER_REAL, &timer, NULL);
		while (!*fired)
			;
	}
	_exit(0);
}

static void check_successors(const char *after)
{
	int i, status;

	for (i = 0; i < SUCCESSORS; i++) {
		pid_t child = fork_or_fail();

		if (!child)
			live();
		require_call(waitpid(child, &status, 0) == child);
		check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "after %s, child %d ended with 0x%x", after, i, status);
	}
}

static void after(const char *what, void (*spoil)(void))
{
	int i, status;

	for (i = 0; i < 4; i++) {
		pid_t child = fork_or_fail();

		if (!child) {
			spoil();
			_exit(0);
		}
		require_call(waitpid(child, &status, 0) == child);
	}
	check_successors(what);
}

static void set_segments(void)
{
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0x2b));
}

static void block_the_tick(void)
{
	forge(1ull << (SIGALRM - 1), NULL, 0);
}

static void block_everything(void)
{
	forge(~0ull, NULL, 0);
}

static void stack_everywhere(void)
{
	forge(0, (void *)PAGE, (1ul << 47) - 2 * PAGE);
}

static void stack_in_guest_memory(void)
{
	static char stack[65536];

	forge(0, stack, sizeof(stack));
}

/* Jumps to the stub's system calls with this number and these arguments. */
static void host_call(long number, long a, long b, long c)
{
	char *instruction = any_stub_syscall();

	if (!instruction || sigsetjmp(back, 1))
		return;
	__asm__ volatile("jmp *%0" : : "r"(instruction), "a"(number), "D"(a),
			 "S"(b), "d"(c) : "memory");
	__builtin_unreachable();
}

static void close_memory_file(void)
{
	alarm(1);
	host_call(SYS_close, 0, 0, 0);
}

static void unmap_the_stub(void)
{
	alarm(1);
	host_call(SYS_munmap, STUB_SEARCH_START,
		  STUB_SEARCH_END - STUB_SEARCH_START, 0);
}

static void segments(void)
{
	after("segments were set", set_segments);
}

static void the_tick(void)
{
	after("the tick was blocked", block_the_tick);
}

static void all_signals(void)
{
	after("all signals were blocked", block_everything);
}

static void signal_stacks(void)
{
	after("the signal stack was everywhere", stack_everywhere);
	after("the signal stack was the guest's", stack_in_guest_memory);
}

static void memory_files(void)
{
	after("the memory file was closed", close_memory_file);
}

static void stubs(void)
{
	after("the stub was unmapped", unmap_the_stub);
}

/* With one CPU, this goes on only if the child is made to stop. */
static void a_loop_without_ticks(void)
{
	pid_t child = fork_or_fail();
	int status;

	if (!child) {
		goes_on = loop;
		block_the_tick();
	}
	sleep(1);
	kill(child, SIGKILL);
	require_call(waitpid(child, &status, 0) == child);
	check(WIFSIGNALED(status), "it ended with 0x%x", status);
}

static const struct ktap_case cases[] = {
	{ "segments", segments, 0 },
	{ "the tick", the_tick, 0 },
	{ "all signals", all_signals, 0 },
	{ "signal stacks", signal_stacks, 0 },
	{ "the memory file", memory_files, 0 },
	{ "the stub", stubs, 0 },
	{ "a loop without ticks", a_loop_without_ticks, 0 },
};

KTAP_TESTS(cases)
