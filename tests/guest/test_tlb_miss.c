// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misses (arch/um/kernel/tlb_miss.c): the page table allows an access that the host
 * does not. They are answered a window at a time, and what is used and written is
 * noted in the entries, as a processor does.
 */
#include "pagemap.h"
#include "smaps.h"

#define PAGES 1024
#define WINDOW 16

static void read_at_random(char *base, uint32_t pages, uint32_t first_tag)
{
	uint32_t *order = malloc(pages * sizeof(*order));

	require_call(order);
	shuffle(order, pages);
	for (uint32_t i = 0; i < pages; i++)
		check(page_is(base + order[i] * PAGE, first_tag + order[i]),
		      "page %u", order[i]);
	free(order);
}

/* A fork leaves all entries of the child behind as not used. */
static void a_child_reads_in_windows(void)
{
	char *base = map_apart(PAGES);
	struct line line;
	pid_t child;

	fill_pages(base, PAGES, 1);
	child = fork_with_line(&line);
	if (!child) {
		long faults;

		hear(&line);
		faults = usage_now().ru_minflt;
		read_at_random(base, PAGES, 1);
		faults = usage_now().ru_minflt - faults;
		check(faults < PAGES / WINDOW, "%ld faults", faults);
		page_fill(base + 3 * PAGE, 5000);
		tell(&line);
		finish();
	}
	page_fill(base + 4 * PAGE, 6000);
	tell(&line);
	hear(&line);
	wait_for(child);
	check(page_is(base + 3 * PAGE, 4), "the child's page");
	check(page_is(base + 4 * PAGE, 6000), "the own page");
}

/* What a window has to leave alone: holes, no rights, fewer rights. */
static void a_window_gives_no_more_rights(void)
{
	char *base = map_apart(WINDOW * 3);
	char *window = (char *)(((uintptr_t)base + WINDOW * PAGE - 1) &
				-(WINDOW * PAGE));
	pid_t child;

	fill_pages(base, WINDOW * 3, 1);
	probe_init();
	child = fork_or_fail();
	if (!child) {
		unmap(window + 2 * PAGE, 1);
		protect(window + 3 * PAGE, 1, PROT_NONE);
		protect(window + 4 * PAGE, 1, PROT_READ);
		require_call(madvise(window + 5 * PAGE, PAGE, MADV_DONTNEED) == 0);
		check(probe_read(window) == PROBE_OK, "the miss");
		check(probe_read(window + 2 * PAGE) == PROBE_MAPERR, "nothing");
		check(probe_read(window + 3 * PAGE) == PROBE_ACCERR, "no rights");
		check(probe_write(window + 4 * PAGE) == PROBE_ACCERR, "no writes");
		check(resident(window + 5 * PAGE, 1) == 0, "not touched");
		check(probe_read(window + 4 * PAGE) == PROBE_OK, "reads");
		finish();
	}
	wait_for(child);
	check(page_tag(window + 3 * PAGE) == page_tag(window + 2 * PAGE) + 1,
	      "the parent's pages");
}

static void forget_uses(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "w");

	require_call(file && fputs("1", file) >= 0 && fclose(file) == 0);
}

static void a_use_is_noted(void)
{
	char *base = map_apart(PAGES);
	long used;

	write_pages(base, PAGES, 1);
	forget_uses();
	check(vma_number(base, "Referenced:") == 0, "%ld KiB without use",
	      vma_number(base, "Referenced:"));

	check_value(base + 500 * PAGE, 1, 1);
	used = vma_number(base, "Referenced:") / KIB_PER_PAGE;
	check(used >= 1 && used <= WINDOW, "%ld pages", used);
	check_value(base, PAGES, 1);
	used = vma_number(base, "Referenced:") / KIB_PER_PAGE;
	check(used == PAGES, "%ld pages", used);
}

/* What is written is not free any more, and what is only read stays so. */
static void a_write_is_noted(void)
{
	char *base = map_apart(PAGES);

	write_pages(base, PAGES, 1);
	require_call(madvise(base, PAGES * PAGE, MADV_FREE) == 0);
	check_value(base, PAGES, 1);
	check(vma_number(base, "Private_Dirty:") == 0, "%ld KiB dirty",
	      vma_number(base, "Private_Dirty:"));

	write_pages(base + 100 * PAGE, 2, 2);
	check(page_has(base + 100 * PAGE, PM_PRESENT), "page is there");
	check(vma_number(base, "Private_Dirty:") == 2 * KIB_PER_PAGE,
	      "%ld KiB dirty", vma_number(base, "Private_Dirty:"));
	check_value(base + 100 * PAGE, 2, 2);
}

static const struct ktap_case cases[] = {
	{ "a child reads in windows", a_child_reads_in_windows, 0 },
	{ "a window gives no more rights", a_window_gives_no_more_rights, 0 },
	{ "a use is noted", a_use_is_noted, 0 },
	{ "a write is noted", a_write_is_noted, 0 },
};

KTAP_TESTS(cases)
