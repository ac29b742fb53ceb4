// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces that come and go, and everybody who reaches into one.
 *
 * Exec storms, fork loops, deep trees, many processes at once: a host process
 * is made, used and ended for each, and nothing of an old one may be seen in a
 * new one. Threads, timers and signals in the middle of faults. Then the
 * others who touch a process's memory: system calls with good, closed, shared
 * and missing buffers, ptrace, process_vm_readv, futex, userfaultfd.
 *
 * Stock UML 7.3 fails "system calls on closed buffers": the kernel reads a page
 * that has PROT_NONE as long as its page is there.
 *
 * As "--look TAG" or "--chain COUNT" the program is the one that is executed:
 * its zeroed data and a fresh mapping must be empty, then it ends with a status
 * made of TAG, or executes itself COUNT times more.
 */
#include "memory.h"

#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>

#define PAGES 32
#define RW (PROT_READ | PROT_WRITE)

static char zeroed[8 * PAGE] __attribute__((aligned(4096)));

/* --- fork, exec, exit --- */

static int look(int argc, char **argv)
{
	char *fresh = map_private(8);

	if (argc < 3)
		return 99;
	check_zero(zeroed, 8);
	check_zero(fresh, 8);
	fill_pages(zeroed, 8, 0xbad000);
	fill_pages(fresh, 8, 0xbad100);
	return ktap_failures ? 99 : atoi(argv[2]) % 90;
}

