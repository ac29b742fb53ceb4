// SPDX-License-Identifier: GPL-2.0-only
/*
 * First touch of memory, page after page, figure per page: anonymous memory
 * in address order and in random order (written), and files that are in the
 * page cache already (read): one where the current directory is, the disk's
 * file system in the guest, and one in /tmp or $TMPDIR, a tmpfs there.
 *
 * Mappings are made and removed unmeasured, each for at most 16 MiB.
 */
#include <fcntl.h>

#include "bench.h"

#define FILE_VALUE	7
#define CHUNK_PAGES	(16 * MIB / PAGE)

static size_t order[CHUNK_PAGES];
static int file;

static void no_order(const struct metric *m)
{
	(void)m;
	for (size_t i = 0; i < CHUNK_PAGES; i++)
		order[i] = i;
}

/* A fixed seed: each kernel gets the same order */
static void random_order(const struct metric *m)
{
	unsigned int seed = 1;

	no_order(m);
	for (size_t i = CHUNK_PAGES - 1; i > 0; i--) {
		size_t j = rand_r(&seed) % (i + 1), other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
}

static uint64_t touch_anonymous(size_t pages)
{
	unsigned char *p = map_anonymous(CHUNK_PAGES * PAGE);
	uint64_t start = now_ns(), took;

	for (size_t i = 0; i < pages; i++)
		*(volatile unsigned char *)(p + order[i] * PAGE) = 1;
	took = now_ns() - start;
	for (size_t i = 0; i < pages; i++)
		expect(p[order[i] * PAGE] == 1, "content of a page");
	if (munmap(p, CHUNK_PAGES * PAGE))
		die("munmap");
	return took;
}

static uint64_t touch_file(size_t pages)
{
	unsigned char *p = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED,
				file, 0);
	unsigned long sum = 0;
	uint64_t took;

	if (p == MAP_FAILED)
		die("mmap of a file");
	took = now_ns();
	for (size_t i = 0; i < pages; i++)
		sum += *(volatile unsigned char *)(p + i * PAGE);
	took = now_ns() - took;
	expect(sum == pages * FILE_VALUE, "content of the file");
	if (munmap(p, pages * PAGE))
		die("munmap");
	return took;
}

static uint64_t in_chunks(uint64_t (*touch)(size_t pages), long pages)
{
	uint64_t took = 0;

	while (pages > 0) {
		size_t chunk = (size_t)pages < CHUNK_PAGES ? (size_t)pages :
							     CHUNK_PAGES;

		took += touch(chunk);
		pages -= chunk;
	}
	return took;
}

static uint64_t run_anonymous(const struct metric *m, long ops)
{
	(void)m;
	return in_chunks(touch_anonymous, ops);
}

static uint64_t run_file(const struct metric *m, long ops)
{
	(void)m;
	return in_chunks(touch_file, ops);
}

/* A file of CHUNK_PAGES pages, all in the page cache and without a name */
static void make_file(const char *directory)
{
	static unsigned char block[MIB];
	char path[256];

	snprintf(path, sizeof(path), "%s/bench_fault.XXXXXX", directory);
	file = mkstemp(path);
	if (file < 0)
		die(path);
	unlink(path);
	memset(block, FILE_VALUE, sizeof(block));
	for (size_t i = 0; i < CHUNK_PAGES * PAGE; i += sizeof(block))
		if (write(file, block, sizeof(block)) != sizeof(block))
			die("write");
	if (fsync(file))
		die("fsync");
}

static void make_disk_file(const struct metric *m)
{
	(void)m;
	make_file(".");
}

static void make_tmpfs_file(const struct metric *m)
{
	const char *directory = getenv("TMPDIR");

	(void)m;
	make_file(directory ? directory : "/tmp");
}

static void close_file(const struct metric *m)
{
	(void)m;
	close(file);
}

static const struct metric metrics[] = {
	{ .name = "fault_seq", .unit = "us/page", .first_ops = 256,
	  .setup = no_order, .run = run_anonymous },
	{ .name = "fault_random", .unit = "us/page", .first_ops = 256,
	  .setup = random_order, .run = run_anonymous },
	{ .name = "fault_file_disk", .unit = "us/page", .first_ops = 256,
	  .setup = make_disk_file, .run = run_file, .teardown = close_file },
	{ .name = "fault_file_tmpfs", .unit = "us/page", .first_ops = 256,
	  .setup = make_tmpfs_file, .run = run_file, .teardown = close_file },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 4);
}
