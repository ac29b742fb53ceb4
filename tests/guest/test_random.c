// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random memory operations against a model of what every page should be.
 *
 * One arena of some hundred pages. The model knows of each page: is anything
 * mapped there, what backs it, which protection and which contents. An
 * operation changes both; then a few pages, and now and then all, are compared
 * by reading, writing and running them. A fork gives the child its own copy of
 * the model: it compares everything, and both go on at the same time.
 *
 *   test_random [SECONDS [SEED]]
 *
 * The seed is printed; the same seed gives the same operations in every process
 * (not the same interleaving of several). Also useful with swap turned on:
 * "test_swap -- test_random".
 */
#include "memory.h"

#define PAGES 256
#define FILE_PAGES 128
#define RW (PROT_READ | PROT_WRITE)
#define MAX_RUN 48

enum backing { NOTHING, PRIVATE, PRIVATE_FILE, SHARED_FILE };

struct page {
	enum backing backing;
	int prot;
	uint32_t tag;		/* unless it shows the file */
	bool shows_file;
	uint32_t file_page;
};

static double run_seconds = 5;
static uint64_t seed;
static char *arena;
static struct page model[PAGES];
static int file;
static uint32_t file_tag[FILE_PAGES];
static uint32_t next_tag = 1;
static unsigned long operations;
static bool readable_is_executable;
static bool children_allowed = true;

static char *at(uint32_t page)
{
	return arena + page * PAGE;
}

static uint32_t tag_of(const struct page *m)
{
	return m->shows_file ? file_tag[m->file_page] : m->tag;
}

static uint32_t new_tag(void)
{
	return next_tag++;
}

/* --- comparing --- */

static enum probe expected(bool mapped, bool permitted)
{
	if (!mapped)
		return PROBE_MAPERR;
	return permitted ? PROBE_OK : PROBE_ACCERR;
}

static void failed(uint32_t page, const char *what, enum probe got)
{
	const struct page *m = &model[page];

	ktap_note("seed %lu, operation %lu: %s gave %s\n", (unsigned long)seed,
		  operations, what, probe_name(got));
	require(false,
		"page %u: backing %d, protection %d, tag %#x, shows file %d",
		page, m->backing, m->prot, tag_of(m), m->shows_file);
}

/* A permitted write takes a private file page's own copy. */
static void wrote(struct page *m)
{
	if (m->backing == PRIVATE_FILE && m->shows_file) {
		m->tag = tag_of(m);
		m->shows_file = false;
	}
}

/* The page got new contents; a shared one takes the file along. */
static void set_tag(struct page *m, uint32_t tag)
{
	wrote(m);
	if (m->shows_file)
		file_tag[m->file_page] = tag;
	else
		m->tag = tag;
}

/* In an order that differs, as the first access decides what faults. */
static void compare(uint32_t page)
{
	struct page *m = &model[page];
	bool mapped = m->backing != NOTHING;
	bool exec = m->prot & PROT_EXEC ||
		    (m->prot & PROT_READ && readable_is_executable);
	uint32_t first = rng(3), returned = ~0u;

	for (uint32_t i = 0; i < 3; i++) {
		enum probe got, wanted;

		switch ((first + i) % 3) {
		case 0:
			got = probe_read(at(page));
			wanted = expected(mapped, m->prot & PROT_READ);
			if (got != wanted)
				failed(page, "read", got);
			if (got == PROBE_OK && !page_is(at(page), tag_of(m)))
				failed(page, "contents", page_tag(at(page)));
			break;
		case 1:
			got = probe_write(at(page));
			wanted = expected(mapped, m->prot & PROT_WRITE);
			if (got != wanted)
				failed(page, "write", got);
			if (got == PROBE_OK)
				wrote(m);
			break;
		case 2:
			if (mapped && tag_of(m) == 0)
				break;
			got = probe_exec(at(page), &returned);
			wanted = expected(mapped, exec);
			if (got != wanted)
				failed(page, "run", got);
			if (got == PROBE_OK && returned != tag_of(m))
				failed(page, "another page's code", got);
			break;
		}
	}
}

/* Reading only, so that pages can stay untouched or clean. */
static void compare_softly(uint32_t page)
{
	struct page *m = &model[page];

	if (m->backing != NOTHING && m->prot & PROT_READ &&
	    !page_is(at(page), tag_of(m)))
		failed(page, "contents", PROBE_OK);
}

static void compare_all(void)
{
	for (uint32_t i = 0; i < PAGES; i++)
		compare_softly(i);
	for (uint32_t i = 0; i < PAGES; i++)
		compare(i);
}

/* --- operations; each gets a run of pages --- */

