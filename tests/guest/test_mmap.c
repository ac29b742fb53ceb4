// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that come, go, move and change their contents: whatever stood at an
 * address before, only what is mapped there now may be seen.
 *
 * Each case is a sequence that a cache of translations could get wrong: the
 * same address with another frame, the same frame with another protection, the
 * same frame at another address, a hole in the middle of a run that was filled
 * as one, changes far apart within one system call, page tables that were
 * freed and made again, pages that went because their file became shorter.
 */
#include "memory.h"

#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGES 64
#define MIB (1ul << 20)
#define RW (PROT_READ | PROT_WRITE)

/* MAP_FIXED over a mapping in use: contents change within one call. */
static void replace(void)
{
	int first = memory_file(PAGES, 0x1000);
	int second = disk_file(PAGES, 0x2000);
	char *p = map_private(PAGES);

	for (int round = 0; round < 30; round++) {
		bool touch = round % 2;

		fill_pages(p, PAGES, 0x3000);
		map_at(p, PAGES, RW, MAP_PRIVATE | MAP_FIXED, -1, 0);
		if (touch)
			check_zero(p, PAGES);
		map_at(p, PAGES, RW, MAP_SHARED | MAP_FIXED, first, 0);
		if (touch)
			check_pages(p, PAGES, 0x1000);
		map_at(p, PAGES, RW, MAP_PRIVATE | MAP_FIXED, second, 0);
		if (touch)
			check_pages(p, PAGES, 0x2000);
		/* The middle once more, with other pages of the file. */
		map_at(p + 8 * PAGE, 8, RW, MAP_SHARED | MAP_FIXED, first,
		       40 * PAGE);
		check_pages(p, 8, 0x2000);
		check_pages(p + 8 * PAGE, 8, 0x1000 + 40);
		check_pages(p + 16 * PAGE, PAGES - 16, 0x2000 + 16);
		map_at(p, PAGES, RW, MAP_PRIVATE | MAP_FIXED, -1, 0);
		check_zero(p, PAGES);
	}
}

/* The frame that was here must be gone, whoever has it now. */
static void nothing_left_behind(void)
{
	char *p = map_private(PAGES), *other;

	probe_init();
	for (uint32_t round = 0; round < 100; round++) {
		fill_pages(p, PAGES, 0x4000 + round * PAGES);
		unmap(p, PAGES);
		other = map_private(PAGES);
		fill_pages(other, PAGES, 0x900000);
		if (other != p) {
			check_probe(probe_read(p), PROBE_MAPERR, "unmapped");
			map_at(p, PAGES, RW,
			       MAP_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0);
			check_zero(p, PAGES);
			unmap(other, PAGES);
		}
		check_probe(probe_write(p + rng(PAGES) * PAGE), PROBE_OK,
			    "mapped again");
	}
}

/* Single pages taken out of a run, and put back from somewhere else. */
static void holes(void)
{
	const int pages = 400;
	int file = memory_file(pages, 0x6000);
	char *p = map_private(pages);

	probe_init();
	fill_pages(p, pages, 0x5000);
	for (int i = 0; i < pages; i += 2)
		unmap(p + i * PAGE, 1);
	for (int i = 0; i < pages; i++) {
		if (i % 2)
			check_page(p + i * PAGE, 0x5000 + i);
		else
			check_probe(probe_read(p + i * PAGE), PROBE_MAPERR,
				    "hole");
	}
	for (int i = 0; i < pages; i += 4)
		map_at(p + i * PAGE, 1, RW, MAP_SHARED | MAP_FIXED, file,
		       i * PAGE);
	for (int i = 0; i < pages; i++) {
		if (i % 4 == 2)
			check_probe(probe_write(p + i * PAGE), PROBE_MAPERR,
				    "hole");
		else
			check_page(p + i * PAGE,
				   (i % 4 ? 0x5000 : 0x6000) + i);
	}
	unmap(p, pages);
	for (int i = 0; i < pages; i++)
		check_probe(probe_read(p + i * PAGE), PROBE_MAPERR, "all gone");
}

