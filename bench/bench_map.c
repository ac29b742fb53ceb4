// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of mappings that are in use:
 *
 * mprotect_16m		16 MiB made read-only and writable again
 * mprotect_16m_write	the same, and every page is written afterwards: a kernel
 *			that raises the protection only when needed pays here
 * munmap_16m		16 MiB of resident memory unmapped
 * mremap_0m, _256m	one page moved to and fro, written after each move, over
 *			256 MiB in between that are mapped, and of which nothing
 *			or everything is resident. One operation is one move.
 */
#define _GNU_SOURCE		/* mremap */
#include "bench.h"

#define SIZE	(16 * MIB)
#define GAP	(256 * MIB)

static unsigned char *memory;

static void take_memory(const struct metric *m)
{
	(void)m;
	memory = map_anonymous(SIZE);
	make_resident(memory, SIZE, 1);
}

static void give_memory_back(const struct metric *m)
{
	(void)m;
	expect_pages(memory, SIZE, 1);
	if (munmap(memory, SIZE))
		die("munmap");
}

static void lower_and_raise(void)
{
	if (mprotect(memory, SIZE, PROT_READ) ||
	    mprotect(memory, SIZE, PROT_READ | PROT_WRITE))
		die("mprotect");
}

static uint64_t run_mprotect(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++)
		lower_and_raise();
	return now_ns() - start;
}

static uint64_t run_mprotect_write(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		lower_and_raise();
		write_pages(memory, SIZE, 1);
	}
	return now_ns() - start;
}

static uint64_t run_munmap(const struct metric *m, long ops)
{
	uint64_t took = 0;

	(void)m;
	for (long i = 0; i < ops; i++) {
		unsigned char *p = map_anonymous(SIZE);
		uint64_t start;

		make_resident(p, SIZE, 1);
		start = now_ns();
		if (munmap(p, SIZE))
			die("munmap");
		took += now_ns() - start;
	}
	return took;
}

/* Layout: the page, the gap, room for the page */
static void lay_out_gap(const struct metric *m)
{
	memory = map_anonymous(PAGE + GAP + PAGE);
	if (munmap(memory + PAGE + GAP, PAGE))
		die("munmap");
	/* another mapping than its neighbours, so that it is moved alone */
	if (mprotect(memory + PAGE, GAP, PROT_READ | PROT_WRITE | PROT_EXEC))
		die("mprotect");
	if (m->mib)
		make_resident(memory + PAGE, m->mib * MIB, 1);
	*memory = 0;
}

static void remove_gap(const struct metric *m)
{
	if (m->mib)
		expect_pages(memory + PAGE, m->mib * MIB, 1);
	if (munmap(memory, PAGE + GAP + PAGE))
		die("munmap");
}

static void move_page(unsigned char *from, unsigned char *to)
{
	unsigned char before = *from;

	if (mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		die("mremap");
	expect(*to == before, "content of the moved page");
	*to = before + 1;
}

static uint64_t run_mremap(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		move_page(memory, memory + PAGE + GAP);
		move_page(memory + PAGE + GAP, memory);
	}
	return now_ns() - start;
}

static const struct metric metrics[] = {
	{ .name = "mprotect_16m", .unit = "us", .first_ops = 5,
	  .setup = take_memory, .run = run_mprotect,
	  .teardown = give_memory_back },
	{ .name = "mprotect_16m_write", .unit = "us", .first_ops = 5,
	  .setup = take_memory, .run = run_mprotect_write,
	  .teardown = give_memory_back },
	{ .name = "munmap_16m", .unit = "us", .first_ops = 5,
	  .run = run_munmap },
	{ .name = "mremap_0m", .unit = "us", .first_ops = 10, .scale = 2,
	  .setup = lay_out_gap, .run = run_mremap, .teardown = remove_gap },
	{ .name = "mremap_256m", .unit = "us", .first_ops = 10, .scale = 2,
	  .mib = 256, .setup = lay_out_gap, .run = run_mremap,
	  .teardown = remove_gap },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 5);
}