static int status_of(pid_t pid)
{
	int status;

	require_call(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void execute(const char *mode, int tag)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", tag);
	execl("/proc/self/exe", "test_vmspace_exec", mode, text, NULL);
	_exit(98);
}

static pid_t start_look(int tag)
{
	pid_t child = tag % 3 ? fork_or_fail() : vfork();

	if (child == 0)
		execute("--look", tag);
	return child;
}

static void exec_storm(void)
{
	for (int i = 0; i < 400; i++) {
		int status = status_of(start_look(i));

		check(status == i % 90, "exec %d: status %d", i, status);
	}
}

/* One process that executes itself again and again. */
static void exec_chain(void)
{
	pid_t child = fork_or_fail();

	if (child == 0)
		execute("--chain", 200);
	check(status_of(child) == 42, "the chain broke");
}

static int chain(int left)
{
	check_zero(zeroed, 8);
	fill_pages(zeroed, 8, 0xbad200);
	if (ktap_failures)
		return 99;
	if (left > 0)
		execute("--chain", left - 1);
	return 42;
}

static void fork_loop(void)
{
	char *p = map_private(PAGES);

	fill_pages(p, PAGES, 0x1000);
	for (int i = 0; i < 2000; i++) {
		pid_t child = fork_or_fail();

		if (child == 0) {
			page_fill(p + i % PAGES * PAGE, 0x2000 + i);
			_exit(page_is(p + (i + 1) % PAGES * PAGE,
				      0x1000 + (i + 1) % PAGES) ? i % 50 : 99);
		}
		check(status_of(child) == i % 50, "fork %d", i);
	}
	check_pages(p, PAGES, 0x1000);
}

/* 60 generations deep; each looks, rewrites, forks and looks again. */
static void deep_tree(void)
{
	char *p = map_private(PAGES);
	uint32_t tag = 0x1000;

	fill_pages(p, PAGES, tag);
	for (int depth = 0; depth < 60; depth++) {
		pid_t child = fork_or_fail();

		if (child) {
			wait_for(child);
			check_pages(p, PAGES, tag);
			finish();
		}
		check_pages(p, PAGES, tag);
		tag = 0x1000 + depth * PAGES;
		fill_pages(p, PAGES, tag);
	}
}

/* 200 at once; all write, all meet, all look, then end in random order. */
static void many_at_once(void)
{
	enum { COUNT = 200 };
	char *p = map_private(PAGES);
	uint32_t *met = (uint32_t *)map_shared(1);
	pid_t child[COUNT];
	uint32_t order[COUNT];
	int start[2], end[2];

	require_call(pipe(start) == 0 && pipe(end) == 0);
	fill_pages(p, PAGES, 0x1000);
	for (int i = 0; i < COUNT; i++) {
		char c;

		child[i] = fork_or_fail();
		if (child[i])
			continue;
		close(start[1]);
		close(end[1]);
		fill_pages(p, PAGES / 2, 0x10000 + i * PAGES);
		__atomic_fetch_add(met, 1, __ATOMIC_SEQ_CST);
		require_call(read(start[0], &c, 1) == 0);
		check_pages(p, PAGES / 2, 0x10000 + i * PAGES);
		check_pages(p + PAGES / 2 * PAGE, PAGES / 2,
			    0x1000 + PAGES / 2);
		require_call(read(end[0], &c, 1) == 0);
		finish();
	}
	while (__atomic_load_n(met, __ATOMIC_SEQ_CST) < COUNT)
		usleep(1000);
	close(start[1]);
	shuffle(order, COUNT);
	for (int i = 0; i < COUNT / 4; i++)
		kill(child[order[i]], SIGKILL);
	close(end[1]);
	for (int i = 0; i < COUNT / 4; i++)
		status_of(child[order[i]]);
	for (int i = COUNT / 4; i < COUNT; i++)
		wait_for(child[order[i]]);
	check_pages(p, PAGES, 0x1000);
}

/* --- threads --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long counter;
static char *area;

static void *thread_counts(void *argument)
{
	uintptr_t number = (uintptr_t)argument;
	char *own = map_private(2);

	fill_pages(own, 2, 0x1000 + number * 2);
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	check_pages(own, 2, 0x1000 + number * 2);
	page_fill(area + number * PAGE, 0x2000 + number);
	unmap(own, 2);
	return argument;
}

static void threads(void)
{
	enum { COUNT = 200 };
	pthread_t thread[COUNT];
	void *result;

	area = map_private(COUNT);
	for (uintptr_t i = 0; i < COUNT; i++)
		require_call(pthread_create(&thread[i], NULL, thread_counts,
					    (void *)i) == 0);
	for (uintptr_t i = 0; i < COUNT; i++) {
		require_call(pthread_join(thread[i], &result) == 0);
		check((uintptr_t)result == i, "thread %zu", i);
	}
	check(counter == COUNT * 100, "counter %lu", counter);
	check_pages(area, COUNT, 0x2000);
}

/* A process with threads executes another program: the threads are gone. */
static void *thread_sleeps(void *argument)
{
	pause();
	return argument;
}

static void exec_with_threads(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t child = fork_or_fail();
		pthread_t thread;

		if (child == 0) {
			for (int n = 0; n < 5; n++)
				pthread_create(&thread, NULL, thread_sleeps,
					       NULL);
			execute("--look", 17);
		}
		check(status_of(child) == 17, "exec with threads");
	}
}

/* --- signals in the middle of faults --- */

enum { SIGNAL_PAGES = 4096 };

static char *signal_area;
static volatile sig_atomic_t signals;

static void on_alarm(int sig)
{
	(void)sig;
	if (signals < SIGNAL_PAGES)
		page_fill(signal_area + signals * PAGE, 0x1000 + signals);
	signals++;
}

/* A timer fires all through a loop of faults, its handler faults too. */
static void signals_in_faults(void)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
	stack_t stack = { .ss_size = 16 * PAGE };
	struct sigaction action = {
		.sa_handler = on_alarm, .sa_flags = SA_ONSTACK | SA_RESTART,
	};
	double end = seconds_now() + 1.5;
	uint32_t round = 0;

	signal_area = map_private(SIGNAL_PAGES);
	stack.ss_sp = map_private(16);
	require_call(sigaltstack(&stack, NULL) == 0);
	require_call(sigaction(SIGALRM, &action, NULL) == 0);
	require_call(setitimer(ITIMER_REAL, &every, NULL) == 0);
	while (seconds_now() < end) {
		char *p = map_private(PAGES);

		fill_pages(p, PAGES, 0x9000 + round);
		check_pages(p, PAGES, 0x9000 + round++);
		unmap(p, PAGES);
		/* The alternate stack anew: its next use faults. */
		if (round % 4 == 0)
			madvise(stack.ss_sp, 8 * PAGE, MADV_DONTNEED);
	}
	every.it_value.tv_usec = 0;
	require_call(setitimer(ITIMER_REAL, &every, NULL) == 0);
	check(signals > 10, "only %d signals", (int)signals);
	check_pages(signal_area, signals < SIGNAL_PAGES ? signals :
		    SIGNAL_PAGES, 0x1000);
}

