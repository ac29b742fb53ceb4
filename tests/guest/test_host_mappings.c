// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much the memory path asks of the host, by its own counters. They are those
 * of the whole guest, which does nothing else meanwhile; the bounds leave room for
 * what reading them takes.
 */
#include "memory.h"
#include "stats.h"

#define PAGES 4096
#define RUN 8192

/* More scattered pages than the host gives mappings by default */
#define SCATTERED 100000

static void touch(const char *base, size_t pages, size_t step)
{
	for (size_t i = 0; i < pages; i++)
		(void)*(const volatile char *)(base + i * step * PAGE);
}

/* Rights that are raised come back a window at a time. */
static void raised_rights_take_few_misses(void)
{
	char *base = map_apart(PAGES);
	long misses;

	write_pages(base, PAGES, 1);
	protect(base, PAGES, PROT_READ);
	touch(base, PAGES, 1);
	protect(base, PAGES, PROT_READ | PROT_WRITE);

	misses = tlb_counter("misses");
	write_pages(base, PAGES, 2);
	misses = tlb_counter("misses") - misses;
	check(misses > 0 && misses <= PAGES / 16, "%ld misses", misses);
}

/* Until the host process has so many mappings that they are given up. */
static bool evict(void)
{
	char *base = map_at(NULL, 2 * SCATTERED, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_NORESERVE, -1, 0);
	long before = tlb_counter("evictions");
	size_t i;

	for (i = 0; i < SCATTERED; i += 2000) {
		for (size_t j = i; j < i + 2000; j++)
			base[j * 2 * PAGE] = 1;
		if (tlb_counter("evictions") > before)
			return true;
	}
	return false;
}

static void a_refill_takes_few_misses(void)
{
	char *base = map_apart(RUN);
	long misses;

	write_pages(base, RUN, 1);
	if (!evict()) {
		ktap_note("this host gives more mappings than are tried here\n");
		return;
	}
	misses = tlb_counter("misses");
	touch(base, RUN, 1);
	misses = tlb_counter("misses") - misses;
	check(misses > 0 && misses <= RUN / 32, "%ld misses", misses);
	check_value(base, RUN, 1);
}

static void a_first_touch_leaves_few_mappings(void)
{
	char *base = map_apart(PAGES);
	long mappings = tlb_counter("host_mappings");
	long fills = tlb_counter("fills");
	long ahead = tlb_counter("ahead_pages");

	write_pages(base, PAGES, 1);
	mappings = tlb_counter("host_mappings") - mappings;
	fills = tlb_counter("fills") - fills;
	ahead = tlb_counter("ahead_pages") - ahead;
	check(mappings <= PAGES / 8, "%ld mappings", mappings);
	check(fills <= PAGES / 8, "%ld fills", fills);
	check(ahead >= PAGES / 2, "%ld pages ahead", ahead);
}

static void a_copy_takes_pages_along(void)
{
	char *base = map_apart(PAGES);
	long copies = tlb_counter("ahead_copies");
	pid_t child;

	write_pages(base, PAGES, 1);
	child = fork_or_fail();
	if (!child) {
		write_pages(base, PAGES, 2);
		check_value(base, PAGES, 2);
		finish();
	}
	wait_for(child);
	copies = tlb_counter("ahead_copies") - copies;
	check(copies >= PAGES / 2, "%ld copies ahead", copies);
	check_value(base, PAGES, 1);
}

static const struct ktap_case cases[] = {
	{ "raised rights take few misses", raised_rights_take_few_misses, 0 },
	{ "a refill takes few misses", a_refill_takes_few_misses, 120 },
	{ "a first touch leaves few mappings",
	  a_first_touch_leaves_few_mappings, 0 },
	{ "a copy takes pages along", a_copy_takes_pages_along, 0 },
};

KTAP_TESTS(cases)
