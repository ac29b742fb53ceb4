// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads across address spaces: who is where, how they wait for each other,
 * and many of them at once.
 */
#include "vas_test.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

static volatile bool stop;

/* Each thread is where it wants to be, and finds its own numbers there. */
struct worker {
	int vid[4];
	int me;
	unsigned long rounds;
};

static void *switch_all_the_time(void *argument)
{
	struct worker *w = argument;
	uint64_t last[4] = {};

	for (w->rounds = 0; !stop; w->rounds++) {
		int i = (w->rounds + w->me) % 4;
		volatile uint64_t *word;

		enter(w->vid[i]);
		word = word_at(WINDOW + w->me * PAGE + i * 8);
		check(*word == last[i], "thread %d in %d: %lu, not %lu", w->me,
		      i, *word, last[i]);
		*word = ++last[i];
		check(active_vas() == w->vid[i], "moved elsewhere");
	}
	enter(0);
	return NULL;
}

static void threads_switch_on_their_own(void)
{
	pthread_t thread[4];
	struct worker worker[4];
	int vid[4], sid[4];
	char name[8];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "own%d", i);
		vid[i] = vas_with_segment(name, &sid[i]);
		attach_self(vid[i]);
	}
	for (int i = 0; i < 4; i++) {
		worker[i].me = i;
		memcpy(worker[i].vid, vid, sizeof(vid));
		require_call(!pthread_create(&thread[i], NULL,
					     switch_all_the_time, &worker[i]));
	}
	sleep(2);
	stop = true;
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		check(worker[i].rounds > 10, "%lu rounds", worker[i].rounds);
	}
	for (int i = 0; i < 4; i++)
		drop_with_segment(vid[i], sid[i]);
}

static int inherited;

static void *where_am_i(void *expected)
{
	inherited = active_vas();
	check(*word_at(WINDOW) == (uintptr_t)expected, "not inside");
	return NULL;
}

static void a_new_thread_starts_inside(void)
{
	int sid, vid = vas_with_segment("starts", &sid);
	pthread_t thread;

	attach_self(vid);
	enter(vid);
	*word_at(WINDOW) = 42;
	require_call(!pthread_create(&thread, NULL, where_am_i, (void *)42));
	pthread_join(thread, NULL);
	check(inherited == vid, "it started in %d", inherited);
	drop_with_segment(vid, sid);
}

static pthread_barrier_t meet;

static void *stay_inside(void *vid)
{
	enter((int)(intptr_t)vid);
	pthread_barrier_wait(&meet);
	pthread_barrier_wait(&meet);
	check(can_write(at(WINDOW)), "the VAS went away");
	return NULL;
}

/* Flaw 6: a detach by one thread freed what another was standing in. */
static void no_detach_under_a_thread(void)
{
	int sid, vid = vas_with_segment("under", &sid);
	pthread_t thread;

	pthread_barrier_init(&meet, NULL, 2);
	attach_self(vid);
	require_call(!pthread_create(&thread, NULL, stay_inside,
				     (void *)(intptr_t)vid));
	pthread_barrier_wait(&meet);
	check_errno(vas_detach(0, vid), EBUSY);
	check_errno(vas_delete(vid), EBUSY);
	pthread_barrier_wait(&meet);
	pthread_join(thread, NULL);
	check_call(vas_detach(0, vid));
	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
}

static int futex(volatile void *word, int op, int value)
{
	struct timespec limit = { .tv_sec = 20 };

	return syscall(SYS_futex, word, op, value, &limit, NULL, 0);
}

static int futex_op;

static void *wake_it(void *vid)
{
	enter((int)(intptr_t)vid);
	usleep(100000);
	*(volatile int *)WINDOW = 1;
	check(futex(at(WINDOW), FUTEX_WAKE | futex_op, 1) == 1, "nobody woke");
	return NULL;
}

