// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is learnt from page faults (arch/um/kernel/skas/fault_runs.c), tested on
 * the host: a model of memory that is touched in some order, in which pages are
 * taken ahead as the detector says. Counted are faults and resident pages.
 */

#include <stdint.h>
#include <string.h>
#include "check.h"
#include "../../arch/um/kernel/skas/fault_runs.c"

#define PAGES 65536L

struct model {
	struct fault_runs runs;
	bool resident[PAGES];
	long faults;
	long touched;
	long extra;
};

static struct model m;

static void reset(void)
{
	memset(&m, 0, sizeof(m));
	fault_runs_init(&m.runs);
}

/* Takes pages as fault_around.c would; returns how many, signed. */
static int take(long page, int wanted)
{
	int step = wanted < 0 ? -1 : 1, taken = 0;

	while (taken != wanted) {
		long next = page + taken + step;

		if (next < 0 || next >= PAGES || m.resident[next])
			break;
		m.resident[next] = true;
		m.extra++;
		taken += step;
	}
	return taken;
}

static void touch(long page)
{
	int taken;

	m.touched++;
	if (m.resident[page])
		return;
	m.resident[page] = true;
	m.faults++;
	taken = take(page, fault_runs_touch(&m.runs, page));
	if (taken)
		fault_runs_take(&m.runs, taken);
}

static uint64_t random_state = 88172645463325252ULL;

static long random_below(long limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

/* Touches a part of all blocks, in random order; returns resident pages. */
static long touch_blocks(long block_pages, int percent)
{
	long blocks = PAGES / block_pages, i, resident = 0;
	static long order[PAGES];

	for (i = 0; i < blocks; i++)
		order[i] = i;
	for (i = blocks - 1; i > 0; i--) {
		long j = random_below(i + 1), other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
	for (i = 0; i < blocks * percent / 100; i++)
		for (long page = 0; page < block_pages; page++)
			touch(order[i] * block_pages + page);
	for (i = 0; i < PAGES; i++)
		resident += m.resident[i];
	return resident;
}

static void upwards_in_few_faults(void)
{
	reset();
	for (long page = 0; page < 4096; page++)
		touch(page);
	/* 4096 / 65, and what it takes to get there */
	CHECK(m.faults < 110);
	CHECK(!m.resident[4096 + AHEAD_MAX]);
}

static void downwards_in_few_faults(void)
{
	reset();
	for (long page = PAGES - 1; page >= PAGES - 4096; page--)
		touch(page);
	CHECK(m.faults < 110);
}

static void three_runs_at_a_time(void)
{
	reset();
	for (long page = 0; page < 4096; page++) {
		touch(page);
		touch(20000 + page);
		touch(60000 - page);
	}
	CHECK(m.faults < 3 * 110);
}

static void a_run_among_random_touches(void)
{
	reset();
	for (long page = 0; page < 4096; page++) {
		touch(page);
		if (page % 16 == 0)
			touch(8192 + random_below(PAGES - 8192));
	}
	/* 256 random ones; the run is found again and again */
	CHECK(m.faults < 256 + 1200);
}

static void the_first_two_pages_take_nothing(void)
{
	reset();
	touch(100);
	touch(101);
	CHECK(m.extra == 0);
	touch(102);
	CHECK(m.extra == 2);
	touch(105);
	CHECK(m.extra == 6);
}

static void random_pages_stay_few(void)
{
	static const int percent[] = { 1, 5, 10, 25, 50, 75 };

	for (unsigned int i = 0; i < sizeof(percent) / sizeof(int); i++) {
		long touched = PAGES * percent[i] / 100;

		reset();
		CHECK(touch_blocks(1, percent[i]) <= touched + touched / 10);
	}
}

/* Looks like a run at first, each time. */
static void short_blocks_stay_few(void)
{
	for (long block = 2; block <= 8; block *= 2) {
		long touched = PAGES / 10;

		reset();
		CHECK(touch_blocks(block, 10) <= touched + touched / 10);
	}
}

/* Most runs are not long: what they waste is worth it up to a point. */
static void runs_of_two_megabytes(void)
{
	long resident = 0;

	reset();
	for (long start = 0; start + 600 <= PAGES; start += 600)
		for (long page = 0; page < 512; page++)
			touch(start + page);
	for (long i = 0; i < PAGES; i++)
		resident += m.resident[i];
	CHECK(m.faults < m.touched / 30);
	CHECK(resident < m.touched + m.touched / 7);
}

/* A long good run does not earn the right to waste much. */
static void trust_is_limited(void)
{
	long before, touched = 0;

	reset();
	for (long page = 0; page < 32768; page++)
		touch(page);
	before = m.extra;
	for (long page = 40000; page < 60000; page += 10, touched += 4)
		for (long i = 0; i < 4; i++)
			touch(page + i);
	before += CREDIT_MAX / CREDIT_PAGE;
	CHECK(m.extra - before <= touched / 10);
}

static void what_was_learnt_is_forgotten(void)
{
	reset();
	for (long page = 0; page < 4096; page++)
		touch(page);
	for (long i = 0; i < 100; i++)
		touch(8192 + 16 * i);
	for (unsigned int i = 0; i < FAULT_RUNS; i++)
		CHECK(m.runs.run[i].ahead == 0);
}

static void touched_again_from_its_start(void)
{
	reset();
	for (long page = 0; page < 1024; page++)
		touch(page);
	memset(m.resident, 0, sizeof(m.resident));
	m.faults = 0;
	for (long page = 0; page < 1024; page++)
		touch(page);
	CHECK(m.faults < 60);
}

static void the_ends_of_the_address_space(void)
{
	struct fault_runs runs;

	fault_runs_init(&runs);
	CHECK(fault_runs_touch(&runs, 0) == 0);
	CHECK(fault_runs_touch(&runs, -1UL >> 12) == 0);
	CHECK(fault_runs_touch(&runs, 1) == 0);
	CHECK(fault_runs_touch(&runs, (-1UL >> 12) - 1) == 0);
	CHECK(fault_runs_touch(&runs, 2) == 2);
	CHECK(fault_runs_touch(&runs, (-1UL >> 12) - 2) == -2);
}

int main(void)
{
	static const struct test tests[] = {
		{ "upwards in few faults", upwards_in_few_faults },
		{ "downwards in few faults", downwards_in_few_faults },
		{ "three runs at a time", three_runs_at_a_time },
		{ "a run among random touches", a_run_among_random_touches },
		{ "the first two pages take nothing",
		  the_first_two_pages_take_nothing },
		{ "random pages stay few", random_pages_stay_few },
		{ "short blocks stay few", short_blocks_stay_few },
		{ "runs of two megabytes", runs_of_two_megabytes },
		{ "trust is limited", trust_is_limited },
		{ "what was learnt is forgotten", what_was_learnt_is_forgotten },
		{ "touched again from its start", touched_again_from_its_start },
		{ "the ends of the address space",
		  the_ends_of_the_address_space },
	};

	return run_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
