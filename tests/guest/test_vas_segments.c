// SPDX-License-Identifier: GPL-2.0-only
/*
 * What SpaceJMP had and the patches of 2017 dropped: segments whose lock is
 * taken by the switch, and clones of a VAS.
 */
#include "files.h"
#include "vas_test.h"

#include <pthread.h>

struct counter {
	uint64_t first;
	uint64_t second;
};

static struct counter *const the_counter = (void *)WINDOW;

static int locked_vas(const char *name, int sid, int type)
{
	int vid = new_vas(name);

	require_call(vas_seg_attach(vid, sid, type | VAS_SEG_LOCK) == 0);
	return vid;
}

static void count_inside(int vid, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		uint64_t was;

		enter(vid);
		was = the_counter->first;
		check(the_counter->second == was, "somebody else is inside");
		the_counter->first = was + 1;
		if (i % 8 == 0)
			sched_yield();
		barrier();
		the_counter->second = was + 1;
		enter(0);
	}
}

#define WRITERS	4
#define ROUNDS	200

static void writers_take_turns(void)
{
	int sid = new_segment("turns", WINDOW, 1);
	int vid = locked_vas("turns", sid, O_RDWR);
	pid_t child[WRITERS];

	for (int i = 0; i < WRITERS; i++) {
		child[i] = fork_or_fail();
		if (!child[i]) {
			attach_self(vid);
			count_inside(vid, ROUNDS);
			finish();
		}
	}
	for (int i = 0; i < WRITERS; i++)
		wait_for(child[i]);
	attach_self(vid);
	enter(vid);
	check(the_counter->first == WRITERS * ROUNDS, "%lu",
	      the_counter->first);
	drop_with_segment(vid, sid);
}

static pthread_barrier_t meet;

static void *meet_inside(void *vid)
{
	enter((int)(intptr_t)vid);
	pthread_barrier_wait(&meet);
	enter(0);
	return NULL;
}

static void readers_share(void)
{
	int sid = new_segment("share", WINDOW, 1);
	int vid = locked_vas("share", sid, O_RDONLY);
	pthread_t thread[3];

	attach_self(vid);
	pthread_barrier_init(&meet, NULL, 3);
	for (int i = 0; i < 3; i++)
		require_call(!pthread_create(&thread[i], NULL, meet_inside,
					     (void *)(intptr_t)vid));
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	drop_with_segment(vid, sid);
}

/* An owner that ends, execs or is killed gives its locks back. */
static void locks_of_the_dead(void)
{
	int sid = new_segment("dead", WINDOW, 1);
	int vid = locked_vas("dead", sid, O_RDWR);
	pid_t holder, waiter;

	attach_self(vid);
	for (int how = 0; how < 3; how++) {
		holder = fork_or_fail();
		if (!holder) {
			attach_self(vid);
			enter(vid);
			if (how == 0)
				_exit(0);
			if (how == 1)
				execl("/bin/busybox", "busybox", "true",
				      (char *)NULL);
			for (;;)
				pause();
		}
		usleep(100000);
		waiter = fork_or_fail();
		if (!waiter) {
			attach_self(vid);
			enter(vid);
			finish();
		}
		if (how == 2) {
			usleep(100000);
			check(waitpid(waiter, NULL, WNOHANG) == 0,
			      "got in while the lock was held");
			check_errno(vas_seg_detach(vid, sid), EBUSY);
			kill(holder, SIGKILL);
		}
		waitpid(holder, NULL, 0);
		wait_for(waiter);
	}
	drop_with_segment(vid, sid);
}

/* Waiting for a lock can be killed, and leaves nothing behind. */
static void killed_waiter(void)
{
	int sid = new_segment("waiter", WINDOW, 1);
	int vid = locked_vas("waiter", sid, O_RDWR);
	pid_t waiter;

	attach_self(vid);
	enter(vid);
	for (int i = 0; i < 5; i++) {
		waiter = fork_or_fail();
		if (!waiter) {
			attach_self(vid);
			enter(vid);
			finish();
		}
		usleep(50000);
		kill(waiter, SIGKILL);
		waitpid(waiter, NULL, 0);
	}
	enter(0);
	enter(vid);
	drop_with_segment(vid, sid);
}

/* Two segments, two VASes which have both, threads that go back and forth. */
static int pair[2];

static void *back_and_forth(void *first)
{
	for (int i = 0; i < 300; i++) {
		enter(pair[(i + (intptr_t)first) % 2]);
		(*word_at(WINDOW))++;
		(*word_at(WINDOW + PAGE))++;
	}
	enter(0);
	return NULL;
}