static char *mended;
static volatile int mendings;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char *page = (char *)((uintptr_t)info->si_addr & ~(PAGE - 1));

	(void)sig;
	(void)context;
	if (page < mended || page >= mended + PAGES * PAGE)
		_exit(97);
	protect(page, 1, RW);
	mendings++;
}

/* A handler gives access, and the access is made again (a common trick). */
static void fault_mended(void)
{
	struct sigaction action = {
		.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO,
	};

	mended = map_private(PAGES);
	fill_pages(mended, PAGES, 0x1000);
	require_call(sigaction(SIGSEGV, &action, NULL) == 0);
	for (int round = 0; round < 20; round++) {
		mendings = 0;
		protect(mended, PAGES, round % 2 ? PROT_NONE : PROT_READ);
		fill_pages(mended, PAGES, 0x1001 + round);
		check(mendings == PAGES, "%d mendings", mendings);
		check_pages(mended, PAGES, 0x1001 + round);
	}
}

/* --- system calls on all kinds of buffers --- */

/* Buffers that the kernel cannot use: nothing there, or not permitted. */
static void bad_buffers(void)
{
	int fd = memory_file(4, 0x1000);
	char *none = map_at(NULL, 1, PROT_NONE, MAP_PRIVATE, -1, 0);
	char *ro = map_at(NULL, 1, PROT_READ, MAP_PRIVATE, -1, 0);
	char *gone = map_private(1);
	char *p = map_private(3);
	ssize_t got;

	unmap(gone, 1);
	unmap(p + 2 * PAGE, 1);
	check(pread(fd, none, 8, 0) == -1 && errno == EFAULT, "PROT_NONE");
	check(pread(fd, ro, 8, 0) == -1 && errno == EFAULT, "read-only");
	check(pread(fd, gone, 8, 0) == -1 && errno == EFAULT, "unmapped");
	check(pwrite(fd, none, 8, 0) == -1 && errno == EFAULT, "PROT_NONE");
	check(pwrite(fd, gone, 8, 0) == -1 && errno == EFAULT, "unmapped");
	check(pwrite(fd, ro, PAGE, PAGE) == (ssize_t)PAGE, "from read-only");
	check_page(ro, 0);
	/* Half of it can be used: at most that half may be reported. */
	got = pread(fd, p + PAGE, 2 * PAGE, 2 * PAGE);
	check(got == (ssize_t)PAGE || (got == -1 && errno == EFAULT),
	      "partly unmapped: %zd", got);
	check_page(p + PAGE, 0x1002);
	/* Strings that end in front of the hole, and that do not. */
	memcpy(p + 2 * PAGE - 5, "/dev", 5);
	check(access(p + 2 * PAGE - 5, F_OK) == 0, "string at the end");
	memset(p + PAGE, '/', PAGE);
	check(access(p + 2 * PAGE - 5, F_OK) == -1 && errno == EFAULT,
	      "string into the hole");
}

/* Pages with contents, closed since: the kernel must not read them either. */
static void closed_buffers(void)
{
	char *p = map_private(2), *shared = map_shared(1);
	int fd = memory_file(2, 0x1000);

	fill_pages(p, 2, 0x2000);
	page_fill(shared, 0x3000);
	protect(p + PAGE, 1, PROT_NONE);
	protect(shared, 1, PROT_NONE);
	check(pwrite(fd, p + PAGE, PAGE, 0) == -1 && errno == EFAULT,
	      "write() from a closed page");
	check(pwrite(fd, shared, PAGE, 0) == -1 && errno == EFAULT,
	      "write() from a closed shared page");
	check(pwrite(fd, p, 2 * PAGE, 0) <= (ssize_t)PAGE,
	      "write() from an open and a closed page");
	check(pread(fd, p + PAGE, PAGE, 0) == -1 && errno == EFAULT,
	      "read() into a closed page");
	protect(p, 2, RW);
	check_pages(p, 2, 0x2000);
}

