// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that stay while the pages behind them change: emptied, punched out,
 * cut off with the end of their file, cleaned and written again, seen through
 * several mappings at once.
 */
#include "memory.h"

#include <sys/ipc.h>
#include <sys/shm.h>

#define PAGES 64
#define RW (PROT_READ | PROT_WRITE)

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

static const struct ktap_case cases[] = {
	{ "madvise: dontneed", dontneed, 0 },
	{ "madvise: free", lazy_free, 0 },
	{ "holes punched into files", punch_holes, 0 },
	{ "truncated files", truncate_files, 0 },
	{ "truncated by another process", truncated_by_another, 0 },
	{ "mlock", locked, 0 },
	{ "aliases", aliases, 0 },
	{ "dirty again after msync", dirty_again, 0 },
	{ "same frame, other protection", same_frame, 0 },
	{ "populated", populated, 0 },
	{ "System V shared memory", system_v, 0 },
};

KTAP_TESTS(cases)
