// SPDX-License-Identifier: GPL-2.0-only
/*
 * More scattered pages than the host gives mappings to one process.
 *
 * Every other page of 900 MiB makes 115 200 pages of which no two touch, so
 * the host needs a mapping for each, and vm.max_map_count is 65 530 by default.
 * The guest must not notice: all pages keep their contents, over two rounds in
 * different orders, lowered and raised protection, and a fork whose child
 * checks all and rewrites some. At the limit the host refuses also munmap and
 * mprotect of a part of a mapping, so those are tried there.
 *
 * Stock UML 7.3 fails: after some 60 000 pages the host says ENOMEM. In seccomp
 * mode each fault is then retried for ever; in ptrace mode the process dies.
 *
 * Give the guest a little more than 1 GiB.
 */
#include "memory.h"

/* Nearly as many as the host allows, and a run of pages to cut up. */
#define SCATTERED 64500u
#define RUN 8192u

static uint32_t pages = 900 * 256 / 2;
static char *base;

static char *page_at(uint32_t i)
{
	return base + (size_t)i * 2 * PAGE;
}

/* A step that is prime to any number of pages that is tested here. */
static uint32_t jump(uint32_t i)
{
	return (uint64_t)i * 48611 % pages;
}

/* First, last and middle words: a whole page each would only take longer. */
static void stamp(uint32_t i, uint32_t tag)
{
	volatile uint64_t *word = (uint64_t *)page_at(i);

	word[0] = tag_word(tag + i, 0);
	word[200] = tag_word(tag + i, 200);
	word[511] = tag_word(tag + i, 511);
}

static bool stamped(uint32_t i, uint32_t tag)
{
	volatile uint64_t *word = (uint64_t *)page_at(i);

	return word[0] == tag_word(tag + i, 0) &&
	       word[200] == tag_word(tag + i, 200) &&
	       word[511] == tag_word(tag + i, 511) && word[100] == 0;
}

static void progress(const char *what)
{
	static double start;

	if (start == 0)
		start = seconds_now();
	ktap_note("%6.1f s  %s\n", seconds_now() - start, what);
}

static void touch_every_other_page(void)
{
	progress("write");
	for (uint32_t i = 0; i < pages; i++) {
		stamp(i, 1);
		if (i % 20000 == 19999)
			ktap_note("         %u pages\n", i + 1);
	}
	progress("read in the same order");
	for (uint32_t i = 0; i < pages; i++)
		check(stamped(i, 1), "page %u", i);
	progress("read and rewrite in another order");
	for (uint32_t i = 0; i < pages; i++) {
		check(stamped(jump(i), 1), "page %u", jump(i));
		stamp(jump(i), 2);
	}
	progress("read backwards");
	for (uint32_t i = pages; i-- > 0;)
		check(stamped(i, 2), "page %u", i);
}

static void change_protection(void)
{
	progress("protect");
	protect(base, pages * 2ul, PROT_READ);
	for (uint32_t i = 0; i < pages; i++) {
		check(stamped(jump(i), 2), "read-only page %u", jump(i));
		if (i % 100 == 0)
			check_probe(probe_write(page_at(i)), PROBE_ACCERR,
				    "read-only page");
	}
	progress("unprotect");
	protect(base, pages * 2ul, PROT_READ | PROT_WRITE);
	for (uint32_t i = 0; i < pages; i += 10)
		stamp(i, 3);
	for (uint32_t i = 0; i < pages; i++)
		check(stamped(i, i % 10 ? 2 : 3), "page %u", i);
}

static void fork_and_rewrite(void)
{
	pid_t child = fork_or_fail();

	if (child == 0) {
		progress("child: read all, rewrite some");
		for (uint32_t i = 0; i < pages; i++)
			check(stamped(i, i % 10 ? 2 : 3), "child, page %u", i);
		for (uint32_t i = 0; i < pages; i += 20)
			stamp(i, 4);
		for (uint32_t i = 0; i < pages; i++)
			check(stamped(i, i % 20 ? i % 10 ? 2 : 3 : 4),
			      "child, rewritten, page %u", i);
		finish();
	}
	for (uint32_t i = 1; i < pages; i += 20)
		stamp(i, 5);
	wait_for(child);
	progress("parent: read all");
	for (uint32_t i = 0; i < pages; i++)
		check(stamped(i, i % 20 == 1 ? 5 : i % 10 ? 2 : 3),
		      "parent, page %u", i);
	for (uint32_t i = 0; i < pages; i += 7)
		stamp(i, 6);
	for (uint32_t i = 0; i < pages; i++)
		check(stamped(i, i % 7 == 0 ? 6 : i % 20 == 1 ? 5 :
			      i % 10 ? 2 : 3), "parent, at the end, page %u",
		      i);
}

static void scattered(void)
{
	probe_init();
	base = map_at(NULL, pages * 2ul, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_NORESERVE, -1, 0);
	touch_every_other_page();
	change_protection();
	fork_and_rewrite();
	/* The untouched pages between are still empty. */
	for (uint32_t i = 0; i < pages; i += 50)
		check_page(page_at(i) + PAGE, 0);
	progress("done");
}

/*
 * Up to the limit with scattered pages, so that the next cut in a mapping of
 * the host is refused to an munmap or mprotect, which has no other way.
 */
static char *up_to_the_limit(void)
{
	char *run;

	pages = SCATTERED;
	base = map_at(NULL, pages * 2ul, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_NORESERVE, -1, 0);
	run = map_private(RUN);
	fill_pages(run, RUN, 0x10000);
	for (uint32_t i = 0; i < pages; i++)
		stamp(i, 1);
	/* What may have been given up for them is in use again. */
	check_pages(run, RUN, 0x10000);
	progress("at the limit");
	return run;
}

static void check_scattered(void)
{
	for (uint32_t i = 0; i < pages; i++)
		check(stamped(i, 1), "page %u", i);
	progress("done");
}

static void cut_by_munmap(void)
{
	char *run;

	probe_init();
	run = up_to_the_limit();
	for (uint32_t i = 1; i < RUN; i += 2)
		unmap(run + i * PAGE, 1);
	for (uint32_t i = 0; i < RUN; i++) {
		if (i % 2)
			check_probe(probe_read(run + i * PAGE), PROBE_MAPERR,
				    "unmapped at the limit");
		else
			check_page(run + i * PAGE, 0x10000 + i);
	}
	check_scattered();
}

static void cut_by_mprotect(void)
{
	char *run;

	probe_init();
	run = up_to_the_limit();
	for (uint32_t i = 1; i < RUN; i += 2)
		protect(run + i * PAGE, 1, PROT_READ);
	for (uint32_t i = 0; i < RUN; i++) {
		check_page(run + i * PAGE, 0x10000 + i);
		if (i % 2)
			check_probe(probe_write(run + i * PAGE), PROBE_ACCERR,
				    "lowered at the limit");
		else
			page_fill(run + i * PAGE, 0x20000 + i);
	}
	for (uint32_t i = 0; i < RUN; i++)
		check_page(run + i * PAGE, (i % 2 ? 0x10000 : 0x20000) + i);
	check_scattered();
}

static const struct ktap_case cases[] = {
	{ "scattered pages", scattered, 600 },
	{ "cut by munmap", cut_by_munmap, 200 },
	{ "cut by mprotect", cut_by_mprotect, 200 },
};

KTAP_TESTS(cases)