/* Buffers that need a fault first, of every kind. */
static void good_buffers(void)
{
	int fd = memory_file(PAGES, 0x1000);
	char *fresh = map_private(PAGES);
	char *file = map_at(NULL, PAGES, RW, MAP_PRIVATE,
			    memory_file(PAGES, 0x5000), 0);
	char *raised = map_at(NULL, PAGES, PROT_NONE, MAP_PRIVATE, -1, 0);
	char *lowered = map_private(PAGES);
	int through[2];
	pid_t child;

	/* From never touched pages, and from a file's. */
	require_call(pipe(through) == 0);
	require_call(write(through[1], fresh, PAGE) == (ssize_t)PAGE);
	require_call(read(through[0], fresh + PAGE, PAGE) == (ssize_t)PAGE);
	check_zero(fresh, 2);
	require_call(write(through[1], file, PAGE) == (ssize_t)PAGE);
	require_call(read(through[0], fresh, PAGE) == (ssize_t)PAGE);
	check_page(fresh, 0x5000);
	/* Into them: the page that user code saw before must not stay. */
	for (int i = 0; i < PAGES; i++)
		check_page(file + i * PAGE, 0x5000 + i);
	require_call(pread(fd, file, PAGES * PAGE, 0) ==
		     (ssize_t)(PAGES * PAGE));
	check_pages(file, PAGES, 0x1000);
	require_call(pread(fd, fresh, PAGES * PAGE, 0) ==
		     (ssize_t)(PAGES * PAGE));
	check_pages(fresh, PAGES, 0x1000);
	protect(raised, PAGES, RW);
	require_call(pread(fd, raised, PAGES * PAGE, 0) ==
		     (ssize_t)(PAGES * PAGE));
	check_pages(raised, PAGES, 0x1000);
	fill_pages(lowered, PAGES, 0x2000);
	protect(lowered, PAGES, PROT_READ);
	check(pread(fd, lowered, PAGE, 0) == -1 && errno == EFAULT,
	      "read into a lowered page");
	check_pages(lowered, PAGES, 0x2000);
	/* Into pages shared with a child, by both sides. */
	child = fork_or_fail();
	require_call(pread(fd, raised, 2 * PAGE, (child ? 4 : 8) * PAGE) ==
		     (ssize_t)(2 * PAGE));
	check_pages(raised, 2, child ? 0x1004 : 0x1008);
	check_pages(raised + 2 * PAGE, PAGES - 2, 0x1002);
	if (!child)
		finish();
	wait_for(child);
	check_pages(raised, 2, 0x1004);
}

/* --- ptrace and process_vm_* --- */

/* A child with pages of several kinds that stops and later looks at them. */
struct traced {
	char *private;		/* shared with the parent until written */
	char *read_only;
	char *shared;
	char *none;
};

static __attribute__((noinline)) int traced_code(void)
{
	int result = 7;

	__asm__ volatile("" : "+r"(result));
	return result;
}

