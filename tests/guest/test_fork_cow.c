// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork(): parent and child see what they should, and nothing of each other's
 * later writes.
 *
 * A "scene" is one region of each kind that fork treats differently, with the
 * tag that every page should have. After a fork both sides rewrite pages in
 * random order and then look at every page: private pages must show only the
 * own writes, shared ones both. What it hunts is a translation that survived
 * write-protection (the other side's copy changes), one that was protected and
 * never raised again (a hang or a wrong SIGSEGV), and one that points to the
 * page before its copy was made (the own write is lost).
 */
#include "memory.h"

#include <sched.h>

#define PAGES 48
#define GENERATIONS 5u
#define ROUNDS 4u

enum kind {
	CONTIGUOUS,		/* touched in order: neighbouring frames */
	SCATTERED,		/* touched in random order */
	UNTOUCHED,		/* only ever read: the zero page */
	FILE_PRIVATE,		/* every other page already copied */
	FILE_CLEAN,		/* private file mapping, never written */
	READ_ONLY,		/* written, then protected */
	NO_ACCESS,		/* written, then PROT_NONE */
	HOLES,			/* every third page unmapped */
	SHARED,			/* shared anonymous */
	SHARED_FILE,
	KINDS
};

struct region {
	char *base;
	uint32_t tag[PAGES];
};

static struct region scene[KINDS];

static bool mapped(int kind, int page)
{
	return kind != HOLES || page % 3;
}

static bool shared(int kind)
{
	return kind == SHARED || kind == SHARED_FILE;
}

static bool writable(int kind)
{
	return kind != READ_ONLY && kind != NO_ACCESS;
}

static void put(int kind, int page, uint32_t tag)
{
	page_fill(scene[kind].base + page * PAGE, tag);
	scene[kind].tag[page] = tag;
}

/* Read every page of a region without writing it: entries, all read-only. */
static void read_all(int kind)
{
	for (int i = 0; i < PAGES; i++)
		(void)*(volatile char *)(scene[kind].base + i * PAGE);
}

static void scene_map(void)
{
	int file = memory_file(PAGES, 0x700000);

	for (int kind = 0; kind < KINDS; kind++) {
		if (kind == FILE_PRIVATE || kind == FILE_CLEAN)
			scene[kind].base = map_at(NULL, PAGES,
						  PROT_READ | PROT_WRITE,
						  MAP_PRIVATE, file, 0);
		else if (kind == SHARED)
			scene[kind].base = map_shared(PAGES);
		else if (kind == SHARED_FILE)
			scene[kind].base = map_at(NULL, PAGES,
						  PROT_READ | PROT_WRITE,
						  MAP_SHARED,
						  memory_file(PAGES, 0x7f0000), 0);
		else
			scene[kind].base = map_private(PAGES);
	}
	for (int i = 0; i < PAGES; i++) {
		scene[FILE_PRIVATE].tag[i] = 0x700000 + i;
		scene[FILE_CLEAN].tag[i] = 0x700000 + i;
		scene[SHARED_FILE].tag[i] = 0x7f0000 + i;
	}
}

static void scene_make(void)
{
	uint32_t order[PAGES];

	scene_map();
	shuffle(order, PAGES);
	for (int i = 0; i < PAGES; i++) {
		put(CONTIGUOUS, i, 0x10000 + i);
		put(SCATTERED, order[i], 0x20000 + i);
		put(READ_ONLY, i, 0x30000 + i);
		put(NO_ACCESS, i, 0x40000 + i);
		put(SHARED, i, 0x50000 + i);
		if (i % 2)
			put(FILE_PRIVATE, i, 0x60000 + i);
		if (mapped(HOLES, i))
			put(HOLES, i, 0x80000 + i);
		else
			unmap(scene[HOLES].base + i * PAGE, 1);
	}
	protect(scene[READ_ONLY].base, PAGES, PROT_READ);
	protect(scene[NO_ACCESS].base, PAGES, PROT_NONE);
	read_all(UNTOUCHED);
	read_all(FILE_CLEAN);
}

static void scene_check_page(int kind, int page)
{
	char *p = scene[kind].base + page * PAGE;

	if (!mapped(kind, page)) {
		check_probe(probe_read(p), PROBE_MAPERR, "a hole");
		return;
	}
	if (kind == NO_ACCESS)
		return;
	check_page(p, scene[kind].tag[page]);
	if (kind == READ_ONLY)
		check_probe(probe_write(p), PROBE_ACCERR, "a read-only page");
}

/* Every page, in random order; the closed region is opened for the look. */
static void scene_check(void)
{
	uint32_t order[KINDS * PAGES];

	shuffle(order, KINDS * PAGES);
	for (int i = 0; i < KINDS * PAGES; i++)
		scene_check_page(order[i] / PAGES, order[i] % PAGES);
	check_probe(probe_read(scene[NO_ACCESS].base), PROBE_ACCERR,
		    "a closed page");
	protect(scene[NO_ACCESS].base, PAGES, PROT_READ);
	for (int i = 0; i < PAGES; i++)
		check_page(scene[NO_ACCESS].base + i * PAGE,
			   scene[NO_ACCESS].tag[i]);
	protect(scene[NO_ACCESS].base, PAGES, PROT_NONE);
}

/* Rewrite about `share` percent of the private, writable pages. */
static void scene_rewrite(uint32_t tag, uint32_t share)
{
	uint32_t order[KINDS * PAGES];

	shuffle(order, KINDS * PAGES);
	for (int i = 0; i < KINDS * PAGES; i++) {
		int kind = order[i] / PAGES, page = order[i] % PAGES;

		if (writable(kind) && !shared(kind) && mapped(kind, page) &&
		    kind != FILE_CLEAN && rng(100) < share)
			put(kind, page, tag + order[i]);
	}
}

/* The shared pages: the parent writes the even ones, the child the odd. */
static void shared_expect(uint32_t tag, int which, bool write)
{
	for (int kind = SHARED; kind <= SHARED_FILE; kind++)
		for (int i = which; i < PAGES; i += 2) {
			if (write)
				put(kind, i, tag + i);
			else
				scene[kind].tag[i] = tag + i;
		}
}

/* One side of a generation: rewrite, meet, look at everything, meet. */
static void one_side(struct line *other, int side, uint32_t generation)
{
	rng_seed(generation * 2 + side);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t tag = generation << 18 | round << 13;

		scene_rewrite(tag | (side + 1) << 16, 40);
		shared_expect(tag | 0x4000, side, true);
		shared_expect(tag | 0x4000, !side, false);
		tell(other);
		hear(other);
		scene_check();
		tell(other);
		hear(other);
	}
}