static void no_deadlock(void)
{
	int one = new_segment("one", WINDOW, 1);
	int two = new_segment("two", WINDOW + PAGE, 1);
	pthread_t thread[3];

	pair[0] = locked_vas("pair0", one, O_RDWR);
	pair[1] = locked_vas("pair1", two, O_RDWR);
	require_call(!vas_seg_attach(pair[0], two, O_RDWR | VAS_SEG_LOCK));
	require_call(!vas_seg_attach(pair[1], one, O_RDWR | VAS_SEG_LOCK));
	attach_self(pair[0]);
	attach_self(pair[1]);
	for (intptr_t i = 0; i < 3; i++)
		require_call(!pthread_create(&thread[i], NULL, back_and_forth,
					     (void *)i));
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	enter(pair[0]);
	check(*word_at(WINDOW) == 900 && *word_at(WINDOW + PAGE) == 900,
	      "%lu %lu", *word_at(WINDOW), *word_at(WINDOW + PAGE));
	drop_vas(pair[0]);
	drop_with_segment(pair[1], one);
	check_call(vas_seg_delete(two));
}

/* A thread cannot inherit a lock. */
static void *starts_outside(void *unused)
{
	check(active_vas() == 0, "it started in %d", active_vas());
	return unused;
}

static void new_thread_has_no_lock(void)
{
	int sid = new_segment("nolock", WINDOW, 1);
	int vid = locked_vas("nolock", sid, O_RDWR);
	pthread_t thread;

	attach_self(vid);
	enter(vid);
	require_call(!pthread_create(&thread, NULL, starts_outside, NULL));
	pthread_join(thread, NULL);
	check(active_vas() == vid, "moved");
	drop_with_segment(vid, sid);
}

static void clone_copies_and_shares(void)
{
	int sid, vid = vas_with_segment("cloned", &sid), copy;

	attach_self(vid);
	enter(vid);
	map_here(HEAP, 64);
	map_here(HEAP + 128 * PAGE, 4);
	for (unsigned long i = 0; i < 64; i += 3)
		page_fill(at(HEAP + i * PAGE), 100 + i);
	page_fill(at(HEAP + 130 * PAGE), 7);
	page_fill(at(WINDOW), 1);

	check_errno(vas_clone(-1, "copy", 0600), EINVAL);
	check_errno(vas_clone(vid, "", 0600), EINVAL);
	check_errno(vas_clone(vid, NULL, 0600), EFAULT);
	copy = vas_clone(vid, "copy", 0600);
	require_call(copy > 0);
	check_errno(vas_clone(vid, "copy", 0600), EEXIST);
	attach_self(copy);
	page_fill(at(HEAP), 200);
	page_fill(at(WINDOW), 2);

	enter(copy);
	for (unsigned long i = 0; i < 64; i++)
		check(page_is(at(HEAP + i * PAGE), i % 3 ? 0 : 100 + i),
		      "page %lu of the copy", i);
	check(page_is(at(HEAP + 130 * PAGE), 7), "another region of the copy");
	check(!can_read(at(HEAP + 64 * PAGE)), "more than there was");
	check(page_is(at(WINDOW), 2), "the segment is not shared");
	page_fill(at(HEAP), 300);
	enter(vid);
	check(page_is(at(HEAP), 200), "the copy is not a copy");
	check_errno(vas_seg_delete(sid), EBUSY);
	drop_vas(vid);
	check_errno(vas_seg_delete(sid), EBUSY);
	enter(copy);
	check(page_is(at(HEAP), 300), "the copy went with the original");
	drop_with_segment(copy, sid);
}

static void clone_permissions(void)
{
	int sid, vid = vas_with_segment("nocopy", &sid);
	struct vas_attr attr = { .mode = 0604 };
	pid_t child = fork_or_fail();

	if (!child) {
		become_user(4711);
		check_errno(vas_clone(vid, "stolen", 0600), EACCES);
		finish();
	}
	wait_for(child);
	check_call(vas_setattr(vid, &attr));
	child = fork_or_fail();
	if (!child) {
		become_user(4711);
		/* The VAS may be read, but its segment not be used. */
		check_errno(vas_clone(vid, "stolen", 0600), EACCES);
		check_errno(vas_find("stolen"), ESRCH);
		finish();
	}
	wait_for(child);
	check_call(vas_seg_detach(vid, sid));
	require_call(vas_seg_attach(vid, sid, O_RDWR | O_EXCL) == 0);
	check_errno(vas_clone(vid, "second", 0600), EBUSY);
	check_call(vas_seg_detach(vid, sid));
	write_text("/proc/sys/vas/max_objects_per_user", "2");
	check_errno(vas_clone(vid, "second", 0600), ENOSPC);
	check_errno(vas_find("second"), ESRCH);
	write_text("/proc/sys/vas/max_objects_per_user", "4096");
	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
}

static const struct ktap_case cases[] = {
	{ "writers take turns", writers_take_turns, 0 },
	{ "readers share", readers_share, 0 },
	{ "locks of the dead", locks_of_the_dead, 0 },
	{ "killed waiter", killed_waiter, 0 },
	{ "no deadlock", no_deadlock, 0 },
	{ "a new thread has no lock", new_thread_has_no_lock, 0 },
	{ "clone copies and shares", clone_copies_and_shares, 0 },
	{ "permissions of clone", clone_permissions, 0 },
};

KTAP_TESTS(cases)