static void futexes(void)
{
	int sid, vid = vas_with_segment("futex", &sid), other = new_vas("fx2");
	pthread_t thread;
	pid_t child;

	require_call(vas_seg_attach(other, sid, O_RDWR) == 0);
	attach_self(vid);
	attach_self(other);
	enter(vid);
	for (int i = 0; i < 2; i++) {
		futex_op = i ? FUTEX_PRIVATE_FLAG : 0;
		*(volatile int *)WINDOW = 0;
		require_call(!pthread_create(&thread, NULL, wake_it,
					     (void *)(intptr_t)vid));
		check(futex(at(WINDOW), FUTEX_WAIT | futex_op, 0) == 0 ||
		      errno == EAGAIN, "wait: %s", strerror(errno));
		pthread_join(thread, NULL);
	}
	/* A shared futex is one in all spaces that have the segment. */
	futex_op = 0;
	*(volatile int *)WINDOW = 0;
	require_call(!pthread_create(&thread, NULL, wake_it,
				     (void *)(intptr_t)other));
	check(futex(at(WINDOW), FUTEX_WAIT, 0) == 0, "wait: %s",
	      strerror(errno));
	pthread_join(thread, NULL);

	/* And in all processes. */
	*(volatile int *)WINDOW = 0;
	child = fork_or_fail();
	if (!child) {
		attach_self(other);
		wake_it((void *)(intptr_t)other);
		finish();
	}
	check(futex(at(WINDOW), FUTEX_WAIT, 0) == 0, "wait: %s",
	      strerror(errno));
	wait_for(child);
	drop_vas(vid);
	drop_with_segment(other, sid);
}

static int elsewhere;

static void *wake_elsewhere_first(void *vid)
{
	usleep(100000);
	enter(elsewhere);
	check(futex(at(WINDOW), FUTEX_WAKE | futex_op, 10) == 0,
	      "a thread in another VAS woke");
	enter(0);
	check(futex(at(WINDOW), FUTEX_WAKE | futex_op, 10) <= 0,
	      "a thread in a VAS woke");
	enter((int)(intptr_t)vid);
	check(futex(at(WINDOW), FUTEX_WAKE | futex_op, 10) == 1, "nobody woke");
	return NULL;
}

/* The same address, with other memory behind it. */
static void futexes_of_different_vases(void)
{
	int vid = new_vas("here");
	pthread_t thread;

	elsewhere = new_vas("elsewhere");
	attach_self(vid);
	attach_self(elsewhere);
	enter(elsewhere);
	map_here(WINDOW, 1);
	enter(vid);
	map_here(WINDOW, 1);
	for (int i = 0; i < 2; i++) {
		futex_op = i ? FUTEX_PRIVATE_FLAG : 0;
		enter(0);
		require_call(!pthread_create(&thread, NULL, wake_elsewhere_first,
					     (void *)(intptr_t)vid));
		enter(vid);
		check(futex(at(WINDOW), FUTEX_WAIT | futex_op, 0) == 0,
		      "wait: %s", strerror(errno));
		pthread_join(thread, NULL);
	}
	drop_vas(vid);
	drop_vas(elsewhere);
}

/* A mutex at the start of the window; what is in it is gone. */
static pthread_mutex_t *mutex_inside(bool inherit, bool robust)
{
	pthread_mutex_t *mutex = at(WINDOW);
	pthread_mutexattr_t attr;

	memset(mutex, 0, sizeof(*mutex));
	require_call(!pthread_mutexattr_init(&attr));
	require_call(!pthread_mutexattr_setpshared(&attr,
						   PTHREAD_PROCESS_SHARED));
	if (inherit)
		require_call(!pthread_mutexattr_setprotocol(&attr,
							    PTHREAD_PRIO_INHERIT));
	if (robust)
		require_call(!pthread_mutexattr_setrobust(&attr,
							  PTHREAD_MUTEX_ROBUST));
	require_call(!pthread_mutex_init(mutex, &attr));
	return mutex;
}

