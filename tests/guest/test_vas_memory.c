// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread finds in the memory of a VAS and beside it: what was written
 * there, by whomever, and nothing else; through fork and swap, too.
 */
#include "files.h"
#include "vas_test.h"

#include <sys/sysinfo.h>

/* Every thread is in the address space that it was put into, and no other. */
static void isolation(void)
{
	int sid[3], vid[3];
	char name[8];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "iso%d", i);
		vid[i] = vas_with_segment(name, &sid[i]);
		attach_self(vid[i]);
	}
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 3; i++) {
			enter(vid[i]);
			check(active_vas() == vid[i], "in another VAS");
			for (unsigned long p = 0; p < SEG_PAGES; p++) {
				volatile uint64_t *w = word_at(WINDOW + p * PAGE);
				uint64_t was = round ? round * 100 + i + p : 0;

				check(*w == was, "%d, page %lu: %lu, not %lu",
				      i, p, *w, was);
				*w = (round + 1) * 100 + i + p;
			}
		}
	require_call(vas_switch(0) == 0);
	check(!can_read(at(WINDOW)), "the window is open outside of all VASes");
	for (int i = 0; i < 3; i++)
		drop_with_segment(vid[i], sid[i]);
}

/* Flaw 3: pages first touched inside of a VAS were not all carried back. */
static void memory_outlives_the_process(void)
{
	int sid, vid = vas_with_segment("outlives", &sid);
	pid_t child = fork_or_fail();

	if (!child) {
		attach_self(vid);
		enter(vid);
		map_here(HEAP, 8);
		for (unsigned long p = 0; p < 8; p++) {
			page_fill(at(WINDOW + p * PAGE), 100 + p);
			page_fill(at(HEAP + p * PAGE), 200 + p);
		}
		finish();
	}
	wait_for(child);
	attach_self(vid);
	enter(vid);
	for (unsigned long p = 0; p < 8; p++) {
		check(page_is(at(WINDOW + p * PAGE), 100 + p), "page %lu", p);
		check(page_is(at(HEAP + p * PAGE), 200 + p), "page %lu", p);
	}
	drop_with_segment(vid, sid);
}

/* Two processes write one VAS (flaw 12), and see each other's changes at once. */
static void coherence(void)
{
	int sid, vid = vas_with_segment("coherence", &sid);
	struct line other;
	pid_t child = fork_with_line(&other);

	if (!child) {
		attach_self(vid);
		enter(vid);
		*word_at(WINDOW) = 1;
		map_here(HEAP, 4);
		page_fill(at(HEAP), 77);
		tell(&other);
		hear(&other);
		check(*word_at(WINDOW) == 2, "the other's write is not seen");
		check(can_read(at(HEAP + PAGE)), "unmapped too early");
		tell(&other);
		hear(&other);
		/* Flaw 11: a munmap was never propagated. */
		check(!can_read(at(HEAP)), "still mapped after munmap");
		check(!can_write(at(HEAP + PAGE)), "still mapped after munmap");
		check(can_write(at(HEAP + 2 * PAGE)), "too much was unmapped");
		tell(&other);
		finish();
	}
	attach_self(vid);
	enter(vid);
	hear(&other);
	check(*word_at(WINDOW) == 1, "the other's write is not seen");
	check(page_is(at(HEAP), 77), "the other's new memory is not seen");
	*word_at(WINDOW) = 2;
	tell(&other);
	hear(&other);
	require_call(munmap(at(HEAP), 2 * PAGE) == 0);
	tell(&other);
	hear(&other);
	check(!can_read(at(HEAP)), "still mapped here");
	wait_for(child);

	/* What was unmapped is gone, also when it is mapped again. */
	map_here(HEAP, 2);
	check(page_is(at(HEAP), 0), "old contents came back");
	drop_with_segment(vid, sid);
}

static long locked_kib(void)
{
	return number_in("/proc/self/status", "VmLck:");
}

static long size_kib(void)
{
	return number_in("/proc/self/status", "VmSize:");
}

/* A region that one process unmaps is taken off what each process has. */
static void accounting(void)
{
	int vid = new_vas("accounting");
	long size, locked;
	struct line other;
	pid_t child = fork_with_line(&other);

	attach_self(vid);
	enter(vid);
	size = size_kib();
	if (!child) {
		tell(&other);
		hear(&other);
		check(can_read(at(HEAP)), "not mapped");
		require_call(mlock(at(HEAP), 4 * PAGE) == 0);
		check(size_kib() == size + 16, "%ld KiB more", size_kib() - size);
		locked = locked_kib();
		tell(&other);
		hear(&other);
		check(size_kib() == size, "%ld KiB left", size_kib() - size);
		check(locked_kib() == locked - 16, "%ld KiB locked, %ld before",
		      locked_kib(), locked);
		finish();
	}
	hear(&other);
	map_here(HEAP, 4);
	tell(&other);
	hear(&other);
	require_call(munmap(at(HEAP), 4 * PAGE) == 0);
	check(size_kib() == size && !locked_kib(), "%ld KiB left, %ld KiB locked",
	      size_kib() - size, locked_kib());
	tell(&other);
	wait_for(child);
	enter(0);
	drop_vas(vid);
}

