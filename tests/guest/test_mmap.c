// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that come and go: whatever stood at an address before, only what is
 * mapped there now may be seen.
 *
 * Each case is a sequence that a cache of translations could get wrong: the
 * same address with another frame, a hole in the middle of a run that was filled
 * as one, changes far apart within one system call, page tables that were freed
 * and made again.
 */
#include "memory.h"

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
		0x1ffffffe000, 0x400000400000, 0x555500000000, 0x7e0000000000,
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
	{ "program break", program_break, 0 },
	{ "far apart", far_apart, 0 },
	{ "many places in one call", many_places, 0 },
	{ "page tables freed", page_tables_freed, 0 },
	{ "grows down", grows_down, 0 },
	{ "lowest addresses", lowest_addresses, 0 },
};

KTAP_TESTS(cases)
