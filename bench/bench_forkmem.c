// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork of a process that holds much memory, until the child has ended and was
 * waited for. Before each fork, unmeasured, every page is written again, so
 * that each fork finds all of the memory writable, as a working process's is,
 * and has to take that away.
 *
 * Memory is physically contiguous when it was touched in order. "frag" is the
 * same amount made resident in blocks of two pages in random order, so that
 * blocks that are neighbours in the address space lie far apart in physical
 * memory. Blocks of one page would come to 65 536 host mappings in 256 MiB,
 * just more than vm.max_map_count allows by default, and stock UML never
 * comes to an end there.
 *
 * In "read" the child reads every page, which the fork has left it as not used;
 * in "rewrite" it writes every page, so each is copied.
 */
#include "bench.h"

#define BLOCK (2 * PAGE)

static unsigned char *memory;

/* A fixed seed: each kernel gets the same order */
static size_t random_below(size_t limit)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

static void populate_in_random_order(unsigned char *p, size_t size)
{
	size_t count = size / BLOCK;
	size_t *order = malloc(count * sizeof(*order));

	if (!order)
		die("malloc");
	for (size_t i = 0; i < count; i++)
		order[i] = i;
	for (size_t i = count - 1; i > 0; i--) {
		size_t j = random_below(i + 1), other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
	for (size_t i = 0; i < count; i++)
		make_resident(p + order[i] * BLOCK, BLOCK, 1);
	free(order);
}

static void take_memory(const struct metric *m)
{
	memory = map_anonymous(m->mib * MIB);
	if (m->fragmented)
		populate_in_random_order(memory, m->mib * MIB);
}

static void give_memory_back(const struct metric *m)
{
	if (munmap(memory, m->mib * MIB))
		die("munmap");
}

static void use_nothing(size_t size)
{
	(void)size;
}

static void read_all(size_t size)
{
	expect_pages(memory, size, 1);
}

static void rewrite_all(size_t size)
{
	write_pages(memory, size, 2);
}

/* Forks of writable memory, each until the child was waited for. */
static uint64_t time_forks(const struct metric *m, long ops,
			   void (*child)(size_t size))
{
	size_t size = m->mib * MIB;
	uint64_t took = 0;

	for (long i = 0; i < ops; i++) {
		uint64_t start;
		pid_t pid;

		make_resident(memory, size, 1);
		start = now_ns();
		pid = fork();
		if (!pid) {
			child(size);
			_exit(CHILD_STATUS);
		}
		wait_for_child(pid);
		took += now_ns() - start;
		expect_pages(memory, size, 1);
	}
	return took;
}

static uint64_t run_fork(const struct metric *m, long ops)
{
	return time_forks(m, ops, use_nothing);
}

static uint64_t run_fork_read(const struct metric *m, long ops)
{
	return time_forks(m, ops, read_all);
}

static uint64_t run_fork_rewrite(const struct metric *m, long ops)
{
	return time_forks(m, ops, rewrite_all);
}

static const struct metric metrics[] = {
	{ .name = "fork_16m", .unit = "us", .first_ops = 2, .mib = 16,
	  .setup = take_memory, .run = run_fork,
	  .teardown = give_memory_back },
	{ .name = "fork_16m_frag", .unit = "us", .first_ops = 2, .mib = 16,
	  .fragmented = 1, .setup = take_memory, .run = run_fork,
	  .teardown = give_memory_back },
	{ .name = "fork_read_16m", .unit = "us", .first_ops = 1, .mib = 16,
	  .setup = take_memory, .run = run_fork_read,
	  .teardown = give_memory_back },
	{ .name = "fork_rewrite_16m", .unit = "us", .first_ops = 1, .mib = 16,
	  .setup = take_memory, .run = run_fork_rewrite,
	  .teardown = give_memory_back },
	{ .name = "fork_256m", .unit = "us", .first_ops = 1, .mib = 256,
	  .setup = take_memory, .run = run_fork,
	  .teardown = give_memory_back },
	{ .name = "fork_256m_frag", .unit = "us", .first_ops = 1, .mib = 256,
	  .fragmented = 1, .setup = take_memory, .run = run_fork,
	  .teardown = give_memory_back },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 6);
}