/* munmap across mappings of different kinds, and of parts of them. */
static void across_mappings(void)
{
	char *p = map_at(NULL, 8 * PAGES, PROT_NONE, MAP_PRIVATE, -1, 0);

	probe_init();
	for (int i = 0; i < 8; i++)
		map_at(p + i * PAGES * PAGE, PAGES, RW, MAP_FIXED |
		       (i % 2 ? MAP_SHARED : MAP_PRIVATE),
		       i % 4 < 2 ? -1 : memory_file(PAGES, 0), 0);
	fill_pages(p, 8 * PAGES, 0x7000);
	unmap(p + PAGES / 2 * PAGE, PAGES);
	unmap(p + (3 * PAGES - 1) * PAGE, 2 * PAGES + 2);
	for (int i = 0; i < 8 * PAGES; i++) {
		bool gone = (i >= PAGES / 2 && i < PAGES / 2 + PAGES) ||
			    (i >= 3 * PAGES - 1 && i < 5 * PAGES + 1);

		if (gone)
			check_probe(probe_write(p + i * PAGE), PROBE_MAPERR,
				    "unmapped part");
		else
			check_page(p + i * PAGE, 0x7000 + i);
	}
}

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

/* Parts of one run emptied; the rest stays. */
static void dontneed(void)
{
	int file = memory_file(PAGES, 0x1000);
	char *private = map_private(PAGES);
	char *shared = map_shared(PAGES);
	char *copied = map_at(NULL, PAGES, RW, MAP_PRIVATE, file, 0);

	for (uint32_t round = 0; round < 60; round++) {
		uint32_t first = rng(PAGES), count = 1 + rng(PAGES - first);

		fill_pages(private, PAGES, 0x2000 + round);
		fill_pages(shared, PAGES, 0x3000 + round);
		fill_pages(copied, PAGES, 0x4000 + round);
		require_call(!madvise(private + first * PAGE, count * PAGE,
				      MADV_DONTNEED));
		require_call(!madvise(shared + first * PAGE, count * PAGE,
				      MADV_DONTNEED));
		require_call(!madvise(copied + first * PAGE, count * PAGE,
				      MADV_DONTNEED));
		for (uint32_t i = 0; i < PAGES; i++) {
			bool gone = i >= first && i < first + count;

			check_page(private + i * PAGE,
				   gone ? 0 : 0x2000 + round + i);
			check_page(shared + i * PAGE, 0x3000 + round + i);
			check_page(copied + i * PAGE,
				   (gone ? 0x1000 : 0x4000 + round) + i);
		}
		/* Read, then written: the zero page must not stay. */
		page_fill(private + first * PAGE, 0x5000);
		check_page(private + first * PAGE, 0x5000);
	}
}

/* MADV_FREE: old contents or zeroes, but what is written later stays. */
static void lazy_free(void)
{
	char *p = map_private(PAGES);

	for (uint32_t round = 0; round < 30; round++) {
		fill_pages(p, PAGES, 0x6000 + round);
		require_call(madvise(p, PAGES * PAGE, MADV_FREE) == 0);
		for (uint32_t i = 0; i < PAGES; i += 2)
			check(page_is(p + i * PAGE, 0x6000 + round + i) ||
			      page_is(p + i * PAGE, 0), "neither old nor zero");
		for (uint32_t i = 0; i < PAGES; i += 3)
			page_fill(p + i * PAGE, 0x7000 + i);
		require_call(!madvise(p, PAGES * PAGE, MADV_PAGEOUT));
		for (uint32_t i = 0; i < PAGES; i += 3)
			check_page(p + i * PAGE, 0x7000 + i);
	}
}

