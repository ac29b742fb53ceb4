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

static const struct ktap_case cases[] = {
	{ "generations", generations, 0 },
	{ "many children", many_children, 0 },
};

KTAP_TESTS(cases)
