// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process with a thread inside of a VAS forks, execs, is killed, dumps core,
 * gets signals.
 */
#include "files.h"
#include "vas_test.h"

#include <elf.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Flaw 4: active_vas was not reset by fork. */
static void fork_starts_outside(void)
{
	int sid, vid = vas_with_segment("fork", &sid);
	pid_t child;

	attach_self(vid);
	enter(vid);
	*word_at(WINDOW) = 1;
	child = fork_or_fail();
	if (!child) {
		check(active_vas() == 0, "inside of %d", active_vas());
		check_errno(vas_switch(vid), EINVAL);
		check(!can_read(at(WINDOW)), "the window is open");
		attach_self(vid);
		enter(vid);
		check(*word_at(WINDOW) == 1, "wrong contents");
		*word_at(WINDOW) = 2;
		finish();
	}
	wait_for(child);
	check(active_vas() == vid, "the parent moved");
	check(*word_at(WINDOW) == 2, "a copy, not the VAS");
	drop_with_segment(vid, sid);
}

/*
 * Flaw 4: a fork that failed half way left through the VAS of its parent. The
 * number of the pidfd cannot be written, which the kernel finds out when the new
 * thread is counted in.
 */
static void failing_fork(void)
{
	static const unsigned long kinds[] = {
		CLONE_VM | CLONE_THREAD | CLONE_SIGHAND,
		CLONE_VM | SIGCHLD,
		SIGCHLD,
	};
	int vid = new_vas("failing");

	attach_self(vid);
	enter(vid);
	map_here(HEAP, 1);
	for (int i = 0; i < 30; i++)
		check_errno(syscall(SYS_clone, kinds[i % 3] | CLONE_PIDFD,
				    at(HEAP + PAGE), at(8), 0, 0), EFAULT);
	check(active_vas() == vid, "moved");
	check(can_write(at(HEAP)), "the VAS lost its memory");
	drop_vas(vid);
}

/* A vfork child runs in its parent's memory, and so in its VAS. */
static void vfork_and_exec(void)
{
	int vid = new_vas("vfork");
	volatile int where = -1;
	pid_t child;
	int status;

	attach_self(vid);
	enter(vid);
	map_here(HEAP, 1);
	child = vfork();
	if (!child) {
		where = active_vas();
		*word_at(HEAP) = 5;
		execl("/bin/busybox", "busybox", "true", (char *)NULL);
		_exit(1);
	}
	require_call(child > 0);
	require_call(waitpid(child, &status, 0) == child);
	check(WIFEXITED(status) && !WEXITSTATUS(status), "exec: %x", status);
	check(where == vid, "vfork: in %d", where);
	check(*word_at(HEAP) == 5, "vfork: not the parent's memory");
	check(active_vas() == vid, "the parent moved");
	drop_vas(vid);
}

/* Flaw 5: exec inside of a VAS dropped the wrong mm, left stale attachments. */
static void exec_inside(void)
{
	int vid = new_vas("exec");

	for (int i = 0; i < 5; i++) {
		pid_t child = fork_or_fail();

		if (!child) {
			attach_self(vid);
			enter(vid);
			map_here(HEAP + i * PAGE, 1);
			execl("/bin/busybox", "busybox", "true", (char *)NULL);
			_exit(1);
		}
		wait_for(child);
	}
	check_call(vas_delete(vid));
}

static void *in_and_out(void *vid)
{
	for (;;) {
		enter((int)(intptr_t)vid);
		*word_at(WINDOW) = 1;
		enter(0);
	}
	return NULL;
}

