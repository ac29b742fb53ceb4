// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of one process run at once where there are several CPUs.
 *
 * They hand a word to and fro. And what each writes is late for the other one, as on
 * any processor with a store buffer (the litmus test "SB"), but for a membarrier() on
 * one side.
 */
#include "memory.h"
#include "threads.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>

#define ROUNDS 20000u
#define LIMIT_S 10

static atomic_uint turn;

static void *other_thread(void *unused)
{
	take_turns(&turn, 1);
	return unused;
}

static void threads_run_at_once(void)
{
	pthread_t thread;

	require_call(!pthread_create(&thread, NULL, other_thread, NULL));
	take_turns(&turn, 0);
	require_call(!pthread_join(thread, NULL));
}

/* A word in a cache line of its own. */
struct word {
	volatile unsigned int is;
	char rest[60];
};

static struct {
	struct word x, y, begun, done, seen;
} litmus;

static int membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/* Writes x and reads y, with no barrier but the compiler's. */
static void *fast_side(void *unused)
{
	run_on_cpu(1);
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		while (litmus.begun.is < round)
			barrier();
		litmus.x.is = round;
		barrier();
		litmus.seen.is = litmus.y.is;
		litmus.done.is = round;
	}
	return unused;
}

/* Returns in how many rounds neither side saw what the other one wrote. */
static unsigned int missed_rounds(bool with_barrier)
{
	unsigned int missed = 0;
	pthread_t thread;

	memset(&litmus, 0, sizeof(litmus));
	require_call(!pthread_create(&thread, NULL, fast_side, NULL));
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		unsigned int seen;

		litmus.begun.is = round;
		/* The other side needs some time to see that. */
		for (volatile unsigned int i = 0; i < round % 64; i++)
			;
		litmus.y.is = round;
		barrier();
		if (with_barrier)
			require_call(!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
		seen = litmus.x.is;
		while (litmus.done.is < round)
			barrier();
		missed += seen != round && litmus.seen.is != round;
	}
	require_call(!pthread_join(thread, NULL));
	return missed;
}

static void membarrier_holds(void)
{
	run_on_cpu(0);
	require_call(!membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
	check(missed_rounds(true) == 0, "a write was missed");
	check(missed_rounds(false) > 0, "nothing is ever missed: no test");
}

static const struct ktap_case cases[] = {
	{ "threads run at once", threads_run_at_once, LIMIT_S },
	{ "membarrier holds", membarrier_holds, 0 },
};

KTAP_TESTS(cases)