/* A robust mutex in the VAS whose owner dies inside, while somebody waits. */
static void robust_mutexes(void)
{
	int sid, vid = vas_with_segment("robust", &sid);
	pthread_mutex_t *mutex;
	volatile int *locked = at(WINDOW + PAGE);
	pid_t child;

	attach_self(vid);
	enter(vid);
	for (int inherit = 0; inherit < 2; inherit++) {
		mutex = mutex_inside(inherit, true);
		*locked = 0;
		child = fork_or_fail();
		if (!child) {
			attach_self(vid);
			enter(vid);
			pthread_mutex_lock(mutex);
			*locked = 1;
			usleep(200000);
			_exit(0);
		}
		while (!*locked)
			usleep(1000);
		check(pthread_mutex_lock(mutex) == EOWNERDEAD,
		      "not told of the death");
		check(!pthread_mutex_consistent(mutex) &&
		      !pthread_mutex_unlock(mutex), "not usable again");
		wait_for(child);
	}
	drop_with_segment(vid, sid);
}

/* The kernel hands a mutex with priority inheritance over. */
static void *count_up(void *vid)
{
	volatile uint64_t *count = word_at(WINDOW + PAGE);
	pthread_mutex_t *mutex = at(WINDOW);

	enter((int)(intptr_t)vid);
	for (int i = 0; i < 100; i++) {
		uint64_t old;

		check(!pthread_mutex_lock(mutex), "lock");
		old = *count;
		usleep(i % 10 ? 0 : 100);
		*count = old + 1;
		check(!pthread_mutex_unlock(mutex), "unlock");
	}
	return NULL;
}

static void priority_inheritance(void)
{
	int sid, vid = vas_with_segment("inherit", &sid);
	pthread_t thread[2];
	pid_t child;

	attach_self(vid);
	enter(vid);
	mutex_inside(true, false);
	child = fork_or_fail();
	if (!child) {
		attach_self(vid);
		count_up((void *)(intptr_t)vid);
		finish();
	}
	for (int i = 0; i < 2; i++)
		require_call(!pthread_create(&thread[i], NULL, count_up,
					     (void *)(intptr_t)vid));
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	wait_for(child);
	check(*word_at(WINDOW + PAGE) == 300, "%lu", *word_at(WINDOW + PAGE));
	drop_with_segment(vid, sid);
}

/* The case that the RFC could not solve: two threads, two VASes, one heap. */
struct grower {
	int vid;
	unsigned long base;
};

static void *grow_heap(void *argument)
{
	struct grower *g = argument;
	char *block[200];

	enter(g->vid);
	for (int i = 0; i < 200; i++) {
		block[i] = malloc(40000);
		require_call(block[i]);
		memset(block[i], i, 40000);
		map_here(g->base + i * PAGE, 1);
		*word_at(g->base + i * PAGE) = i;
		if (i % 10 == 0) {
			enter(0);
			enter(g->vid);
		}
	}
	for (int i = 0; i < 200; i++) {
		check(block[i][39999] == (char)i, "heap: %d", i);
		check(*word_at(g->base + i * PAGE) == (uint64_t)i, "%d", i);
		free(block[i]);
	}
	enter(0);
	return NULL;
}

static void two_threads_grow_the_heap(void)
{
	struct grower grower[3] = { { new_vas("grow0"), HEAP },
				    { new_vas("grow1"), HEAP }, { 0, 0 } };
	pthread_t thread[3];

	grower[2] = (struct grower) { grower[0].vid, HEAP + 0x1000000 };
	attach_self(grower[0].vid);
	attach_self(grower[1].vid);
	for (int i = 0; i < 3; i++)
		require_call(!pthread_create(&thread[i], NULL, grow_heap,
					     &grower[i]));
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	drop_vas(grower[0].vid);
	drop_vas(grower[1].vid);
}

/*
 * Everything at once: attach, detach, delete, switch, map and unmap by threads
 * and processes that know nothing of each other. Any errno may come; the kernel
 * must not hang, crash or leak.
 */