static void killed_inside(void)
{
	int sid, vid = vas_with_segment("killed", &sid);

	for (int i = 0; i < 10; i++) {
		pid_t child = fork_or_fail();

		if (!child) {
			pthread_t thread;

			attach_self(vid);
			for (int t = 0; t < 3; t++)
				pthread_create(&thread, NULL, in_and_out,
					       (void *)(intptr_t)vid);
			enter(vid);
			for (;;)
				(*word_at(WINDOW + 8 * PAGE))++;
		}
		usleep(20000 + i * 3000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
}

/* With a lock, and with more memory than its control group may have. */
#define GROUP "/sys/fs/cgroup/vas_oom"

static void use_too_much(int vid)
{
	write_text(GROUP "/cgroup.procs", "0");
	attach_self(vid);
	enter(vid);
	for (unsigned long page = 0; page < 8192; page++)
		*word_at(WINDOW + page * PAGE) = 1;
}

static void oom_killed_inside(void)
{
	int vid = new_vas("oom"), sid = new_segment("oom", WINDOW, 8192);
	pid_t child;

	require_call(!vas_seg_attach(vid, sid, O_RDWR | VAS_SEG_LOCK));
	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	require_call(mkdir(GROUP, 0700) == 0);
	write_text(GROUP "/memory.max", "8388608");
	child = fork_or_fail();
	if (!child) {
		use_too_much(vid);
		finish();
	}
	wait_for_signal(child, SIGKILL);
	check(number_in(GROUP "/memory.events", "oom_kill ") > 0, "no OOM");

	attach_self(vid);
	enter(vid);
	check(*word_at(WINDOW) == 1, "wrong contents");
	drop_with_segment(vid, sid);
	require_call(rmdir(GROUP) == 0);
}

/*
 * A core shows the window of the thread that dumps, at its addresses, and of
 * its contents what was asked for.
 */
#define VAST	(HEAP + 0x40000000ul)

static void dump_core(int vid, int other)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	require_call(setrlimit(RLIMIT_CORE, &all) == 0);
	attach_self(other);
	attach_self(vid);
	enter(other);
	map_here(HEAP, 3);
	page_fill(at(HEAP), 1);
	enter(vid);
	map_here(HEAP, 3);
	page_fill(at(HEAP), 2);
	page_fill(at(HEAP + PAGE), 3);
	require_call(madvise(at(HEAP + PAGE), PAGE, MADV_DODUMP) == 0);
	*word_at(VAST) = 1;
	abort();
}

static void check_core(const char *path)
{
	uint64_t dumped[PAGE_WORDS] = {};
	unsigned int inside = 0;
	Elf64_Phdr segment;
	Elf64_Ehdr header;
	int core = open(path, O_RDONLY);

	require_call(core >= 0);
	require_call(read(core, &header, sizeof(header)) == sizeof(header));
	for (int i = 0; i < header.e_phnum; i++) {
		require_call(pread(core, &segment, sizeof(segment),
				   header.e_phoff + i * sizeof(segment)) ==
			     sizeof(segment));
		check(segment.p_vaddr < 1ul << 47, "at %#lx", segment.p_vaddr);
		if (segment.p_vaddr < WINDOW || segment.p_vaddr >= VAS_WINDOW_END)
			continue;
		inside++;
		check(segment.p_filesz ==
		      (segment.p_vaddr == HEAP + PAGE ? PAGE : 0),
		      "%lu bytes of %#lx", segment.p_filesz, segment.p_vaddr);
		if (segment.p_filesz == PAGE)
			pread(core, dumped, PAGE, segment.p_offset);
	}
	check(inside == 4, "%u parts of the window", inside);
	check(page_is(dumped, 3), "wrong contents");
	close(core);
}

static void core_dump_inside(void)
{
	int vid = new_vas("core"), other = new_vas("othercore");
	int sid = new_segment("core", VAST, (VAS_WINDOW_END - VAST) / PAGE);
	double start = seconds_now();
	char path[64];
	pid_t child;
	int status;

	require_call(!vas_seg_attach(vid, sid, O_RDWR));
	write_text("/proc/sys/kernel/core_pattern", "/tmp/core.%p");
	child = fork_or_fail();
	if (!child)
		dump_core(vid, other);
	require_call(waitpid(child, &status, 0) == child);
	check(WIFSIGNALED(status) && WCOREDUMP(status), "no core: %x", status);
	check(seconds_now() - start < 20, "it took %.0f s",
	      seconds_now() - start);
	snprintf(path, sizeof(path), "/tmp/core.%d", (int)child);
	check_core(path);
	unlink(path);
	check_call(vas_delete(vid));
	check_call(vas_delete(other));
	check_call(vas_seg_delete(sid));
}

static volatile int signals;
static volatile unsigned long signal_sp;

static void on_signal(int sig)
{
	int here;

	(void)sig;
	signal_sp = (unsigned long)&here;
	signals++;
}

/* Signals, also with their stack in the VAS. */
static void signal_stack_inside(void)
{
	int vid = new_vas("sigstack");
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_sp = at(HEAP), .ss_size = 16 * PAGE };

	attach_self(vid);
	enter(vid);
	map_here(HEAP, 16);
	require_call(sigaltstack(&stack, NULL) == 0);
	require_call(sigaction(SIGUSR1, &action, NULL) == 0);
	for (int i = 0; i < 50; i++)
		raise(SIGUSR1);
	check(signals == 50, "%d signals", signals);
	check(signal_sp >= HEAP && signal_sp < HEAP + 16 * PAGE,
	      "not on the stack in the VAS");
	stack.ss_flags = SS_DISABLE;
	require_call(sigaltstack(&stack, NULL) == 0);
	drop_vas(vid);
}

static volatile bool stop;

static void on_alarm(int sig)
{
	(void)sig;
	stop = true;
}

/* A thread that computes inside is preempted, and interrupted. */
static void the_clock_ticks_inside(void)
{
	int vid = new_vas("ticks");
	pid_t child;
	double start;

	attach_self(vid);
	enter(vid);
	signal(SIGALRM, on_alarm);
	alarm(1);
	start = seconds_now();
	while (!stop)
		;
	check(seconds_now() - start < 5, "the alarm was late");
	enter(0);

	child = fork_or_fail();
	if (!child) {
		attach_self(vid);
		enter(vid);
		for (;;)
			;
	}
	for (int i = 0; i < 20; i++)
		usleep(10000);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	check(seconds_now() - start < 15, "held up by a thread inside");
	drop_vas(vid);
}

static const struct ktap_case cases[] = {
	{ "fork starts outside", fork_starts_outside, 0 },
	{ "failing fork", failing_fork, 0 },
	{ "vfork and exec", vfork_and_exec, 0 },
	{ "exec inside", exec_inside, 0 },
	{ "killed inside", killed_inside, 0 },
	{ "killed for memory inside", oom_killed_inside, 0 },
	{ "core dump inside", core_dump_inside, 60 },
	{ "signal stack inside", signal_stack_inside, 0 },
	{ "the clock ticks inside", the_clock_ticks_inside, 0 },
};

KTAP_TESTS(cases)