static void traced_child(struct traced *t)
{
	require_call(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	raise(SIGSTOP);
	check_page(t->private, 0x9000);
	check_page(t->private + PAGE, 0x1001);
	check(*(uint64_t *)t->read_only == 0x1234, "poked, read-only");
	check(*(uint64_t *)t->shared == 0x5678, "poked, shared");
	raise(SIGSTOP);
	check(traced_code() == 7, "the breakpoint stayed");
	finish();
}

static void stopped(pid_t child, int sig)
{
	int status;

	require_call(waitpid(child, &status, 0) == child);
	require(WIFSTOPPED(status) && WSTOPSIG(status) == sig,
		"status %#x, expected a stop by %d", status, sig);
}

static void ptrace_memory(void)
{
	struct traced t = {
		map_private(2), map_private(1), map_shared(1), map_private(1),
	};
	uint64_t page[PAGE_WORDS], word;
	struct user_regs_struct regs;
	pid_t child;

	fill_pages(t.private, 2, 0x1000);
	page_fill(t.read_only, 0x2000);
	page_fill(t.none, 0x3000);
	protect(t.read_only, 1, PROT_READ);
	protect(t.none, 1, PROT_NONE);
	child = fork_or_fail();
	if (child == 0)
		traced_child(&t);
	stopped(child, SIGSTOP);

	/* Read every word, write another page, of the child only. */
	for (size_t i = 0; i < PAGE_WORDS; i++)
		page[i] = ptrace(PTRACE_PEEKDATA, child,
				 t.private + i * 8, 0);
	check_page(page, 0x1000);
	page_fill(page, 0x9000);
	for (size_t i = 0; i < PAGE_WORDS; i++)
		require_call(!ptrace(PTRACE_POKEDATA, child,
				     t.private + i * 8, page[i]));
	require_call(!ptrace(PTRACE_POKEDATA, child, t.read_only, 0x1234l));
	require_call(!ptrace(PTRACE_POKEDATA, child, t.shared, 0x5678l));
	word = ptrace(PTRACE_PEEKDATA, child, t.none, 0);
	check(word == tag_code(0x3000), "closed page: %#lx", word);
	check_page(t.private, 0x1000);
	check_page(t.read_only, 0x2000);
	check(*(uint64_t *)t.shared == 0x5678, "shared with the parent");
	require_call(!ptrace(PTRACE_CONT, child, 0, 0));
	stopped(child, SIGSTOP);

	/* A breakpoint in the text, which both share. */
	word = ptrace(PTRACE_PEEKTEXT, child, traced_code, 0);
	require_call(!ptrace(PTRACE_POKETEXT, child, traced_code,
			     (word & ~0xfful) | 0xcc));
	check(traced_code() == 7, "the breakpoint is in the parent");
	require_call(!ptrace(PTRACE_CONT, child, 0, 0));
	stopped(child, SIGTRAP);
	require_call(!ptrace(PTRACE_GETREGS, child, 0, &regs));
	check(regs.rip == (uintptr_t)traced_code + 1, "stopped elsewhere");
	regs.rip = (uintptr_t)traced_code;
	require_call(!ptrace(PTRACE_POKETEXT, child, traced_code, word));
	require_call(!ptrace(PTRACE_SETREGS, child, 0, &regs));
	require_call(!ptrace(PTRACE_CONT, child, 0, 0));
	wait_for(child);
}

/*
 * A process writes its own pages through a file, past its own translations:
 * file pages that it has only read, pages that it shares with a child.
 */
static void own_memory_file(void)
{
	static uint64_t page[PAGE_WORDS];
	int fd = open("/proc/self/mem", O_RDWR);
	char *anonymous = map_private(PAGES);
	char *file = map_at(NULL, PAGES, RW, MAP_PRIVATE,
			    memory_file(PAGES, 0x1000), 0);
	struct line line;
	pid_t child;

	require_call(fd >= 0);
	fill_pages(anonymous, PAGES, 0x2000);
	check_pages(file, PAGES, 0x1000);
	child = fork_with_line(&line);
	if (child == 0) {
		hear(&line);
		check_pages(anonymous, PAGES, 0x2000);
		check_pages(file, PAGES, 0x1000);
		finish();
	}
	for (int i = 0; i < PAGES; i += 2) {
		page_fill(page, 0x3000 + i);
		require_call(pwrite(fd, page, PAGE, (off_t)anonymous +
				    i * PAGE) == (ssize_t)PAGE);
		require_call(pwrite(fd, page, PAGE, (off_t)file + i * PAGE) ==
			     (ssize_t)PAGE);
	}
	for (int i = 0; i < PAGES; i++) {
		check_page(anonymous + i * PAGE, (i % 2 ? 0x2000 : 0x3000) + i);
		check_page(file + i * PAGE, (i % 2 ? 0x1000 : 0x3000) + i);
	}
	tell(&line);
	wait_for(child);
}

static void process_vm(void)
{
	char *p = map_private(PAGES), *own = map_private(PAGES);
	struct iovec local = { own, PAGES * PAGE }, remote = local;
	struct line line;
	pid_t child;

	fill_pages(p, PAGES, 0x1000);
	remote.iov_base = p;
	child = fork_with_line(&line);
	if (child == 0) {
		fill_pages(p, PAGES / 2, 0x2000);
		unmap(p + (PAGES - 1) * PAGE, 1);
		protect(p + (PAGES - 2) * PAGE, 1, PROT_READ);
		tell(&line);
		hear(&line);
		check_pages(p, PAGES - 4, 0x3000);
		check_pages(p + (PAGES - 4) * PAGE, 3, 0x1000 + PAGES - 4);
		finish();
	}
	hear(&line);
	/* Up to the hole, and no further. */
	check(process_vm_readv(child, &local, 1, &remote, 1, 0) ==
	      (ssize_t)((PAGES - 1) * PAGE), "read up to the hole");
	check_pages(own, PAGES / 2, 0x2000);
	check_pages(own + PAGES / 2 * PAGE, PAGES / 2 - 1, 0x1000 + PAGES / 2);
	check_page(own + (PAGES - 1) * PAGE, 0);
	fill_pages(own, PAGES, 0x3000);
	local.iov_len = (PAGES - 4) * PAGE;
	remote.iov_len = local.iov_len;
	check(process_vm_writev(child, &local, 1, &remote, 1, 0) ==
	      (ssize_t)((PAGES - 4) * PAGE), "write");
	remote.iov_base = p + (PAGES - 2) * PAGE;
	check(process_vm_writev(child, &local, 1, &remote, 1, 0) == -1 &&
	      errno == EFAULT, "write to a read-only page");
	tell(&line);
	wait_for(child);
	check_pages(p, PAGES, 0x1000);
}

/* --- futex --- */

static long futex(uint32_t *word, int operation, uint32_t value, long value2,
		  uint32_t *word2, uint32_t value3)
{
	return syscall(SYS_futex, word, operation, value, value2, word2,
		       value3);
}

/* The same word at two addresses in two processes, on fresh pages. */
static void futex_shared(void)
{
	int fd = memory_file(2, 0);
	uint32_t *word = (uint32_t *)map_at(NULL, 2, RW, MAP_SHARED, fd, 0);
	pid_t child = fork_or_fail();

	if (child == 0) {
		word = (uint32_t *)map_at(NULL, 1, RW, MAP_SHARED, fd, 0);
		for (uint32_t i = 0; i < 500; i++) {
			while (__atomic_load_n(word, __ATOMIC_SEQ_CST) != i)
				futex(word, FUTEX_WAIT, i - 1, 0, NULL, 0);
			__atomic_store_n(word + 1, i + 1, __ATOMIC_SEQ_CST);
			futex(word + 1, FUTEX_WAKE, 1, 0, NULL, 0);
		}
		finish();
	}
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t got;

		__atomic_store_n(word, i, __ATOMIC_SEQ_CST);
		futex(word, FUTEX_WAKE, 1, 0, NULL, 0);
		while ((got = __atomic_load_n(word + 1, __ATOMIC_SEQ_CST)) !=
		       i + 1)
			futex(word + 1, FUTEX_WAIT, got, 0, NULL, 0);
	}
	wait_for(child);
}

