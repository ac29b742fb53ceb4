// SPDX-License-Identifier: GPL-2.0-only
/*
 * The set of changed ranges (arch/um/kernel/skas/ranges.c), tested on the host:
 * merging, the fall-back when the set is full, and, with random input, that
 * nothing that was added is ever missing.
 */

#include <string.h>
#include "check.h"
#include "../../arch/um/kernel/skas/ranges.c"

#define P 0x1000UL
#define FAR (4 * TLB_RANGES_CLOSE)

static bool is(const struct tlb_ranges *set, unsigned int i,
	       unsigned long start, unsigned long end)
{
	return i < set->nr && set->range[i].start == start &&
	       set->range[i].end == end;
}

/* Disjoint, ascending, and farther apart than what would be merged. */
static bool well_formed(const struct tlb_ranges *set)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		if (set->range[i].start >= set->range[i].end)
			return false;
		if (i && set->range[i].start <=
			 set->range[i - 1].end + TLB_RANGES_CLOSE)
			return false;
	}
	return set->nr <= TLB_RANGES_MAX;
}

static void sequential_pages_are_one_range(void)
{
	struct tlb_ranges set = {};
	unsigned long i;

	for (i = 0; i < 1000; i++)
		tlb_ranges_add(&set, i * P, (i + 1) * P, false);
	CHECK(set.nr == 1 && is(&set, 0, 0, 1000 * P));

	memset(&set, 0, sizeof(set));
	for (i = 1000; i > 0; i--)
		tlb_ranges_add(&set, (i - 1) * P, i * P, false);
	CHECK(set.nr == 1 && is(&set, 0, 0, 1000 * P));
}

static void close_ranges_merge_and_far_ones_do_not(void)
{
	struct tlb_ranges set = {};

	tlb_ranges_add(&set, FAR, FAR + P, false);
	tlb_ranges_add(&set, FAR + P + TLB_RANGES_CLOSE,
		       FAR + 2 * P + TLB_RANGES_CLOSE, false);
	CHECK(set.nr == 1);
	tlb_ranges_add(&set, 3 * FAR, 3 * FAR + P, false);
	tlb_ranges_add(&set, 0, P, false);
	CHECK(set.nr == 3 && is(&set, 0, 0, P));
	CHECK(is(&set, 2, 3 * FAR, 3 * FAR + P));
}

static void one_range_swallows_many(void)
{
	struct tlb_ranges set = {};
	unsigned long i;

	for (i = 0; i < 8; i++)
		tlb_ranges_add(&set, i * FAR, i * FAR + P, i == 5);
	CHECK(set.nr == 8);
	tlb_ranges_add(&set, FAR / 2, 6 * FAR + 9 * P, false);
	CHECK(set.nr == 3 && well_formed(&set));
	CHECK(is(&set, 0, 0, P));
	CHECK(is(&set, 1, FAR / 2, 6 * FAR + 9 * P));
	CHECK(!set.range[0].tables_freed && set.range[1].tables_freed);
}

static void a_full_set_merges_the_closest_pair(void)
{
	struct tlb_ranges set = {};
	unsigned long i;

	for (i = 0; i < TLB_RANGES_MAX; i++)
		tlb_ranges_add(&set, i * 10 * FAR, i * 10 * FAR + P, false);
	CHECK(set.nr == TLB_RANGES_MAX);
	/* makes the gap behind range 7 the smallest */
	tlb_ranges_add(&set, 70 * FAR, 75 * FAR, true);
	tlb_ranges_add(&set, 1000 * FAR, 1000 * FAR + P, false);
	CHECK(set.nr == TLB_RANGES_MAX && well_formed(&set));
	CHECK(is(&set, 7, 70 * FAR, 80 * FAR + P));
	CHECK(set.range[7].tables_freed);
	CHECK(is(&set, TLB_RANGES_MAX - 1, 1000 * FAR, 1000 * FAR + P));
}

static void the_ends_of_the_address_space(void)
{
	struct tlb_ranges set = {};

	tlb_ranges_add(&set, -P, -1UL, false);
	tlb_ranges_add(&set, 0, P, false);
	CHECK(set.nr == 2 && well_formed(&set));
}

static void random_ranges_are_never_lost(void)
{
	int round;

	for (round = 0; round < 3000; round++) {
		struct tlb_ranges set = {};
		bool in[4096] = {}, freed[4096] = {};
		unsigned long page, covered = 0;
		unsigned int i;
		int n;

		for (n = 0; n < 60; n++) {
			unsigned long first = rand() % 4000;
			unsigned long len = 1 + rand() % (n % 7 ? 5 : 90);
			bool tables = rand() % 4 == 0;
			struct tlb_range *r;

			r = tlb_ranges_add(&set, first * P, (first + len) * P,
					   tables);
			CHECK(r >= set.range && r < set.range + set.nr);
			CHECK(r->start <= first * P);
			CHECK(r->end >= (first + len) * P);
			for (page = first; page < first + len; page++) {
				in[page] = true;
				freed[page] |= tables;
			}
			CHECK(well_formed(&set));
		}

		for (i = 0; i < set.nr; i++) {
			for (page = set.range[i].start / P;
			     page < set.range[i].end / P; page++) {
				covered += in[page];
				CHECK(!freed[page] ||
				      set.range[i].tables_freed);
				in[page] = false;
			}
		}
		for (page = 0; page < 4096; page++)
			CHECK(!in[page]);
		CHECK(covered);
	}
}

int main(void)
{
	static const struct test tests[] = {
		{ "sequential", sequential_pages_are_one_range },
		{ "close_and_far", close_ranges_merge_and_far_ones_do_not },
		{ "swallow", one_range_swallows_many },
		{ "full", a_full_set_merges_the_closest_pair },
		{ "ends", the_ends_of_the_address_space },
		{ "random", random_ranges_are_never_lost },
	};

	return run_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
