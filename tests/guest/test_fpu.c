// SPDX-License-Identifier: GPL-2.0-only
/*
 * Floating point state follows its thread: over system calls, faults and
 * signals, to a child, past other threads in the same memory, into another
 * virtual address space, and to who traces it.
 */
#include "vas_test.h"

#include <pthread.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/user.h>

#define REGISTERS 16
#define ROUNDS 2000

struct state {
	uint32_t xmm[REGISTERS][4];
} __attribute__((aligned(16)));

static struct state state_of(uint32_t seed)
{
	struct state s;

	for (uint32_t i = 0; i < REGISTERS * 4; i++)
		s.xmm[i / 4][i % 4] = seed * 0x9e3779b1u + i;
	return s;
}

static bool same(const struct state *a, const struct state *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* For all registers, in one string of assembly */
#define LOAD_ALL							\
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15;"	\
	"movaps \\n*16(%[from]), %%xmm\\n; .endr;"
#define STORE_ALL							\
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15;"	\
	"movaps %%xmm\\n, \\n*16(%[to]); .endr;"
#define CLEAR_ALL							\
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15;"	\
	"pxor %%xmm\\n, %%xmm\\n; .endr;"
#define CLOBBERS "rcx", "r11", "memory", "cc",				\
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",	\
	"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* A system call with these registers; out gets what they hold after it. */
static long call_with(long nr, long a, long b, const struct state *in,
		      struct state *out)
{
	long ret;

	asm volatile(LOAD_ALL "syscall;" STORE_ALL
		     : "=a"(ret)
		     : "0"(nr), "D"(a), "S"(b), [from] "r"(in), [to] "r"(out)
		     : CLOBBERS);
	return ret;
}

static void check_kept(long nr, long a, long b, uint32_t seed, const char *what)
{
	struct state in = state_of(seed), out;

	call_with(nr, a, b, &in, &out);
	check(same(&in, &out), "%s", what);
}

static void over_calls(void)
{
	for (uint32_t i = 0; i < ROUNDS; i++)
		check_kept(SYS_getppid, 0, 0, i, "getppid");
	check_kept(SYS_sched_yield, 0, 0, 1, "sched_yield");
	check_kept(SYS_nanosleep, (long)&(struct timespec){ .tv_nsec = 1000 },
		   0, 2, "nanosleep");
}

static void over_faults(void)
{
	char *p = map_private(64);

	for (uint32_t i = 0; i < 64; i++) {
		struct state in = state_of(i), out;

		asm volatile(LOAD_ALL "movb $1, (%[p]);"
			     STORE_ALL
			     : : [p] "r"(p + i * PAGE), [from] "r"(&in),
				 [to] "r"(&out)
			     : CLOBBERS);
		check(same(&in, &out), "fault of page %u", i);
	}
}

static void to_a_child(void)
{
	for (uint32_t i = 0; i < 50; i++) {
		struct state in = state_of(i), out;
		long pid = call_with(SYS_fork, 0, 0, &in, &out);

		require(pid >= 0, "fork");
		check(same(&in, &out), "%s", pid ? "parent" : "child");
		if (!pid) {
			check_kept(SYS_getppid, 0, 0, ~i, "child, later");
			finish();
		}
		check_kept(SYS_getppid, 0, 0, i + 7, "parent, later");
		wait_for(pid);
	}
}

/* The child runs in its parent's memory, clears all registers, and exits. */
static void past_vfork(void)
{
	for (uint32_t i = 0; i < 50; i++) {
		struct state in = state_of(i), out;
		long pid;

		asm volatile(LOAD_ALL
			     "syscall; test %%eax, %%eax; jnz 1f;"
			     CLEAR_ALL
			     "xorl %%edi, %%edi; movl %[exit], %%eax; syscall;"
			     "1:" STORE_ALL
			     : "=a"(pid)
			     : "0"(SYS_vfork), [exit] "i"(SYS_exit),
			       [from] "r"(&in), [to] "r"(&out)
			     : CLOBBERS, "rdi");
		require(pid > 0, "vfork");
		check(same(&in, &out), "round %u", i);
		wait_for(pid);
	}
}

static void *keep_own(void *argument)
{
	uint32_t seed = (uintptr_t)argument;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		check_kept(i % 8 ? SYS_getppid : SYS_sched_yield, 0, 0,
			   seed + i * 16, "thread");
	}
	return NULL;
}

