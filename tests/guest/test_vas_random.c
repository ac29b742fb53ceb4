// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random work by threads and processes in several address spaces, against a
 * model of what each page must hold.
 *
 * Each thread owns a stripe of every VAS and of the process's own memory, and
 * knows what is in it; the stripes lie side by side, so that mappings merge and
 * split across owners. Now and then a thread forks: the child looks at its
 * parent's stripes of the process memory, which must not change under it, and
 * attaches a VAS and looks at that.
 *
 *	test_vas_random [SECONDS [SEED]]
 */
#include "vas_test.h"

#include <pthread.h>
#include <sched.h>

#define VASES	4
#define SPACES	(VASES + 1)	/* the last one is process memory */
#define COMMON	VASES
#define THREADS	3
#define STRIPE	24
#define BASE	(WINDOW + 0x7fff0000ul)
#define CHECKED	8

struct page {
	bool mapped;
	bool read_only;
	uint32_t tag;
};

struct worker {
	int me;
	uint64_t random;
	int in;			/* which VAS, or COMMON for outside */
	uint32_t next_tag;
	unsigned long steps;
	struct page page[SPACES][STRIPE];
};

static int vid[VASES];
static char *common;	/* mapped as the steps go */
static unsigned int run_seconds = 6;
static unsigned long the_seed;
static volatile bool stop;

/* --- what an access does; each thread for itself --- */

static __thread sigjmp_buf jump;

static void on_fault(int sig)
{
	siglongjmp(jump, sig);
}

static __attribute__((noinline)) bool touch(volatile uint64_t *p, bool write)
{
	if (sigsetjmp(jump, 0))
		return false;
	if (write)
		__asm__ volatile("lock orq $0, %0" : "+m"(*p) : : "memory");
	else
		(void)*p;
	return true;
}

static uint32_t pick(struct worker *w, uint32_t below)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return ((w->random * 0x2545f4914f6cdd1dull) >> 32) % below;
}

static char *address(const struct worker *w, int space, int page)
{
	char *base = space == COMMON ? common : at(BASE);

	return base + (w->me * STRIPE + page) * PAGE;
}

static void check_one(struct worker *w, int space, int page)
{
	volatile uint64_t *p = (volatile uint64_t *)address(w, space, page);
	struct page *model = &w->page[space][page];
	bool readable = touch(p, false);

	if (!check(readable == model->mapped,
		   "seed %lu, thread %d, step %lu: space %d page %d is %smapped",
		   the_seed, w->me, w->steps, space, page,
		   readable ? "" : "not ") || !readable)
		return;
	check(page_tag((void *)p) == model->tag,
	      "seed %lu, thread %d, step %lu: space %d page %d holds %x, not %x",
	      the_seed, w->me, w->steps, space, page, page_tag((void *)p),
	      model->tag);
	check(touch(p, true) == !model->read_only,
	      "seed %lu, thread %d, step %lu: space %d page %d: write",
	      the_seed, w->me, w->steps, space, page);
}

static void check_some(struct worker *w, int space)
{
	for (int i = 0; i < CHECKED; i++)
		check_one(w, space, pick(w, STRIPE));
}

/* --- the steps --- */

/* Where a step works: where the thread is, or in the process's own memory. */
static int choose_space(struct worker *w)
{
	return pick(w, 3) ? w->in : COMMON;
}

