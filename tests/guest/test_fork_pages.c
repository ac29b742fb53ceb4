// SPDX-License-Identifier: GPL-2.0-only
/*
 * What parent and child see of a page after fork(), vfork() or clone(), rule by
 * rule: who writes first, what protection does, and who is not asked.
 */
#include "memory.h"

#include <sched.h>

#define PAGES 48

/* Both see these pages until one of them writes. */
static pid_t fork_with_pages(char *p, uint32_t first_tag, struct line *line)
{
	fill_pages(p, PAGES, first_tag);
	return fork_with_line(line);
}

/*
 * The parent writes at once, while the child reads what was there before.
 * Then the child goes, and the parent, now the only owner, writes again.
 */
static void parent_first(void)
{
	char *p = map_private(PAGES);

	for (uint32_t round = 0; round < 150; round++) {
		const uint32_t old = round * 256 + 1;
		struct line line;
		pid_t child = fork_with_pages(p, old, &line);

		if (child == 0) {
			if (round % 2)
				hear(&line);
			check_pages(p, PAGES, old);
			finish();
		}
		fill_pages(p, PAGES, 0x100000 + round * 256);
		if (round % 2)
			tell(&line);
		wait_for(child);
		line_close(&line);
		for (int i = 0; i < PAGES; i++) {
			check_page(p + i * PAGE, 0x100000 + round * 256 + i);
			page_fill(p + i * PAGE, 0x200000 + i);
			check_page(p + i * PAGE, 0x200000 + i);
		}
	}
}

/* The child writes and stays; the parent must go on seeing the old pages. */
static void child_first(void)
{
	char *p = map_private(PAGES);

	for (uint32_t round = 0; round < 100; round++) {
		const uint32_t old = round * 256 + 1;
		struct line line;
		pid_t child = fork_with_pages(p, old, &line);

		if (child == 0) {
			for (int i = PAGES - 1; i >= 0; i--)
				page_fill(p + i * PAGE, 0x300000 + i);
			tell(&line);
			hear(&line);
			check_pages(p, PAGES, 0x300000);
			finish();
		}
		hear(&line);
		check_pages(p, PAGES, old);
		tell(&line);
		wait_for(child);
		line_close(&line);
	}
}

/* Protection changed on pages that are still shared with the other side. */
static void protection_after_fork(void)
{
	char *p = map_private(PAGES);
	struct line line;
	pid_t child;

	probe_init();
	fill_pages(p, PAGES, 0x1000);
	child = fork_with_line(&line);
	/* Down and up again must not make a shared page writable in place. */
	protect(p, PAGES, PROT_READ);
	check_probe(probe_write(p), PROBE_ACCERR, "lowered after fork");
	protect(p, PAGES, PROT_NONE);
	protect(p, PAGES, PROT_READ | PROT_WRITE);
	if (child)
		hear(&line);
	for (int i = 0; i < PAGES; i += 2)
		page_fill(p + i * PAGE, (child ? 0x2000 : 0x3000) + i);
	if (!child)
		tell(&line);
	for (int i = 0; i < PAGES; i++)
		check_page(p + i * PAGE, i % 2 ? 0x1000 + i :
			   (child ? 0x2000 : 0x3000) + i);
	if (!child)
		finish();
	wait_for(child);
	for (int i = 1; i < PAGES; i += 2) {
		page_fill(p + i * PAGE, 0x4000 + i);
		check_page(p + i * PAGE, 0x4000 + i);
	}
}

/* Closed over the fork, opened by each side on its own afterwards. */
static void closed_over_fork(void)
{
	char *p = map_private(PAGES);
	pid_t child;

	probe_init();
	fill_pages(p, PAGES, 0x1000);
	protect(p, PAGES, PROT_NONE);
	child = fork_or_fail();
	check_probe(probe_read(p + PAGE), PROBE_ACCERR, "closed over fork");
	protect(p, PAGES / 2, PROT_READ | PROT_WRITE);
	for (int i = 0; i < PAGES / 2; i++) {
		check_page(p + i * PAGE, 0x1000 + i);
		page_fill(p + i * PAGE, (child ? 0x2000 : 0x3000) + i);
	}
	check_probe(probe_read(p + PAGES / 2 * PAGE), PROBE_ACCERR,
		    "still closed");
	protect(p, PAGES, PROT_READ);
	for (int i = 0; i < PAGES; i++)
		check_page(p + i * PAGE, i >= PAGES / 2 ? 0x1000 + i :
			   (child ? 0x2000 : 0x3000) + i);
	if (!child)
		finish();
	wait_for(child);
}