static void past_threads(void)
{
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		require_call(!pthread_create(&threads[i], NULL, keep_own,
					     (void *)i));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void clear_all(int sig)
{
	(void)sig;
	asm volatile(CLEAR_ALL : : : CLOBBERS);
}

static struct _libc_fpstate *frame_of(void *context)
{
	return ((ucontext_t *)context)->uc_mcontext.fpregs;
}

static void replace_all(int sig, siginfo_t *info, void *context)
{
	struct state own = state_of(200), other = state_of(300);
	struct _libc_fpstate *frame = frame_of(context);

	(void)sig;
	(void)info;
	if (check(!memcmp(frame->_xmm, &own, sizeof(own)), "in the frame"))
		memcpy(frame->_xmm, &other, sizeof(other));
}

static void over_signals(void)
{
	struct sigaction action = { .sa_sigaction = replace_all,
				    .sa_flags = SA_SIGINFO };
	struct state in = state_of(200), wanted = state_of(300), out;

	signal(SIGUSR1, clear_all);
	for (uint32_t i = 0; i < 50; i++)
		check_kept(SYS_kill, getpid(), SIGUSR1, i, "after a handler");

	require_call(!sigaction(SIGUSR2, &action, NULL));
	for (int i = 0; i < 50; i++) {
		call_with(SYS_kill, getpid(), SIGUSR2, &in, &out);
		check(same(&out, &wanted), "what the handler put there");
	}
}

static void spoil_control(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	frame_of(context)->mxcsr = ~0u;
}

/* What the state is of, and what has to be zero */
static void spoil_header(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	memset(frame_of(context) + 1, 0xff, 64);
}

static void check_end(void (*handler)(int sig, siginfo_t *info, void *context))
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO };
	pid_t child = fork();

	if (!child) {
		require_call(!sigaction(SIGUSR1, &action, NULL));
		raise(SIGUSR1);
		_exit(0);
	}
	wait_for_signal(child, SIGSEGV);
}

/* A handler that leaves one which no processor takes is the program's end. */
static void impossible(void)
{
	for (uint32_t i = 0; i < 20; i++) {
		check_end(spoil_control);
		check_end(spoil_header);
		check_kept(SYS_getppid, 0, 0, i, "after the child");
	}
}

static void traced(void)
{
	struct user_fpregs_struct regs;
	struct state in = state_of(1), wanted = state_of(2), out;
	pid_t child = fork_or_fail();
	int status;

	if (child == 0) {
		require_call(!ptrace(PTRACE_TRACEME, 0, 0, 0));
		call_with(SYS_kill, getpid(), SIGSTOP, &in, &out);
		check(same(&out, &wanted), "what the tracer put there");
		finish();
	}
	require_call(waitpid(child, &status, 0) == child);
	require_call(!ptrace(PTRACE_GETFPREGS, child, 0, &regs));
	check(!memcmp(regs.xmm_space, &in, sizeof(in)), "seen by the tracer");
	memcpy(regs.xmm_space, &wanted, sizeof(wanted));
	require_call(!ptrace(PTRACE_SETFPREGS, child, 0, &regs));
	require_call(!ptrace(PTRACE_CONT, child, 0, 0));
	wait_for(child);
}

/* Nothing between the two uses these registers. */
static void switch_to(int vid, uint32_t seed)
{
	struct state in = state_of(seed), out;

	asm volatile(LOAD_ALL : : [from] "r"(&in) : CLOBBERS);
	require_call(!vas_switch(vid));
	asm volatile(STORE_ALL : : [to] "r"(&out) : "memory");
	check(!memcmp(&in.xmm[8], &out.xmm[8], 8 * sizeof(in.xmm[0])),
	      "switch to %d", vid);
}

static int spaces[3];

static void *switch_and_keep(void *argument)
{
	uint32_t seed = (uintptr_t)argument;

	for (uint32_t i = 0; i < ROUNDS / 10; i++) {
		switch_to(spaces[(seed + i) % 3], seed + i * 16);
		check_kept(SYS_sched_yield, 0, 0, ~seed - i * 16, "inside");
	}
	switch_to(0, seed);
	return NULL;
}

static void into_spaces(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 3; i++) {
		char name[] = { 'f', 'p', 'u', '0' + i, 0 };

		spaces[i] = new_vas(name);
		attach_self(spaces[i]);
	}
	for (uintptr_t i = 0; i < 4; i++)
		require_call(!pthread_create(&threads[i], NULL, switch_and_keep,
					     (void *)i));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static const struct ktap_case cases[] = {
	{ "over system calls", over_calls, 0 },
	{ "over faults", over_faults, 0 },
	{ "to a child", to_a_child, 0 },
	{ "past vfork", past_vfork, 0 },
	{ "past other threads", past_threads, 0 },
	{ "over signals", over_signals, 0 },
	{ "impossible state", impossible, 0 },
	{ "to a tracer and back", traced, 0 },
	{ "into other address spaces", into_spaces, 0 },
};

KTAP_TESTS(cases)