static int random_protection(void)
{
	static const int choice[] = {
		PROT_NONE, PROT_READ, RW, RW, RW, PROT_READ | PROT_EXEC,
		RW | PROT_EXEC,
	};

	return choice[rng(sizeof(choice) / sizeof(choice[0]))];
}

static void op_map_private(uint32_t first, uint32_t count)
{
	int prot = random_protection();

	map_at(at(first), count, prot, MAP_PRIVATE | MAP_FIXED |
	       (rng(8) ? 0 : MAP_POPULATE), -1, 0);
	for (uint32_t i = first; i < first + count; i++)
		model[i] = (struct page){ .backing = PRIVATE, .prot = prot };
}

static void op_map_file(uint32_t first, uint32_t count)
{
	bool shared = rng(2);
	uint32_t from = rng(FILE_PAGES);
	int prot = random_protection();
	/* Populating a private, writable mapping copies its pages at once. */
	bool populate = (shared || !(prot & PROT_WRITE)) && rng(8) == 0;

	if (count > FILE_PAGES - from)
		count = FILE_PAGES - from;
	map_at(at(first), count, prot, (shared ? MAP_SHARED : MAP_PRIVATE) |
	       MAP_FIXED | (populate ? MAP_POPULATE : 0), file, from * PAGE);
	for (uint32_t i = 0; i < count; i++)
		model[first + i] = (struct page){
			.backing = shared ? SHARED_FILE : PRIVATE_FILE,
			.prot = prot, .shows_file = true,
			.file_page = from + i,
		};
}

static void op_unmap(uint32_t first, uint32_t count)
{
	unmap(at(first), count);
	memset(&model[first], 0, count * sizeof(model[0]));
}

static bool has_hole(uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		if (model[i].backing == NOTHING)
			return true;
	return false;
}

/* Over a hole it changes what lies in front of the hole, and fails. */
static void op_protect(uint32_t first, uint32_t count)
{
	int prot = random_protection();
	bool hole = has_hole(first, count);
	int result = mprotect(at(first), count * PAGE, prot);

	require(result == (hole ? -1 : 0), "seed %lu: mprotect gave %d, %s",
		(unsigned long)seed, result, strerror(errno));
	for (uint32_t i = first; i < first + count; i++) {
		if (model[i].backing == NOTHING)
			break;
		model[i].prot = prot;
	}
}

static void op_touch(uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		struct page *m = &model[i];

		if (m->backing == NOTHING || !(m->prot & PROT_WRITE))
			continue;
		set_tag(m, new_tag());
		page_fill(at(i), tag_of(m));
	}
}

/* Holes make it fail, but all pages are done. */
static void op_dontneed(uint32_t first, uint32_t count)
{
	madvise(at(first), count * PAGE, MADV_DONTNEED);
	for (uint32_t i = first; i < first + count; i++) {
		struct page *m = &model[i];

		m->tag = 0;
		m->shows_file = m->backing >= PRIVATE_FILE;
	}
}

/* Advice that must change nothing. */
static void op_advise(uint32_t first, uint32_t count)
{
	static const int advice[] = {
		MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED, MADV_RANDOM,
		MADV_SEQUENTIAL, MADV_NORMAL, MADV_POPULATE_READ,
	};

	madvise(at(first), count * PAGE,
		advice[rng(sizeof(advice) / sizeof(advice[0]))]);
}

/* mremap wants one mapping: neighbours that could be one. */
static bool one_mapping(uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		const struct page *a = &model[first], *b = &model[i];

		if (b->backing != a->backing || b->prot != a->prot ||
		    a->backing == NOTHING ||
		    (a->backing != PRIVATE &&
		     b->file_page - a->file_page != i - first))
			return false;
	}
	return true;
}

/*
 * Without overlap, onto whatever is there. Or a single page moves and leaves
 * an empty mapping behind.
 */
static void op_move(uint32_t first, uint32_t count)
{
	uint32_t to = rng(PAGES);
	bool keep = model[first].backing == PRIVATE && rng(3) == 0;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	struct page left = { .backing = NOTHING };

	while (count > 1 && (keep || !one_mapping(first, count)))
		count /= 2;
	if (!one_mapping(first, count) || to + count > PAGES ||
	    (to < first + count && first < to + count))
		return;
	if (keep) {
		flags |= MREMAP_DONTUNMAP;
		left = (struct page){ .backing = PRIVATE,
				      .prot = model[first].prot };
	}
	require_call(mremap(at(first), count * PAGE, count * PAGE, flags,
			    at(to)) == at(to));
	memcpy(&model[to], &model[first], count * sizeof(model[0]));
	for (uint32_t i = first; i < first + count; i++)
		model[i] = left;
}