/* Where the kernel itself changes the word: absent, copied, read-only. */
static void futex_words(void)
{
	uint32_t *fresh = (uint32_t *)map_private(1);
	uint32_t *copied = (uint32_t *)map_private(1);
	uint32_t *ro = (uint32_t *)map_private(1);
	pid_t child;

	*copied = 5;
	*ro = 5;
	protect(ro, 1, PROT_READ);
	/* Adds 3 to the second word, on a page never touched. */
	check(futex(copied, FUTEX_WAKE_OP, 1, 1, fresh,
		    FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)) == 0,
	      "wake_op: %s", strerror(errno));
	check(*fresh == 3, "added to a fresh page: %u", *fresh);
	check(futex(copied, FUTEX_WAKE_OP, 1, 1, ro,
		    FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)) == -1 &&
	      errno == EFAULT, "wake_op on a read-only page");
	child = fork_or_fail();
	check(futex(fresh, FUTEX_WAKE_OP, 1, 1, copied,
		    FUTEX_OP(FUTEX_OP_ADD, child ? 1 : 2, FUTEX_OP_CMP_EQ,
			     0)) == 0, "wake_op: %s", strerror(errno));
	check(*copied == (child ? 6 : 7), "after fork: %u", *copied);
	check(*ro == 5, "read-only word: %u", *ro);
	if (!child)
		finish();
	wait_for(child);
	check(*copied == 6, "the child's sum: %u", *copied);
	check(futex(copied, FUTEX_WAIT, 5, 0, NULL, 0) == -1 &&
	      errno == EAGAIN, "waited on an old value");
}