/* Where the last generation leaves the shared pages. */
static void shared_expect_last(void)
{
	uint32_t tag = GENERATIONS << 18 | (ROUNDS - 1) << 13 | 0x4000;

	shared_expect(tag, 0, false);
	shared_expect(tag, 1, false);
}

/* Each child becomes the parent of the next generation. */
static void generations(void)
{
	probe_init();
	scene_make();
	scene_check();
	for (uint32_t generation = 1; generation <= GENERATIONS; generation++) {
		struct line other;
		pid_t child = fork_with_line(&other);

		one_side(&other, child == 0, generation);
		if (child) {
			require(wait_for(child), "generation %u", generation);
			shared_expect_last();
			scene_check();
			finish();
		}
	}
}

/* One parent, many children at once, all of them writing. */
static void many_children(void)
{
	pid_t child[24];

	probe_init();
	scene_make();
	for (int i = 0; i < 24; i++) {
		child[i] = fork_or_fail();
		rng_seed(1000 + i);
		scene_rewrite(0x900000 + (i << 12), 25);
		if (child[i] == 0) {
			scene_check();
			scene_rewrite(0xa00000 + (i << 12), 50);
			scene_check();
			finish();
		}
	}
	for (int i = 0; i < 24; i++)
		wait_for(child[i]);
	scene_check();
}

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
	{ "generations", generations, 0 },
	{ "many children", many_children, 0 },
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
