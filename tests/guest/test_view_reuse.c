// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host process is used again for the next guest program. Whatever a program
 * did to its own must not be seen by those that come after it.
 *
 * Some of that no decent program can do: here it jumps into the stub, to a
 * system call instruction, and returns from a signal that never was. So its host
 * process gets a signal mask and a signal stack of its choice. Some of these end
 * badly for the program itself; what counts is how its successors fare. How it
 * ends, and whether its host process does with it, is known for each.
 *
 * In ptrace mode the same is done by the guest's own system calls, and changes what
 * the guest kernel keeps, which ends with the program.
 */
#include "stub.h"
#include "stats.h"

#include <sched.h>
#include <sys/time.h>
#include <ucontext.h>

/* More than are ever kept idle for a test that does this little. */
#define SUCCESSORS 24
#define SPOILERS 4

/* A program that spoils its host process */
struct spoiler {
	const char *what;
	void (*spoil)(void);
	int end, end_in_ptrace_mode;	/* wait status */
	bool host_process_dies;		/* in seccomp mode */
};

static bool ptrace_mode;

/* The address of a "syscall" instruction: the stub's, or in ptrace mode our own */
static char *any_syscall(void)
{
	char *own;

	__asm__("lea 1f(%%rip), %0; jmp 2f; 1: syscall; ud2; 2:" : "=r"(own));
	return ptrace_mode ? own : stub_syscall(0);
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
	static uint8_t floats[16384] __attribute__((aligned(64)));
	static ucontext_t frame;
	unsigned short cs, ss;
	char *instruction = any_syscall();

	if (!instruction)
		_exit(43);
	*(uint32_t *)(floats + 24) = 0x1f80;	/* mxcsr */
	memset(own_stack, 1, sizeof(own_stack));
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
	frame.uc_mcontext.fpregs = (void *)floats;
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
	long recycled = tlb_counter("views_recycled");
	int i, status;

	for (i = 0; i < SUCCESSORS; i++) {
		pid_t child = fork_or_fail();

		if (!child)
			live();
		require_call(waitpid(child, &status, 0) == child);
		check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "after %s, child %d ended with 0x%x", after, i, status);
	}
	/* The pool's thread may do the last few later. */
	recycled = tlb_counter("views_recycled") - recycled;
	check(recycled >= SUCCESSORS / 2, "after %s, only %ld were recycled",
	      after, recycled);
}

static void after(const struct spoiler *spoiler)
{
	int end = ptrace_mode ? spoiler->end_in_ptrace_mode : spoiler->end;
	int deaths = !ptrace_mode && spoiler->host_process_dies ? SPOILERS : 0;
	int lost = lost_host_processes(), i, status;

	for (i = 0; i < SPOILERS; i++) {
		pid_t child = fork_or_fail();

		if (!child) {
			spoiler->spoil();
			_exit(44);
		}
		require_call(waitpid(child, &status, 0) == child);
		check(status == end, "%s: ended with 0x%x, not 0x%x",
		      spoiler->what, status, end);
	}
	lost = lost_host_processes() - lost;
	check(lost == deaths, "%s: %d host processes were lost, not %d",
	      spoiler->what, lost, deaths);
	check_successors(spoiler->what);
}

static void set_segments(void)
{
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0x2b));
	_exit(0);
}

static void block_the_tick(void)
{
	forge(1ull << (SIGALRM - 1), NULL, 0);
}

/* But for the signal of a system call: without it nobody can exit. */
static void block_everything(void)
{
	forge(~(1ull << (SIGSYS - 1)), NULL, 0);
}

static void block_system_calls(void)
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

	memset(stack, 1, sizeof(stack));
	forge(0, stack, sizeof(stack));
}

/* Tries a call of the stub, which ends this program. */
static void host_call(long number, long a, long b)
{
	const long arguments[6] = { a, b };
	char *instruction = stub_syscall(0);

	if (!instruction)
		_exit(43);
	call_in_stub(instruction, number, arguments);
}

static void close_memory_file(void)
{
	host_call(SYS_close, 0, 0);
}

static void unmap_the_stub(void)
{
	host_call(SYS_munmap, STUB_SEARCH_START,
		  STUB_SEARCH_END - STUB_SEARCH_START);
}

static void segments(void)
{
	static const struct spoiler spoiler = {
		"segments were set", set_segments, 0, 0, false,
	};

	after(&spoiler);
}

static void the_tick(void)
{
	static const struct spoiler spoiler = {
		"the tick was blocked", block_the_tick, 0, 0, false,
	};

	after(&spoiler);
}

static void all_signals(void)
{
	static const struct spoiler spoilers[] = {
		{ "other signals were blocked", block_everything, 0, 0, false },
		{ "all signals were blocked", block_system_calls, SIGSEGV, 0,
		  true },
	};

	after(&spoilers[0]);
	after(&spoilers[1]);
}

/* The kernel does not find the registers where they have to be. */
static void signal_stacks(void)
{
	static const struct spoiler spoilers[] = {
		{ "the signal stack was everywhere", stack_everywhere, SIGSEGV,
		  0, false },
		{ "the signal stack was the guest's", stack_in_guest_memory,
		  SIGSEGV, 0, false },
	};

	after(&spoilers[0]);
	after(&spoilers[1]);
}

static void memory_files(void)
{
	static const struct spoiler spoiler = {
		"the memory file was closed", close_memory_file, SIGSEGV,
		SIGSEGV, true,
	};

	after(&spoiler);
}

static void stubs(void)
{
	static const struct spoiler spoiler = {
		"the stub was unmapped", unmap_the_stub, SIGSEGV, SIGSEGV, true,
	};

	after(&spoiler);
}

/* Counts how often it gets the CPU. */
static pid_t busy_sibling(volatile long *turns)
{
	pid_t child = fork_or_fail();

	while (!child) {
		(*turns)++;
		getppid();
	}
	while (!*turns)
		sched_yield();
	return child;
}

/* The signal of the tick cannot stop it. In ptrace mode that is the guest's signal. */
static pid_t loop_without_ticks(void)
{
	pid_t child = fork_or_fail();

	if (!child) {
		goes_on = loop;
		block_the_tick();
	}
	return child;
}

/*
 * With one CPU, others go on when the loop was ended. That takes two seconds; in
 * ptrace mode nothing is the matter and we end it.
 */
static void a_loop_without_ticks(void)
{
	volatile long *turns = (void *)map_shared(1);
	pid_t sibling = busy_sibling(turns), child;
	double start = seconds_now();
	long before = *turns;

	child = loop_without_ticks();
	if (ptrace_mode) {
		sleep(2);
		kill(child, SIGKILL);
	}
	wait_for_signal(child, ptrace_mode ? SIGKILL : SIGSEGV);
	check(seconds_now() - start < 5, "only after %.1f s",
	      seconds_now() - start);
	if (ptrace_mode || sysconf(_SC_NPROCESSORS_ONLN) > 1)
		check(*turns - before > 10000, "%ld turns meanwhile",
		      *turns - before);

	before = *turns;
	usleep(300000);
	check(*turns - before > 1000, "%ld turns later", *turns - before);
	kill(sibling, SIGKILL);
	wait_for_signal(sibling, SIGKILL);
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

int main(void)
{
	ptrace_mode = in_ptrace_mode();
	exit(KTAP_MAIN(cases));
}