/* --- userfaultfd --- */

static int fault_fd;

/* Gives page i of the area the tag 0x7000 + i, as it is asked for. */
static void *serve_faults(void *argument)
{
	static char page[PAGE] __attribute__((aligned(4096)));
	struct uffd_msg message;

	for (int i = 0; i < PAGES; i++) {
		struct uffdio_copy copy = { .src = (uintptr_t)page,
					    .len = PAGE };

		require_call(read(fault_fd, &message, sizeof(message)) ==
			     sizeof(message));
		copy.dst = message.arg.pagefault.address & ~(PAGE - 1);
		page_fill(page, 0x7000 + (copy.dst - (uintptr_t)area) / PAGE);
		require_call(ioctl(fault_fd, UFFDIO_COPY, &copy) == 0);
	}
	return argument;
}

static void user_faults(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	uint32_t order[PAGES];
	pthread_t thread;

	area = map_private(PAGES);
	fault_fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	require_call(fault_fd >= 0);
	require_call(ioctl(fault_fd, UFFDIO_API, &api) == 0);
	range.range.start = (uintptr_t)area;
	range.range.len = PAGES * PAGE;
	require_call(ioctl(fault_fd, UFFDIO_REGISTER, &range) == 0);
	require_call(!pthread_create(&thread, NULL, serve_faults, NULL));
	shuffle(order, PAGES);
	for (int i = 0; i < PAGES; i++)
		check_page(area + order[i] * PAGE, 0x7000 + order[i]);
	require_call(!pthread_join(thread, NULL));
	check_pages(area, PAGES, 0x7000);
	fill_pages(area, PAGES, 0x8000);
	check_pages(area, PAGES, 0x8000);
}

static const struct ktap_case cases[] = {
	{ "exec storm", exec_storm, 0 },
	{ "exec chain", exec_chain, 0 },
	{ "fork loop", fork_loop, 0 },
	{ "deep tree", deep_tree, 0 },
	{ "200 processes at once", many_at_once, 0 },
	{ "200 threads", threads, 0 },
	{ "exec with threads", exec_with_threads, 0 },
	{ "signals in faults", signals_in_faults, 0 },
	{ "fault mended by its handler", fault_mended, 0 },
	{ "system calls on bad buffers", bad_buffers, 0 },
	{ "system calls on closed buffers", closed_buffers, 0 },
	{ "system calls on good buffers", good_buffers, 0 },
	{ "ptrace", ptrace_memory, 0 },
	{ "own memory by /proc/self/mem", own_memory_file, 0 },
	{ "process_vm_readv and writev", process_vm, 0 },
	{ "futex between processes", futex_shared, 0 },
	{ "futex words the kernel changes", futex_words, 0 },
	{ "userfaultfd", user_faults, 0 },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--look"))
		return look(argc, argv);
	if (argc > 2 && !strcmp(argv[1], "--chain"))
		return chain(atoi(argv[2]));
	return KTAP_MAIN(cases);
}