/* madvise() may keep a range from the child, or empty it there. */
static void dontfork_wipeonfork(void)
{
	char *p = map_private(3 * PAGES);
	char *kept = p + PAGES * PAGE, *wiped = p + 2 * PAGES * PAGE;
	pid_t child;

	probe_init();
	for (int i = 0; i < 3 * PAGES; i++)
		page_fill(p + i * PAGE, 0x1000 + i);
	require_call(madvise(kept, PAGES * PAGE, MADV_DONTFORK) == 0);
	require_call(madvise(wiped, PAGES * PAGE, MADV_WIPEONFORK) == 0);
	child = fork_or_fail();
	for (int i = 0; i < PAGES; i++) {
		check_page(p + i * PAGE, 0x1000 + i);
		if (child) {
			check_page(kept + i * PAGE, 0x1000 + PAGES + i);
			check_page(wiped + i * PAGE, 0x1000 + 2 * PAGES + i);
		} else {
			check_probe(probe_read(kept + i * PAGE), PROBE_MAPERR,
				    "MADV_DONTFORK");
			check_page(wiped + i * PAGE, 0);
		}
		page_fill(wiped + i * PAGE, child ? 0x5000 + i : 0x6000 + i);
	}
	/* The child puts something else where the parent's page is. */
	if (!child) {
		map_at(kept, PAGES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_FIXED, -1, 0);
		fill_pages(kept, PAGES, 0x7000);
	} else {
		wait_for(child);
	}
	for (int i = 0; i < PAGES; i++) {
		check_page(wiped + i * PAGE, child ? 0x5000 + i : 0x6000 + i);
		check_page(kept + i * PAGE,
			   child ? 0x1000 + PAGES + i : 0x7000 + i);
	}
	if (!child)
		finish();
}

/* The kernel itself writes into pages that are still shared (read()). */
static void kernel_writes(void)
{
	char *p = map_private(PAGES);
	int file = memory_file(PAGES, 0x9000);
	struct line line;
	pid_t child;

	fill_pages(p, PAGES, 0x1000);
	child = fork_with_line(&line);
	if (child == 0) {
		hear(&line);
		check_pages(p, PAGES, 0x1000);
		finish();
	}
	for (int i = 0; i < PAGES; i += 2)
		require_call(pread(file, p + i * PAGE, PAGE, i * PAGE) ==
			     (ssize_t)PAGE);
	tell(&line);
	wait_for(child);
	for (int i = 0; i < PAGES; i++)
		check_page(p + i * PAGE, i % 2 ? 0x1000 + i : 0x9000 + i);
}

/* A private file mapping follows the file until its page is copied. */
static void private_file_follows(void)
{
	int file = memory_file(PAGES, 0x1000);
	char *p = map_at(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 file, 0);
	struct line line;
	pid_t child;

	check_pages(p, PAGES, 0x1000);
	child = fork_with_line(&line);
	for (int i = !!child; i < PAGES; i += 4)
		page_fill(p + i * PAGE, (child ? 0x2000 : 0x3000) + i);
	if (child) {
		hear(&line);
		fill_file(file, PAGES, 0x4000);
		tell(&line);
	} else {
		tell(&line);
		hear(&line);
	}
	for (int i = 0; i < PAGES; i++)
		check_page(p + i * PAGE, i % 4 == !!child ?
			   (child ? 0x2000 : 0x3000) + i : 0x4000 + i);
	if (!child)
		finish();
	wait_for(child);
}

/* vfork: one address space, the parent waits, and sees what was written. */
static void vfork_shares(void)
{
	volatile char *p = map_private(4);
	pid_t child;

	for (int round = 0; round < 200; round++) {
		page_fill((char *)p, round + 1);
		child = vfork();
		require_call(child >= 0);
		if (child == 0) {
			page_fill((char *)p + PAGE, round + 0x1000);
			if (round % 8 == 0)
				execl("/proc/self/exe", "exe", "--exit", NULL);
			_exit(0);
		}
		wait_for(child);
		check_page((char *)p, round + 1);
		check_page((char *)p + PAGE, round + 0x1000);
	}
}