static void do_map(struct worker *w, int space, int page, int count)
{
	void *p = address(w, space, page);

	require_call(mmap(p, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			  MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	for (int i = page; i < page + count; i++)
		w->page[space][i] = (struct page) { .mapped = true };
}

static void do_unmap(struct worker *w, int space, int page, int count)
{
	require_call(!munmap(address(w, space, page), count * PAGE));
	memset(&w->page[space][page], 0, count * sizeof(struct page));
}

static void do_fill(struct worker *w, int space, int page, int count)
{
	for (int i = page; i < page + count; i++) {
		struct page *model = &w->page[space][i];

		if (!model->mapped || model->read_only)
			continue;
		model->tag = ++w->next_tag << 2 | w->me;
		page_fill(address(w, space, i), model->tag);
	}
}

static void do_protect(struct worker *w, int space, int page, int count)
{
	bool read_only = pick(w, 2);

	for (int i = page; i < page + count; i++) {
		if (!w->page[space][i].mapped)
			continue;
		require_call(!mprotect(address(w, space, i), PAGE, PROT_READ |
				       (read_only ? 0 : PROT_WRITE)));
		w->page[space][i].read_only = read_only;
	}
}

static void do_advise(struct worker *w, int space, int page, int count)
{
	/* Drops translations; shared memory keeps what it holds. */
	for (int i = page; i < page + count; i++)
		if (w->page[space][i].mapped)
			require_call(!madvise(address(w, space, i), PAGE,
					      space == COMMON ? MADV_NORMAL
							      : MADV_DONTNEED));
}

static void do_switch(struct worker *w)
{
	w->in = pick(w, SPACES);
	enter(w->in == COMMON ? 0 : vid[w->in]);
}

/* In the child: what the parent's thread had, and one of the VASes. */
static void look_around(struct worker *w)
{
	int space = pick(w, VASES);

	check(active_vas() == 0, "a child starts inside");
	for (int i = 0; i < STRIPE; i++) {
		check_one(w, COMMON, i);
		if (i % 3 == 0)
			do_fill(w, COMMON, i, 1);
	}
	attach_self(vid[space]);
	enter(vid[space]);
	/* An mprotect() was the parent's own affair. */
	for (int i = 0; i < STRIPE; i++)
		w->page[space][i].read_only = false;
	for (int i = 0; i < STRIPE; i++)
		check_one(w, space, i);
	for (int i = 0; i < STRIPE; i++)
		check_one(w, COMMON, i);
	if (pick(w, 2))
		execl("/bin/busybox", "busybox", ktap_failures ? "false" :
		      "true", (char *)NULL);
	finish();
}

static void do_fork(struct worker *w)
{
	pid_t child = fork_or_fail();

	if (!child)
		look_around(w);
	wait_for(child);
}

static void one_step(struct worker *w)
{
	int page = pick(w, STRIPE), count = 1 + pick(w, 4);
	int space = choose_space(w);

	if (count > STRIPE - page)
		count = STRIPE - page;
	switch (pick(w, 16)) {
	case 0:
	case 1:
		do_map(w, space, page, count);
		break;
	case 2:
		do_unmap(w, space, page, count);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		do_fill(w, space, page, count);
		break;
	case 7:
		do_protect(w, space, page, count);
		break;
	case 8:
		do_advise(w, space, page, count);
		break;
	case 9:
	case 10:
	case 11:
		do_switch(w);
		break;
	case 12:
		if (!pick(w, 12))
			do_fork(w);
		break;
	default:
		check_some(w, space);
	}
}

static void *work(void *argument)
{
	struct worker *w = argument;

	for (w->steps = 0; !stop && !ktap_failures; w->steps++)
		one_step(w);
	for (int space = 0; space < SPACES; space++) {
		enter(space == COMMON ? 0 : vid[space]);
		for (int i = 0; i < STRIPE; i++)
			check_one(w, space, i);
	}
	enter(0);
	return NULL;
}

static void random_work(void)
{
	static struct worker worker[THREADS];
	struct sigaction action = { .sa_handler = on_fault,
				    .sa_flags = SA_NODEFER };
	pthread_t thread[THREADS];
	unsigned long steps = 0;
	char name[8];

	ktap_note("seed %lu\n", the_seed);
	require_call(!sigaction(SIGSEGV, &action, NULL));
	/* Far from what else the process maps */
	common = at(0x500000000000ul);
	for (int i = 0; i < VASES; i++) {
		snprintf(name, sizeof(name), "rnd%d", i);
		vid[i] = new_vas(name);
		attach_self(vid[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		worker[i].me = i;
		worker[i].in = COMMON;
		worker[i].random = (the_seed * THREADS + i + 1) *
				   0x9e3779b97f4a7c15ull | 1;
		require_call(!pthread_create(&thread[i], NULL, work,
					     &worker[i]));
	}
	sleep(run_seconds);
	stop = true;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		steps += worker[i].steps;
	}
	ktap_note("%lu steps\n", steps);
	check(steps > 100, "hardly any work was done");
	for (int i = 0; i < VASES; i++)
		drop_vas(vid[i]);
}

int main(int argc, char **argv)
{
	static struct ktap_case cases[] = {
		{ "random work", random_work, 0 },
	};

	if (argc > 1)
		run_seconds = strtoul(argv[1], NULL, 10);
	the_seed = time(NULL);
	if (argc > 2)
		the_seed = strtoul(argv[2], NULL, 10);
	cases[0].limit_s = run_seconds + KTAP_LIMIT_S;
	return KTAP_MAIN(cases);
}
