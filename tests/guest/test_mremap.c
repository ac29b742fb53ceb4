// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that move to other addresses: what was at the old place is at the new
 * one, and nowhere else. Longer, shorter, round in a circle, whole page tables,
 * code that runs.
 */
#include "memory.h"

#define PAGES 64
#define MIB (1ul << 20)
#define RW (PROT_READ | PROT_WRITE)

static char *remap(char *old, size_t old_pages, size_t pages, int flags,
		   char *new)
{
	char *p = mremap(old, old_pages * PAGE, pages * PAGE, flags, new);

	require_call(p != MAP_FAILED);
	return p;
}

static void mremap_sizes(void)
{
	char *p, *moved;

	probe_init();
	for (uint32_t round = 0; round < 40; round++) {
		p = map_private(2 * PAGES);
		unmap(p + PAGES * PAGE, PAGES);
		fill_pages(p, PAGES, 0x8000 + round);
		/* In place, there is room; the new part is empty. */
		require(remap(p, PAGES, 2 * PAGES, 0, NULL) == p, "moved");
		check_pages(p, PAGES, 0x8000 + round);
		check_zero(p + PAGES * PAGE, PAGES);
		fill_pages(p + PAGES * PAGE, PAGES, 0x9000);
		/* Shorter: the end is gone, and comes back empty. */
		remap(p, 2 * PAGES, 10, 0, NULL);
		check_probe(probe_read(p + 10 * PAGE), PROBE_MAPERR, "cut");
		check_probe(probe_read(p + (2 * PAGES - 1) * PAGE),
			    PROBE_MAPERR, "cut");
		remap(p, 10, 20, 0, NULL);
		check_pages(p, 10, 0x8000 + round);
		check_zero(p + 10 * PAGE, 10);
		/* No room: it moves, and the old place is empty. */
		map_at(p + 20 * PAGE, 1, RW, MAP_PRIVATE | MAP_FIXED, -1, 0);
		moved = remap(p, 20, 4 * PAGES, MREMAP_MAYMOVE, NULL);
		require(moved != p, "did not move");
		check_pages(moved, 10, 0x8000 + round);
		check_zero(moved + 10 * PAGE, 4 * PAGES - 10);
		check_probe(probe_read(p), PROBE_MAPERR, "moved away");
		check_probe(probe_write(p + 9 * PAGE), PROBE_MAPERR,
			    "moved away");
		unmap(p + 20 * PAGE, 1);
		unmap(moved, 4 * PAGES);
	}
}

/* A onto B, C to where A was, B's old place to where C was, and so on. */
static void mremap_rotate(void)
{
	const size_t n = 16;
	char *place = map_at(NULL, 4 * n, PROT_NONE, MAP_PRIVATE, -1, 0);
	uint32_t tag[3] = { 0x10000, 0x20000, 0x30000 };

	probe_init();
	for (int i = 0; i < 3; i++) {
		map_at(place + i * n * PAGE, n, RW, MAP_PRIVATE | MAP_FIXED,
		       -1, 0);
		fill_pages(place + i * n * PAGE, n, tag[i]);
	}
	for (uint32_t round = 0; round < 200; round++) {
		int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
		uint32_t kept = tag[0];

		remap(place, n, n, flags, place + 3 * n * PAGE);
		remap(place + n * PAGE, n, n, flags, place);
		remap(place + 2 * n * PAGE, n, n, flags, place + n * PAGE);
		remap(place + 3 * n * PAGE, n, n, flags, place + 2 * n * PAGE);
		tag[0] = tag[1];
		tag[1] = tag[2];
		tag[2] = kept;
		if (round % 3 == 0)
			for (int i = 0; i < 3; i++)
				check_pages(place + i * n * PAGE, n, tag[i]);
		if (round % 5 == 0) {
			tag[1] = 0x100000 + round * n;
			fill_pages(place + n * PAGE, n, tag[1]);
		}
		check_probe(probe_read(place + 3 * n * PAGE), PROBE_MAPERR,
			    "moved away");
	}
	for (int i = 0; i < 3; i++)
		check_pages(place + i * n * PAGE, n, tag[i]);
	/* Onto a mapping in use, which goes. */
	remap(place, n, n, MREMAP_MAYMOVE | MREMAP_FIXED,
	      place + 2 * n * PAGE);
	check_pages(place + 2 * n * PAGE, n, tag[0]);
	check_probe(probe_read(place), PROBE_MAPERR, "moved away");
}

static void mremap_dontunmap(void)
{
	char *p = map_private(PAGES);

	for (uint32_t round = 0; round < 20; round++) {
		char *moved;

		fill_pages(p, PAGES, 0xa000 + round);
		moved = remap(p, PAGES, PAGES,
			      MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
		check_zero(p, PAGES);
		check_pages(moved, PAGES, 0xa000 + round);
		fill_pages(p, PAGES, 0xb000);
		check_pages(moved, PAGES, 0xa000 + round);
		/* And back, over the pages just written. */
		remap(moved, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, p);
		check_pages(p, PAGES, 0xa000 + round);
	}
}

/* Whole page tables move: 6 MiB, 2 MiB aligned and not. */
static void mremap_page_tables(void)
{
	const size_t pages = 6 * MIB / PAGE;
	const uintptr_t from = 0x5000000000, to = 0x5100000000;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	probe_init();
	for (int round = 0; round < 3; round++) {
		char *a = (char *)from, *b = (char *)to + round * PAGE;

		map_at(a, pages, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0);
		fill_pages(a, pages, 0xc000 + round);
		remap(a, pages, pages, flags, b);
		check_pages(b, pages, 0xc000 + round);
		check_probe(probe_read(a), PROBE_MAPERR, "moved away");
		check_probe(probe_write(a + 3 * MIB), PROBE_MAPERR, "moved");
		/* Something else at the old place. */
		map_at(a, pages, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0);
		for (size_t i = 0; i < pages; i += 37)
			check_page(a + i * PAGE, 0);
		fill_pages(a, pages / 4, 0xd000);
		check_pages(b, pages, 0xc000 + round);
		remap(b, pages, pages, flags, a);
		check_pages(a, pages, 0xc000 + round);
		unmap(a, pages);
	}
}

/* Code changed in place, and code that moved. */
static void code(void)
{
	char *p = map_at(NULL, 2, RW | PROT_EXEC, MAP_PRIVATE, -1, 0);
	uint32_t returned;

	probe_init();
	for (uint32_t round = 0; round < 200; round++) {
		char *moved;

		page_fill(p, 0x1000 + round);
		returned = 0;
		check_probe(probe_exec(p, &returned), PROBE_OK, "run");
		check(returned == 0x1000 + round, "returned %#x", returned);
		moved = remap(p, 1, 1, MREMAP_MAYMOVE | MREMAP_FIXED,
			      p + PAGE);
		returned = 0;
		check_probe(probe_exec(moved, &returned), PROBE_OK, "run");
		check(returned == 0x1000 + round, "returned %#x", returned);
		check_probe(probe_exec(p, &returned), PROBE_MAPERR, "moved");
		map_at(p, 1, RW | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, -1, 0);
	}
}

static const struct ktap_case cases[] = {
	{ "mremap: grow, shrink, move", mremap_sizes, 0 },
	{ "mremap: rotate", mremap_rotate, 0 },
	{ "mremap: dontunmap", mremap_dontunmap, 0 },
	{ "mremap: whole page tables", mremap_page_tables, 0 },
	{ "code changed and moved", code, 0 },
};

KTAP_TESTS(cases)