/* Pages of a file punched out under mappings of it. */
static void punched(int fd)
{
	char *shared = map_at(NULL, PAGES, RW, MAP_SHARED, fd, 0);
	char *alias = map_at(NULL, PAGES, PROT_READ, MAP_SHARED, fd, 0);
	char *copied = map_at(NULL, PAGES, RW, MAP_PRIVATE, fd, 0);

	for (int round = 0; round < 10; round++) {
		fill_pages(shared, PAGES, 0x8000);
		check_pages(alias, PAGES, 0x8000);
		page_fill(copied + 12 * PAGE, 0x9000);
		check_page(copied + 13 * PAGE, 0x8000 + 13);
		require_call(fallocate(fd, 3 /* punch a hole, keep size */,
				       10 * PAGE, 10 * PAGE) == 0);
		check_pages(shared, 10, 0x8000);
		check_zero(shared + 10 * PAGE, 10);
		check_pages(shared + 20 * PAGE, PAGES - 20, 0x8000 + 20);
		check_zero(alias + 10 * PAGE, 10);
		check_page(copied + 13 * PAGE, 0);
		check_page(copied + 12 * PAGE, 0x9000);
	}
	unmap(shared, PAGES);
	unmap(alias, PAGES);
	unmap(copied, PAGES);
	close(fd);
}

static void punch_holes(void)
{
	punched(memory_file(PAGES, 0));
	punched(disk_file(PAGES, 0));
}

/* What lies behind the end of a file: SIGBUS, for every kind of page. */
static void truncated(int fd)
{
	char *shared = map_at(NULL, PAGES, RW, MAP_SHARED, fd, 0);
	char *copied = map_at(NULL, PAGES, RW, MAP_PRIVATE, fd, 0);

	for (int round = 0; round < 10; round++) {
		require_call(ftruncate(fd, PAGES * PAGE) == 0);
		fill_pages(shared, PAGES, 0xa000);
		fill_pages(copied, PAGES / 2, 0xb000);
		if (round % 2)
			check_pages(copied + PAGES / 2 * PAGE, PAGES / 2,
				    0xa000 + PAGES / 2);
		require_call(ftruncate(fd, 20 * PAGE + 8) == 0);
		check_pages(shared, 20, 0xa000);
		check_pages(copied, 20, 0xb000);
		check(*(uint64_t *)(shared + 20 * PAGE) ==
		      tag_code(0xa000 + 20), "last word before the end");
		for (size_t i = 8; i < PAGE; i++)
			check(shared[20 * PAGE + i] == 0, "behind the end");
		for (int i = 21; i < PAGES; i++) {
			check_probe(probe_read(shared + i * PAGE), PROBE_BUS,
				    "cut off, shared");
			check_probe(probe_write(copied + i * PAGE), PROBE_BUS,
				    "cut off, private");
		}
		require_call(ftruncate(fd, PAGES * PAGE) == 0);
		check_zero(shared + 21 * PAGE, PAGES - 21);
		check_zero(copied + 21 * PAGE, PAGES - 21);
	}
	unmap(shared, PAGES);
	unmap(copied, PAGES);
	close(fd);
}

static void truncate_files(void)
{
	probe_init();
	truncated(memory_file(PAGES, 0));
	truncated(disk_file(PAGES, 0));
}

/* The file becomes shorter by another process's doing. */
static void truncated_by_another(void)
{
	int fd = memory_file(PAGES, 0x1000);
	char *p = map_at(NULL, PAGES, RW, MAP_SHARED, fd, 0);
	struct line line;
	pid_t child;

	probe_init();
	check_pages(p, PAGES, 0x1000);
	child = fork_with_line(&line);
	for (int round = 0; round < 10; round++) {
		fill_pages(p, child ? 0 : PAGES, 0x2000 + round);
		tell(&line);
		hear(&line);
		check_pages(p, PAGES, 0x2000 + round);
		tell(&line);
		hear(&line);
		if (child)
			require_call(ftruncate(fd, 3 * PAGE) == 0);
		tell(&line);
		hear(&line);
		check_probe(probe_read(p + 3 * PAGE), PROBE_BUS, "cut off");
		check_probe(probe_write(p + (PAGES - 1) * PAGE), PROBE_BUS,
			    "cut off");
		check_pages(p, 3, 0x2000 + round);
		tell(&line);
		hear(&line);
		if (child)
			require_call(ftruncate(fd, PAGES * PAGE) == 0);
		tell(&line);
		hear(&line);
	}
	if (!child)
		finish();
	wait_for(child);
}

