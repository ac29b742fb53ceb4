// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of one process run at once where there are several CPUs: they hand a
 * word to and fro with no call of the kernel. If they took turns, each turn would
 * last until the next tick.
 */
#include "memory.h"

#include <pthread.h>
#include <stdatomic.h>

#define TURNS 2000
#define LIMIT_S 5

static atomic_uint turn;

static void take_turns(unsigned int mine)
{
	for (unsigned int i = mine; i < TURNS; i += 2) {
		while (turn != i)
			barrier();
		turn++;
	}
}

static void *other_thread(void *unused)
{
	take_turns(1);
	return unused;
}

static void threads_run_at_once(void)
{
	pthread_t thread;

	require_call(!pthread_create(&thread, NULL, other_thread, NULL));
	take_turns(0);
	require_call(!pthread_join(thread, NULL));
	finish();
}

static const struct ktap_case cases[] = {
	{ "threads run at once", threads_run_at_once, LIMIT_S },
};

KTAP_TESTS(cases)