/* The kernel reads pages that can be read, and they go through a pipe. */
static void op_kernel_reads(uint32_t first, uint32_t count)
{
	static char page[PAGE];
	int line[2];

	require_call(pipe(line) == 0);
	for (uint32_t i = first; i < first + count; i++) {
		if (!(model[i].prot & PROT_READ))
			continue;
		require_call(write(line[1], at(i), PAGE) == (ssize_t)PAGE);
		require_call(read(line[0], page, PAGE) == (ssize_t)PAGE);
		if (!page_is(page, tag_of(&model[i])))
			failed(i, "write()", PROBE_OK);
	}
	close(line[0]);
	close(line[1]);
}

/* The kernel writes pages, if they can be written. */
static void op_kernel_writes(uint32_t first, uint32_t count)
{
	static char page[PAGE];
	int line[2];

	require_call(pipe(line) == 0);
	for (uint32_t i = first; i < first + count; i++) {
		uint32_t tag = new_tag();
		ssize_t got;

		page_fill(page, tag);
		require_call(write(line[1], page, PAGE) == (ssize_t)PAGE);
		got = read(line[0], at(i), PAGE);
		if (model[i].prot & PROT_WRITE) {
			require_call(got == (ssize_t)PAGE);
			set_tag(&model[i], tag);
		} else {
			require(got == -1 && errno == EFAULT,
				"seed %lu: read() into page %u gave %zd",
				(unsigned long)seed, i, got);
			break;
		}
	}
	close(line[0]);
	close(line[1]);
}

static void run_operations(double end);

/*
 * The child compares everything while the parent waits, then makes its own
 * file, so that the two cannot meet there, and both go on.
 */
static void op_fork(double end)
{
	struct line other;
	pid_t child;

	if (!children_allowed)
		return;
	child = fork_with_line(&other);
	if (child == 0) {
		children_allowed = rng(2);
		rng_seed(rng_state);
		for (uint32_t i = 0; i < PAGES; i++)
			compare_softly(i);
		for (uint32_t i = 0; i < PAGES; i++)
			if (model[i].backing >= PRIVATE_FILE)
				op_unmap(i, 1);
		file = memory_file(FILE_PAGES, 0x800000);
		for (uint32_t i = 0; i < FILE_PAGES; i++)
			file_tag[i] = 0x800000 + i;
		tell(&other);
		compare_all();
		run_operations(end);
		finish();
	}
	hear(&other);
	line_close(&other);
	children_allowed = false;
	run_operations(end);
	children_allowed = true;
	require(wait_for(child), "seed %lu: the child found a fault",
		(unsigned long)seed);
}

static void one_operation(void)
{
	static void (*const choice[])(uint32_t first, uint32_t count) = {
		op_map_private, op_map_private, op_map_file, op_map_file,
		op_unmap, op_protect, op_protect, op_protect, op_touch,
		op_touch, op_touch, op_dontneed, op_advise, op_move, op_move,
		op_kernel_reads, op_kernel_writes,
	};
	uint32_t first = rng(PAGES);
	uint32_t longest = PAGES - first;
	uint32_t count = 1 + rng(longest < MAX_RUN ? longest : MAX_RUN);

	choice[rng(sizeof(choice) / sizeof(choice[0]))](first, count);
	operations++;
}

/* Bursts without a look, as each look mends what was only missing. */
static void run_operations(double end)
{
	while (seconds_now() < end) {
		uint32_t burst = 1 + rng(8);

		while (burst--)
			one_operation();
		for (int i = 0; i < 4; i++)
			compare(rng(PAGES));
		if (rng(12) == 0)
			compare_all();
		if (rng(40) == 0) {
			double part = seconds_now() + 0.2;

			op_fork(part < end ? part : end);
		}
	}
	compare_all();
}

static void random_operations(void)
{
	uint32_t returned;

	rng_seed(seed);
	probe_init();
	file = memory_file(FILE_PAGES, 0x400000);
	for (uint32_t i = 0; i < FILE_PAGES; i++)
		file_tag[i] = 0x400000 + i;
	readable_is_executable =
		probe_exec(map_at(NULL, 1, PROT_READ, MAP_SHARED, file, 0),
			   &returned) == PROBE_OK;
	arena = map_at(NULL, PAGES + 2, PROT_NONE, MAP_PRIVATE, -1, 0) + PAGE;
	unmap(arena, PAGES);
	run_operations(seconds_now() + run_seconds);
	ktap_note("seed %lu, %lu operations\n", (unsigned long)seed,
		  operations);
}

int main(int argc, char **argv)
{
	struct ktap_case cases[] = { { "random operations", random_operations,
				       0 } };

	if (argc > 1)
		run_seconds = atof(argv[1]);
	seed = argc > 2 ? strtoul(argv[2], NULL, 0) :
	       (uint64_t)(seconds_now() * 1e6) % 1000000;
	cases[0].limit_s = run_seconds + KTAP_LIMIT_S;
	return KTAP_MAIN(cases);
}