static void program_break(void)
{
	char *start;

	probe_init();
	start = sbrk(0);
	start = (char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
	for (uint32_t round = 0; round < 50; round++) {
		require_call(brk(start + PAGES * PAGE) == 0);
		check_zero(start + 10 * PAGE, PAGES - 10);
		fill_pages(start, PAGES, 0xc000 + round);
		require_call(brk(start + 10 * PAGE) == 0);
		check_probe(probe_read(start + 10 * PAGE), PROBE_MAPERR,
			    "above the break");
		check_probe(probe_write(start + (PAGES - 1) * PAGE),
			    PROBE_MAPERR, "above the break");
		check_pages(start, 10, 0xc000 + round);
	}
}

/*
 * Addresses many terabytes apart, changed together. The last call unmaps all
 * between them, which is everything but program, heap and stack.
 */
static void far_apart(void)
{
	static const uintptr_t where[] = {
		0x20000000, 0x37ffff000, 0x7fffffe000, 0x8000000000,
		0x1ffffffe000, 0x200000000000, 0x555500000000, 0x7e0000000000,
	};
	const size_t n = sizeof(where) / sizeof(where[0]);

	probe_init();
	for (uint32_t round = 0; round < 20; round++) {
		for (size_t i = 0; i < n; i++)
			map_at((char *)where[i], 2, RW,
			       MAP_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0);
		for (size_t i = 0; i < n; i++) {
			check_zero((char *)where[i], 2);
			fill_pages((char *)where[i], 2, 0xd000 + round + i);
		}
		for (size_t i = 0; i < n; i++)
			protect((char *)where[n - 1 - i], 2, PROT_READ);
		for (size_t i = 0; i < n; i++) {
			check_probe(probe_write((char *)where[i]),
				    PROBE_ACCERR, "lowered");
			check_pages((char *)where[i], 2, 0xd000 + round + i);
		}
		/* One move across everything; then one call for all. */
		require_call(mremap((char *)where[0], PAGE, PAGE,
				    MREMAP_MAYMOVE | MREMAP_FIXED,
				    (char *)where[n - 1]) != MAP_FAILED);
		check_page((char *)where[n - 1], 0xd000 + round);
		require_call(munmap((char *)where[0], where[n - 1] + 2 * PAGE -
				    where[0]) == 0);
		for (size_t i = 0; i < n; i++)
			check_probe(probe_read((char *)where[i]), PROBE_MAPERR,
				    "unmapped in one call");
	}
}

/*
 * One system call changes pages at very many places: more than any list of
 * changed ranges may hold.
 */
static void many_places(void)
{
	enum { PLACES = 200 };
	static struct iovec vector[PLACES];
	int fd = memory_file(3 * PLACES, 0x10000);
	int self = syscall(SYS_pidfd_open, getpid(), 0);
	const off_t part = PLACES * PAGE;
	pid_t child;

	require_call(self >= 0);
	for (uintptr_t i = 0; i < PLACES; i++) {
		char *at = (char *)(0x100000000000 + (i << 30) + i * PAGE);

		vector[i].iov_base = map_at(at, 1, RW, MAP_PRIVATE |
					    MAP_FIXED_NOREPLACE, -1, 0);
		vector[i].iov_len = PAGE;
		if (i % 2)
			check_page(at, 0);
	}
	require_call(preadv(fd, vector, PLACES, 0) == part);
	for (int i = 0; i < PLACES; i++)
		check_page(vector[i].iov_base, 0x10000 + i);
	child = fork_or_fail();
	require_call(preadv(fd, vector, PLACES, child ? part : 2 * part) ==
		     part);
	for (int i = 0; i < PLACES; i++)
		check_page(vector[i].iov_base,
			   0x10000 + (child ? PLACES : 2 * PLACES) + i);
	if (!child)
		finish();
	wait_for(child);
	for (int i = 0; i < PLACES; i++)
		check_page(vector[i].iov_base, 0x10000 + PLACES + i);
	require_call(syscall(SYS_process_madvise, self, vector, PLACES / 2,
			     MADV_DONTNEED, 0) == part / 2);
	for (int i = 0; i < PLACES; i++)
		check_page(vector[i].iov_base,
			   i < PLACES / 2 ? 0 : 0x10000 + PLACES + i);
}

/*
 * The only pages below a page table, a directory, an upper directory: taking
 * them away frees the tables. Then other contents at the same address.
 */
static void page_tables_freed(void)
{
	const uintptr_t base = 0x600000000000;
	static const uintptr_t offset[] = { 0, 2 * MIB, 1 << 30, 1ul << 39 };

	probe_init();
	for (uint32_t round = 0; round < 60; round++) {
		for (int i = 0; i < 4; i++) {
			char *p = (char *)(base + offset[i]);

			map_at(p, 1, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
			       -1, 0);
			check_page(p, 0);
			page_fill(p, 0xe000 + round * 4 + i);
		}
		for (int i = 0; i < 4; i++)
			check_page((char *)(base + offset[i]),
				   0xe000 + round * 4 + i);
		for (int i = 0; i < 4; i++)
			unmap((char *)(base + offset[(i + round) % 4]), 1);
		if (round % 2)
			for (int i = 0; i < 4; i++)
				check_probe(probe_read((char *)(base +
								offset[i])),
					    PROBE_MAPERR, "tables freed");
	}
}

/* mlock keeps the pages and changes nothing that can be seen. */
static void locked(void)
{
	char *p = map_private(PAGES);
	pid_t child;

	probe_init();
	fill_pages(p, PAGES / 2, 0x1000);
	require_call(mlock(p, PAGES * PAGE) == 0);
	check_pages(p, PAGES / 2, 0x1000);
	check_zero(p + PAGES / 2 * PAGE, PAGES / 2);
	fill_pages(p, PAGES, 0x2000);
	child = fork_or_fail();
	fill_pages(p, PAGES, child ? 0x3000 : 0x4000);
	require_call(munlock(p, PAGES / 4 * PAGE) == 0);
	protect(p + PAGES / 2 * PAGE, PAGES / 2, PROT_READ);
	check_pages(p, PAGES, child ? 0x3000 : 0x4000);
	check_probe(probe_write(p + (PAGES - 1) * PAGE), PROBE_ACCERR,
		    "locked and read-only");
	if (!child)
		finish();
	wait_for(child);
	unmap(p, PAGES);
	check(mlock(p, PAGE) == -1 && errno == ENOMEM, "mlock of a hole");
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

/* One file at many places, forwards, backwards and page by page. */
static void aliases(void)
{
	int fd = memory_file(PAGES, 0x1000);
	char *forward = map_at(NULL, PAGES, RW, MAP_SHARED, fd, 0);
	char *backward = map_at(NULL, PAGES, PROT_NONE, MAP_PRIVATE, -1, 0);
	char *same = map_at(NULL, PAGES, PROT_NONE, MAP_PRIVATE, -1, 0);

	for (int i = 0; i < PAGES; i++) {
		map_at(backward + i * PAGE, 1, RW, MAP_SHARED | MAP_FIXED, fd,
		       (PAGES - 1 - i) * PAGE);
		map_at(same + i * PAGE, 1, RW, MAP_SHARED | MAP_FIXED, fd,
		       5 * PAGE);
	}
	for (uint32_t round = 0; round < 10; round++) {
		for (int i = 0; i < PAGES; i++)
			check_page(backward + i * PAGE,
				   0x1000 + round * PAGES + PAGES - 1 - i);
		check_pages(forward, PAGES, 0x1000 + round * PAGES);
		for (int i = 0; i < PAGES; i++)
			check_page(same + i * PAGE, 0x1000 + round * PAGES + 5);
		for (int i = 0; i < PAGES; i++)
			page_fill(backward + (PAGES - 1 - i) * PAGE,
				  0x1000 + (round + 1) * PAGES + i);
	}
}

/* Every page of the file as the disk has it. */
static void check_disk(int fd, uint32_t first_tag)
{
	static char page[PAGE] __attribute__((aligned(4096)));

	require_call(fsync(fd) == 0);
	require_call(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	for (int i = 0; i < PAGES; i++) {
		require_call(pread(fd, page, PAGE, i * PAGE) == (ssize_t)PAGE);
		check_page(page, first_tag + i);
	}
}

/*
 * Written, cleaned by msync, written again: the second write must make the
 * page dirty again, or it never gets to the disk.
 */
static void dirty_again(void)
{
	int fd = disk_file(PAGES, 0x1000);
	char *p;

	for (uint32_t round = 0; round < 8; round++) {
		p = map_at(NULL, PAGES, RW, MAP_SHARED, fd, 0);
		fill_pages(p, PAGES, 0x2000 + round);
		require_call(msync(p, PAGES * PAGE, MS_SYNC) == 0);
		fill_pages(p, PAGES, 0x3000 + round);
		if (round % 2) {
			protect(p, PAGES, PROT_READ);
			check_pages(p, PAGES, 0x3000 + round);
			require_call(msync(p, PAGES * PAGE, MS_SYNC) == 0);
			protect(p, PAGES, RW);
			fill_pages(p, PAGES, 0x4000 + round);
		}
		if (round % 4 > 1) {
			pid_t child = fork_or_fail();

			if (child == 0) {
				require_call(!msync(p, PAGES * PAGE, MS_SYNC));
				fill_pages(p, PAGES, 0x5000 + round);
				finish();
			}
			wait_for(child);
		}
		unmap(p, PAGES);
		check_disk(fd, (round % 4 > 1 ? 0x5000 :
				round % 2 ? 0x4000 : 0x3000) + round);
	}
	/* Read first, then written, through an entry that is clean. */
	p = map_at(NULL, PAGES, RW, MAP_SHARED, fd, 0);
	check_pages(p, PAGES, 0x5000 + 7);
	fill_pages(p, PAGES, 0x6000);
	unmap(p, PAGES);
	check_disk(fd, 0x6000);
}

/* The same page again at the same address, with more or less protection. */
static void same_frame(void)
{
	int fd = memory_file(4, 0x1000);
	char *p = map_at(NULL, 4, RW, MAP_SHARED, fd, 0);

	probe_init();
	for (uint32_t round = 0; round < 50; round++) {
		check_pages(p, 4, 0x1000 + round);
		map_at(p, 4, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
		if (round % 2)
			check_pages(p, 4, 0x1000 + round);
		for (int i = 0; i < 4; i++)
			check_probe(probe_write(p + i * PAGE), PROBE_ACCERR,
				    "lowered by a new mapping");
		map_at(p, 4, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, 0);
		check_probe(probe_read(p), PROBE_ACCERR, "closed");
		map_at(p, 4, RW, MAP_SHARED | MAP_FIXED, fd, 0);
		fill_pages(p, 4, 0x1001 + round);
		/* Emptied and filled again from the same page. */
		require_call(madvise(p, 4 * PAGE, MADV_DONTNEED) == 0);
		check_probe(probe_read(p), PROBE_OK, "refilled");
		protect(p, 4, PROT_READ);
		check_probe(probe_write(p + PAGE), PROBE_ACCERR, "lowered");
		protect(p, 4, RW);
	}
}

static void populated(void)
{
	unsigned char resident[PAGES];
	char *p = map_at(NULL, PAGES, RW, MAP_PRIVATE | MAP_POPULATE, -1, 0);
	int fd = memory_file(PAGES, 0x1000);

	probe_init();
	require_call(mincore(p, PAGES * PAGE, resident) == 0);
	for (int i = 0; i < PAGES; i++)
		check(resident[i] & 1, "page %d was not populated", i);
	check_zero(p, PAGES);
	fill_pages(p, PAGES, 0x2000);
	map_at(p, PAGES, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
	       0);
	check_probe(probe_write(p), PROBE_ACCERR, "populated read-only");
	check_pages(p, PAGES, 0x1000);
	p = map_private(PAGES);
	require_call(madvise(p, PAGES * PAGE, MADV_POPULATE_READ) == 0);
	for (int i = 0; i < PAGES; i += 2)
		page_fill(p + i * PAGE, 0x3000 + i);
	require_call(madvise(p, PAGES * PAGE, MADV_POPULATE_WRITE) == 0);
	for (int i = 0; i < PAGES; i++)
		check_page(p + i * PAGE, i % 2 ? 0 : 0x3000 + i);
}

static void system_v(void)
{
	int id = shmget(IPC_PRIVATE, PAGES * PAGE, IPC_CREAT | 0600);
	char *a, *b;
	pid_t child;

	probe_init();
	require_call(id >= 0);
	a = shmat(id, NULL, 0);
	b = shmat(id, NULL, SHM_RDONLY);
	require_call(a != (void *)-1 && b != (void *)-1);
	require_call(shmctl(id, IPC_RMID, NULL) == 0);
	fill_pages(a, PAGES, 0x1000);
	check_pages(b, PAGES, 0x1000);
	check_probe(probe_write(b), PROBE_ACCERR, "attached read-only");
	child = fork_or_fail();
	if (child == 0) {
		fill_pages(a, PAGES, 0x2000);
		require_call(shmdt(a) == 0);
		check_probe(probe_read(a), PROBE_MAPERR, "detached");
		check_pages(b, PAGES, 0x2000);
		finish();
	}
	wait_for(child);
	check_pages(a, PAGES, 0x2000);
	require_call(shmdt(b) == 0);
	check_probe(probe_read(b), PROBE_MAPERR, "detached");
	check_pages(a, PAGES, 0x2000);
}

/* A stack mapping grows where it is touched. */
static void grows_down(void)
{
	char *p = map_private(PAGES);
	char *top = p + (PAGES - 1) * PAGE;

	probe_init();
	unmap(p, PAGES);
	map_at(top, 1, RW, MAP_PRIVATE | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
	page_fill(top, 0x1000);
	for (int i = 1; i < PAGES; i++) {
		check_page(top - i * PAGE, 0);
		page_fill(top - i * PAGE, 0x1000 + i);
	}
	for (int i = 0; i < PAGES; i++)
		check_page(top - i * PAGE, 0x1000 + i);
}

/*
 * The lowest addresses: the host may refuse them. Then this process may get an
 * error or a signal, but wrong contents or the end of the kernel it must not.
 */
static void lowest_addresses(void)
{
	pid_t child = fork_or_fail();
	int status;

	if (child == 0) {
		char *p = mmap((void *)PAGE, 4 * PAGE, RW, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		if (p == MAP_FAILED)
			_exit(0);
		fill_pages(p, 4, 0x1000);
		check_pages(p, 4, 0x1000);
		finish();
	}
	require_call(waitpid(child, &status, 0) == child);
	check(WIFSIGNALED(status) || WEXITSTATUS(status) == 0,
	      "wrong contents");
	child = fork_or_fail();
	if (child == 0)
		finish();
	wait_for(child);
}

static const struct ktap_case cases[] = {
	{ "replaced by MAP_FIXED", replace, 0 },
	{ "nothing left behind", nothing_left_behind, 0 },
	{ "holes", holes, 0 },
	{ "munmap across mappings", across_mappings, 0 },
	{ "mremap: grow, shrink, move", mremap_sizes, 0 },
	{ "mremap: rotate", mremap_rotate, 0 },
	{ "mremap: dontunmap", mremap_dontunmap, 0 },
	{ "mremap: whole page tables", mremap_page_tables, 0 },
	{ "madvise: dontneed", dontneed, 0 },
	{ "madvise: free", lazy_free, 0 },
	{ "holes punched into files", punch_holes, 0 },
	{ "truncated files", truncate_files, 0 },
	{ "truncated by another process", truncated_by_another, 0 },
	{ "program break", program_break, 0 },
	{ "far apart", far_apart, 0 },
	{ "many places in one call", many_places, 0 },
	{ "page tables freed", page_tables_freed, 0 },
	{ "mlock", locked, 0 },
	{ "code changed and moved", code, 0 },
	{ "aliases", aliases, 0 },
	{ "dirty again after msync", dirty_again, 0 },
	{ "same frame, other protection", same_frame, 0 },
	{ "populated", populated, 0 },
	{ "System V shared memory", system_v, 0 },
	{ "grows down", grows_down, 0 },
	{ "lowest addresses", lowest_addresses, 0 },
};

int main(void)
{
	return KTAP_MAIN(cases);
}
