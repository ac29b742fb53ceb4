// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads inside of address spaces run at once where there are several CPUs, and
 * what one of them changes in a space reaches those that are inside of it before
 * the call returns.
 */
#include "vas_test.h"
#include "threads.h"

#define ROUNDS 100u
#define LIMIT_S 10

/* A word in memory of all spaces, and where the second thread is to be. */
static atomic_uint common_turn;
static int second_vid;

static void *second_in_its_space(void *turn)
{
	enter(second_vid);
	take_turns(turn, 1);
	return NULL;
}

/* This thread is inside already. */
static void run_at_once(int vid, atomic_uint *turn)
{
	pthread_t thread;

	second_vid = vid;
	*turn = 0;
	require_call(!pthread_create(&thread, NULL, second_in_its_space, turn));
	take_turns(turn, 0);
	require_call(!pthread_join(thread, NULL));
}

static void in_one_vas(void)
{
	int vid = new_vas("one");

	attach_self(vid);
	enter(vid);
	map_here(WINDOW, 1);
	run_at_once(vid, at(WINDOW));
	drop_vas(vid);
}

static void in_different_vases(void)
{
	int one = new_vas("a"), other = new_vas("b");

	attach_self(one);
	attach_self(other);
	enter(one);
	run_at_once(other, &common_turn);
	drop_vas(one);
	drop_vas(other);
}

/*
 * The second thread, on another CPU, is asked to look at a place and tells what
 * it found.
 */
static struct {
	atomic_uint asked, answered;
	volatile uint64_t *where;
	enum probe writable;
	uint64_t is;
} look;

static void *looker(void *vid)
{
	run_on_cpu(1);
	enter((int)(intptr_t)vid);
	probe_init();
	for (unsigned int round = 1; round <= 4 * ROUNDS; round++) {
		while (look.asked < round)
			barrier();
		look.writable = probe_write(look.where);
		look.is = probe_read(look.where) == PROBE_OK ? *look.where : 0;
		look.answered = round;
	}
	return NULL;
}

static void ask(volatile uint64_t *where, enum probe writable, uint64_t is)
{
	unsigned int round = look.asked + 1;

	look.where = where;
	look.asked = round;
	while (look.answered < round)
		barrier();
	check(look.writable == writable && look.is == is,
	      "round %u: %s, %lu instead of %s, %lu", round,
	      probe_name(look.writable), look.is, probe_name(writable), is);
}

/*
 * Pages come, change and go under a thread that has just used them, while a third
 * one is at the same addresses of another space.
 */
static volatile bool stop;

static void *neighbour(void *vid)
{
	enter((int)(intptr_t)vid);
	map_here(HEAP, 1);
	*word_at(HEAP) = ~0ul;
	while (!stop)
		check(*word_at(HEAP) == ~0ul, "another space's page");
	return NULL;
}

static void changes_reach_all_threads(void)
{
	int vid = new_vas("changes"), other = new_vas("neighbour");
	pthread_t thread[2];

	attach_self(vid);
	attach_self(other);
	run_on_cpu(0);
	enter(vid);
	require_call(!pthread_create(&thread[0], NULL, looker,
				     (void *)(intptr_t)vid));
	require_call(!pthread_create(&thread[1], NULL, neighbour,
				     (void *)(intptr_t)other));
	for (unsigned long round = 1; round <= ROUNDS; round++) {
		volatile uint64_t *place = word_at(HEAP + round % 4 * PAGE);

		map_here((unsigned long)place, 1);
		*place = round;
		ask(place, PROBE_OK, round);
		check_call(mprotect((void *)place, PAGE, PROT_READ));
		ask(place, PROBE_ACCERR, round);
		check_call(munmap((void *)place, PAGE));
		ask(place, PROBE_MAPERR, 0);
		/* as much again, which is not what was there */
		map_here((unsigned long)place, 1);
		ask(place, PROBE_OK, 0);
		check_call(munmap((void *)place, PAGE));
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		require_call(!pthread_join(thread[i], NULL));
	drop_vas(vid);
	drop_vas(other);
}

static const struct ktap_case cases[] = {
	{ "in one VAS", in_one_vas, LIMIT_S },
	{ "in different VASes", in_different_vases, LIMIT_S },
	{ "changes reach all threads", changes_reach_all_threads, 0 },
};

KTAP_TESTS(cases)