/* Process memory is one and the same in all views, whatever happens to it. */
static void common_memory(void)
{
	int vid[3];
	char name[8];
	char *p;

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "com%d", i);
		vid[i] = new_vas(name);
		attach_self(vid[i]);
	}
	for (int round = 0; round < 30; round++) {
		p = map_private(8);
		for (int i = 0; i < 3; i++) {
			enter(vid[i]);
			for (int page = 0; page < 8; page++)
				check(p[page * PAGE] == (i ? i : 0), "%d %d",
				      i, p[page * PAGE]);
			for (int page = 0; page < 8; page++)
				p[page * PAGE] = i + 1;
		}
		enter(vid[round % 3]);
		require_call(mprotect(p, 4 * PAGE, PROT_READ) == 0);
		enter(vid[(round + 1) % 3]);
		check(!can_write(p), "mprotect is not seen by another view");
		check(can_write(p + 4 * PAGE), "too much was protected");
		require_call(munmap(p, 8 * PAGE) == 0);
		enter(vid[(round + 2) % 3]);
		check(!can_read(p), "munmap is not seen by another view");
		enter(0);
		check(!can_read(p + 5 * PAGE), "munmap is not seen outside");
	}
	for (int i = 0; i < 3; i++)
		drop_vas(vid[i]);
}

/* fork write-protects common pages in all views. */
static void copy_on_write_in_all_views(void)
{
	int vid = new_vas("cow");
	char *p = map_private(16);

	attach_self(vid);
	for (int round = 0; round < 10; round++) {
		struct line other;
		pid_t child;

		for (int i = 0; i < 16; i++)
			p[i * PAGE] = round;
		enter(vid);
		for (int i = 0; i < 16; i++)
			p[i * PAGE + 1] = round;
		if (round & 1)
			enter(0);
		child = fork_with_line(&other);
		if (!child) {
			hear(&other);
			for (int i = 0; i < 16; i++)
				check(p[i * PAGE] == round &&
				      p[i * PAGE + 1] == round,
				      "the parent's write came through");
			finish();
		}
		enter(round & 1 ? vid : 0);
		for (int i = 0; i < 16; i++)
			memset(p + i * PAGE, 99, 2);
		tell(&other);
		wait_for(child);
		line_close(&other);
		enter(0);
	}
	drop_vas(vid);
}

static void add_to_pages(unsigned long pages, uint64_t expected)
{
	for (unsigned long p = 0; p < pages; p++) {
		volatile uint64_t *w = word_at(HEAP + p * PAGE);

		check(*w == expected, "page %lu: %lu, not %lu", p, *w, expected);
		*w = expected + 1;
	}
	/* Needs swap to do anything; so there is a run with swap. */
	madvise(at(HEAP), pages * PAGE, MADV_PAGEOUT);
}

static void check_some_are_out(void)
{
	struct sysinfo info;

	require_call(sysinfo(&info) == 0);
	check(!info.totalswap || info.freeswap < info.totalswap,
	      "nothing went to swap");
}

/*
 * Flaw 7: pages were shared by copies of their page-table entries, which neither
 * swap nor fork could keep in step.
 */
static void shared_through_swap_and_fork(void)
{
	const unsigned long pages = 4096;
	int vid = new_vas("swap");
	struct line other;
	pid_t child;

	attach_self(vid);
	enter(vid);
	map_here(HEAP, pages);
	add_to_pages(pages, 0);
	check_some_are_out();
	child = fork_with_line(&other);
	if (!child) {
		attach_self(vid);
		enter(vid);
		for (int round = 0; round < 3; round++) {
			hear(&other);
			add_to_pages(pages, 2 * round + 1);
			tell(&other);
		}
		finish();
	}
	for (int round = 0; round < 3; round++) {
		tell(&other);
		hear(&other);
		add_to_pages(pages, 2 * round + 2);
	}
	wait_for(child);
	drop_vas(vid);
}

/* The same VAS again and again: nothing of the last one may be left. */
static void attach_again_and_again(void)
{
	int sid = new_segment("again", WINDOW, 4);

	for (int i = 0; i < 60; i++) {
		int vid = new_vas("again");

		if (i % 2)
			require_call(vas_seg_attach(vid, sid, O_RDWR) == 0);
		attach_self(vid);
		enter(vid);
		if (i % 2) {
			check(*word_at(WINDOW) == (uint64_t)(i / 2),
			      "round %d: %lu", i, *word_at(WINDOW));
			*word_at(WINDOW) = i / 2 + 1;
		} else {
			check(!can_read(at(WINDOW)), "the last one is left");
			map_here(WINDOW, 1);
			check(!*word_at(WINDOW), "not empty");
			*word_at(WINDOW) = 1;
		}
		drop_vas(vid);
	}
	check_call(vas_seg_delete(sid));
}

static const struct ktap_case cases[] = {
	{ "isolation", isolation, 0 },
	{ "memory outlives the process", memory_outlives_the_process, 0 },
	{ "coherence", coherence, 0 },
	{ "accounting", accounting, 0 },
	{ "common memory", common_memory, 0 },
	{ "copy on write in all views", copy_on_write_in_all_views, 0 },
	{ "shared through swap and fork", shared_through_swap_and_fork, 0 },
	{ "attach again and again", attach_again_and_again, 0 },
};

KTAP_TESTS(cases)