static char *clone_base;

/* Runs in a second process on the same address space. */
static int clone_changes(void *unused)
{
	(void)unused;
	page_fill(clone_base, 0x2000);
	unmap(clone_base + PAGE, 1);
	protect(clone_base + 2 * PAGE, 1, PROT_READ);
	map_at(clone_base + 3 * PAGE, 1, PROT_READ | PROT_WRITE,
	       MAP_PRIVATE | MAP_FIXED, -1, 0);
	page_fill(clone_base + 3 * PAGE, 0x2003);
	return 0;
}

/* clone(CLONE_VM): every change of one side is there for the other. */
static void clone_vm(void)
{
	char *stack = map_private(16);

	probe_init();
	for (int round = 0; round < 100; round++) {
		pid_t child;

		clone_base = map_private(5);
		for (int i = 0; i < 5; i++)
			page_fill(clone_base + i * PAGE, 0x1000 + i);
		child = clone(clone_changes, stack + 16 * PAGE,
			      CLONE_VM | SIGCHLD, NULL);
		require_call(child > 0);
		wait_for(child);
		check_page(clone_base, 0x2000);
		check_probe(probe_read(clone_base + PAGE), PROBE_MAPERR,
			    "unmapped by the other");
		check_page(clone_base + 2 * PAGE, 0x1002);
		check_probe(probe_write(clone_base + 2 * PAGE), PROBE_ACCERR,
			    "protected by the other");
		check_page(clone_base + 3 * PAGE, 0x2003);
		check_page(clone_base + 4 * PAGE, 0x1004);
		unmap(clone_base, 5);
	}
}

/* 16 MiB in scattered frames; the child rewrites all of it. */
static void large(void)
{
	const uint32_t pages = 4096;
	char *p = map_private(pages);
	uint32_t *order = malloc(pages * sizeof(*order));
	pid_t child;

	shuffle(order, pages);
	for (uint32_t i = 0; i < pages; i++)
		page_fill(p + order[i] * PAGE, order[i] + 1);
	child = fork_or_fail();
	if (child == 0) {
		for (uint32_t i = 0; i < pages; i++)
			check_page(p + i * PAGE, i + 1);
		shuffle(order, pages);
		for (uint32_t i = 0; i < pages; i++)
			page_fill(p + order[i] * PAGE, 0x100000 + order[i]);
		check_pages(p, pages, 0x100000);
		finish();
	}
	for (uint32_t i = 0; i < pages; i += 3)
		page_fill(p + i * PAGE, 0x200000 + i);
	wait_for(child);
	for (uint32_t i = 0; i < pages; i++)
		check_page(p + i * PAGE, i % 3 ? i + 1 : 0x200000 + i);
}

/* A stack frame of a page, filled, and the fork at the bottom. */
static __attribute__((noinline)) void deep_stack(int depth)
{
	volatile uint64_t frame[PAGE_WORDS];
	pid_t child;

	page_fill((void *)frame, 0x1000 + depth);
	if (depth) {
		deep_stack(depth - 1);
	} else {
		child = fork_or_fail();
		if (child)
			wait_for(child);
		page_fill((void *)frame, child ? 0x1000 : 0x2000);
		check_page((void *)frame, child ? 0x1000 : 0x2000);
		if (!child)
			finish();
		return;
	}
	check_page((void *)frame, 0x1000 + depth);
}

static void stack(void)
{
	for (int i = 0; i < 10; i++)
		deep_stack(200);
}

static const struct ktap_case cases[] = {
	{ "parent writes first", parent_first, 0 },
	{ "child writes first", child_first, 0 },
	{ "protection after fork", protection_after_fork, 0 },
	{ "closed over fork", closed_over_fork, 0 },
	{ "madvise dontfork and wipeonfork", dontfork_wipeonfork, 0 },
	{ "kernel writes into shared pages", kernel_writes, 0 },
	{ "private file mapping follows the file", private_file_follows, 0 },
	{ "vfork", vfork_shares, 0 },
	{ "clone with one address space", clone_vm, 0 },
	{ "16 MiB in scattered frames", large, 0 },
	{ "stack", stack, 0 },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--exit"))
		return 0;
	return KTAP_MAIN(cases);
}
