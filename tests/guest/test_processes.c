// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces that come and go.
 *
 * Exec storms, fork loops, deep trees, many processes and threads at once: a
 * host process is made, used and ended for each, and nothing of an old one may
 * be seen in a new one.
 *
 * As "--look TAG" or "--chain COUNT" the program is the one that is executed:
 * its zeroed data and a fresh mapping must be empty, then it ends with a status
 * made of TAG, or executes itself COUNT times more.
 */
#include "memory.h"

#include <pthread.h>

#define PAGES 32

static char zeroed[8 * PAGE] __attribute__((aligned(4096)));

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
	execl("/proc/self/exe", "test_processes", mode, text, NULL);
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

static const struct ktap_case cases[] = {
	{ "exec storm", exec_storm, 0 },
	{ "exec chain", exec_chain, 0 },
	{ "fork loop", fork_loop, 0 },
	{ "deep tree", deep_tree, 0 },
	{ "200 processes at once", many_at_once, 0 },
	{ "200 threads", threads, 0 },
	{ "exec with threads", exec_with_threads, 0 },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--look"))
		return look(argc, argv);
	if (argc > 2 && !strcmp(argv[1], "--chain"))
		return chain(atoi(argv[2]));
	return KTAP_MAIN(cases);
}