static void *disturb(void *argument)
{
	static const char *const names[] = { "d0", "d1", "d2" };
	unsigned int seed = (uintptr_t)argument;

	for (int i = 0; !stop && i < 100000; i++) {
		unsigned int r = rand_r(&seed);
		int vid = vas_find(names[r % 3]);
		unsigned long addr = HEAP + (r >> 8) % 16 * PAGE;

		if (vid < 0)
			vid = 1 << 20;
		switch ((r >> 4) % 10) {
		case 0:
			vas_create(names[r % 3], 0600);
			break;
		case 1:
			vas_delete(vid);
			break;
		case 2:
		case 3:
			vas_attach(0, vid, O_RDWR);
			break;
		case 4:
			vas_detach(0, vid);
			break;
		case 5:
		case 6:
			if (vas_switch(vid) == 0 && active_vas())
				mmap(at(addr), PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				     0);
			break;
		case 7:
			if (active_vas())
				munmap(at(addr), PAGE);
			break;
		case 8:
			vas_switch(0);
			break;
		case 9:
			/* Through the kernel: EFAULT instead of a signal */
			if (active_vas())
				syscall(SYS_getrandom, addr, 8, 0);
			break;
		}
	}
	vas_switch(0);
	return NULL;
}

static void on_alarm(int sig)
{
	(void)sig;
	stop = true;
}

static void everything_at_once(void)
{
	pid_t child[3];

	for (int c = 0; c < 3; c++) {
		child[c] = fork_or_fail();
		if (!child[c]) {
			pthread_t thread[3];

			signal(SIGALRM, on_alarm);
			alarm(4);
			for (uintptr_t t = 0; t < 3; t++)
				pthread_create(&thread[t], NULL, disturb,
					       (void *)(c * 10 + t + 1));
			for (int t = 0; t < 3; t++)
				pthread_join(thread[t], NULL);
			finish();
		}
	}
	usleep(2500000);
	kill(child[2], SIGKILL);
	waitpid(child[2], NULL, 0);
	wait_for(child[0]);
	wait_for(child[1]);
	for (int i = 0; i < 3; i++) {
		char name[3] = { 'd', '0' + i };
		int vid = vas_find(name);

		if (vid > 0)
			check_call(vas_delete(vid));
	}
}

static void *map_and_unmap(void *argument)
{
	const size_t size = 4ul << 20;

	for (int i = 0; i < 300; i++) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		require_call(p != MAP_FAILED);
		for (size_t at = 0; at < size; at += size / 2)
			p[at] = i;
		check(p[size / 2] == (char)i, "changed");
		require_call(munmap(p, size) == 0);
	}
	return argument;
}

/*
 * The kernel then takes everything for changed and all tables for freed. What
 * is unmapped must not go beyond what a process can use, where the host process
 * has its own code.
 */
static void threads_unmap_at_once(void)
{
	pthread_t thread[16];

	for (int i = 0; i < 16; i++)
		require_call(!pthread_create(&thread[i], NULL, map_and_unmap,
					     NULL));
	for (int i = 0; i < 16; i++)
		pthread_join(thread[i], NULL);
}

static const struct ktap_case cases[] = {
	{ "threads switch on their own", threads_switch_on_their_own, 0 },
	{ "a new thread starts inside", a_new_thread_starts_inside, 0 },
	{ "no detach under a thread", no_detach_under_a_thread, 0 },
	{ "futexes", futexes, 0 },
	{ "futexes of different VASes", futexes_of_different_vases, 0 },
	{ "robust mutexes", robust_mutexes, 0 },
	{ "priority inheritance", priority_inheritance, 0 },
	{ "two threads grow the heap", two_threads_grow_the_heap, 0 },
	{ "everything at once", everything_at_once, 0 },
	{ "threads unmap at once", threads_unmap_at_once, 0 },
};

KTAP_TESTS(cases)
