// SPDX-License-Identifier: GPL-2.0-only
/*
 * mprotect(): after any history a page allows exactly what its protection
 * says, and keeps its contents.
 *
 * Every page is probed by really reading, writing and running it, with the
 * signal, its code and its address compared (memory.h). Whether pages without
 * PROT_EXEC can be run is a property of the machine (UML cannot tell reading
 * from running, as an i386 could not): that one answer is learned from a fresh
 * page and must then hold after every history. Reads of pages with PROT_WRITE
 * or PROT_EXEC alone differ between machines and are left out.
 */
#include "memory.h"
#include "stats.h"

#define PAGES 64

static const int protections[] = {
	PROT_NONE,
	PROT_READ,
	PROT_READ | PROT_WRITE,
	PROT_READ | PROT_EXEC,
	PROT_READ | PROT_WRITE | PROT_EXEC,
};

#define PROTECTIONS (sizeof(protections) / sizeof(protections[0]))

enum backing { PRIVATE_ANON, SHARED_ANON, PRIVATE_FILE, SHARED_FILE, BACKINGS };

static const char *const backing_names[] = {
	"private", "shared", "private file", "shared file",
};

static bool readable_is_executable;

static void learn_machine(void)
{
	char *p = map_at(NULL, 1, PROT_READ, MAP_SHARED, memory_file(1, 7), 0);
	uint32_t returned;

	probe_init();
	readable_is_executable = probe_exec(p, &returned) == PROBE_OK;
}

static char *map_backing(enum backing backing, size_t pages)
{
	bool file = backing >= PRIVATE_FILE;
	bool shared = backing == SHARED_ANON || backing == SHARED_FILE;
	int fd = file ? memory_file(pages, 0) : -1;
	char *p = map_at(NULL, pages, PROT_READ | PROT_WRITE,
			 shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);

	if (file)
		close(fd);
	return p;
}

/*
 * Is this page exactly what `prot` says? Changes nothing. A page of zeroes
 * (tag 0) is no code and is not run.
 */
static bool check_protection(char *page, uint32_t tag, int prot,
			     const char *what)
{
	bool exec = prot & PROT_EXEC ||
		    (prot & PROT_READ && readable_is_executable);
	uint32_t returned = ~0u;
	enum probe r = probe_read(page);
	enum probe x = tag ? probe_exec(page, &returned) : PROBE_OK;
	enum probe w = probe_write(page);
	bool good = true;

	good &= r == (prot & PROT_READ ? PROBE_OK : PROBE_ACCERR);
	good &= w == (prot & PROT_WRITE ? PROBE_OK : PROBE_ACCERR);
	if (tag)
		good &= exec ? x == PROBE_OK && returned == tag :
			x == PROBE_ACCERR;
	if (prot & PROT_READ)
		good &= page_is(page, tag);
	return check(good,
		     "%s, protection %d, page %p (tag %#x): read %s, write %s, run %s (%#x)",
		     what, prot, (void *)page, tag, probe_name(r),
		     probe_name(w), probe_name(x), returned);
}

/* All chains of four protections; the last one must rule. */
static void chains(enum backing backing, bool look_between)
{
	char *p = map_backing(backing, 3);
	uint32_t tag = 0x100;

	fill_pages(p, 3, tag);
	for (size_t n = 0; n < PROTECTIONS * PROTECTIONS * PROTECTIONS *
				PROTECTIONS; n++) {
		size_t digits = n;

		for (int step = 0; step < 4; step++) {
			int prot = protections[digits % PROTECTIONS];

			digits /= PROTECTIONS;
			protect(p + PAGE, 1, prot);
			if (look_between)
				check_protection(p + PAGE, tag + 1, prot,
						 backing_names[backing]);
			else if (step == 3)
				check_protection(p + PAGE, tag + 1, prot,
						 "untouched between");
		}
	}
	/* The neighbours never changed. */
	check_protection(p, tag, PROT_READ | PROT_WRITE, "page below");
	check_protection(p + 2 * PAGE, tag + 2, PROT_READ | PROT_WRITE,
			 "page above");
}

static void all_chains(void)
{
	learn_machine();
	for (enum backing backing = 0; backing < BACKINGS; backing++)
		chains(backing, false);
}

static void pairs_seen_between(void)
{
	learn_machine();
	for (enum backing backing = 0; backing < BACKINGS; backing++)
		for (size_t from = 0; from < PROTECTIONS; from++)
			for (size_t to = 0; to < PROTECTIONS; to++) {
				char *p = map_backing(backing, 1);

				page_fill(p, 0x200);
				protect(p, 1, protections[from]);
				check_protection(p, 0x200, protections[from],
						 "first");
				protect(p, 1, protections[to]);
				check_protection(p, 0x200, protections[to],
						 "second");
				unmap(p, 1);
			}
	chains(PRIVATE_ANON, true);
}

/* A page never touched before its last protection. */
static void untouched_pages(void)
{
	learn_machine();
	for (enum backing backing = 0; backing < BACKINGS; backing++)
		for (size_t from = 0; from < PROTECTIONS; from++)
			for (size_t to = 0; to < PROTECTIONS; to++) {
				char *p = map_backing(backing, 2);
				int prot = protections[to];

				protect(p, 2, protections[from]);
				protect(p, 2, prot);
				check_probe(probe_read(p), prot & PROT_READ ?
					    PROBE_OK : PROBE_ACCERR, "read");
				check_probe(probe_write(p + PAGE),
					    prot & PROT_WRITE ?
					    PROBE_OK : PROBE_ACCERR, "write");
				unmap(p, 2);
			}
}

/* Random protections on random parts, checked against a list. */
static void random_parts(enum backing backing, uint32_t rounds)
{
	char *p = map_backing(backing, PAGES);
	int now[PAGES];

	for (int i = 0; i < PAGES; i++) {
		page_fill(p + i * PAGE, 0x300 + i);
		now[i] = PROT_READ | PROT_WRITE;
	}
	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t changes = 1 + rng(6);

		while (changes--) {
			uint32_t first = rng(PAGES);
			uint32_t count = 1 + rng(PAGES - first);
			int prot = protections[rng(PROTECTIONS)];

			protect(p + first * PAGE, count, prot);
			for (uint32_t i = first; i < first + count; i++)
				now[i] = prot;
		}
		for (int i = 0; i < 6; i++) {
			uint32_t page = rng(PAGES);

			check_protection(p + page * PAGE, 0x300 + page,
					 now[page], "random part");
		}
	}
	for (int i = 0; i < PAGES; i++)
		check_protection(p + i * PAGE, 0x300 + i, now[i], "at the end");
	unmap(p, PAGES);
}

static void partial_ranges(void)
{
	learn_machine();
	rng_seed(2);
	for (enum backing backing = 0; backing < BACKINGS; backing++)
		random_parts(backing, 250);
}

/* One call over mappings of four kinds, then over a hole. */
static void several_mappings(void)
{
	char *p, *hole;

	learn_machine();
	p = map_at(NULL, 6 * PAGES, PROT_NONE, MAP_PRIVATE, -1, 0);
	hole = p + 4 * PAGES * PAGE;
	for (int i = 0; i < 4; i++)
		map_at(p + i * PAGES * PAGE, PAGES, PROT_READ | PROT_WRITE,
		       MAP_FIXED | (i & 1 ? MAP_SHARED : MAP_PRIVATE),
		       i & 2 ? memory_file(PAGES, 0) : -1, 0);
	for (int i = 0; i < 4 * PAGES; i++)
		page_fill(p + i * PAGE, 0x400 + i);
	for (size_t n = 0; n < PROTECTIONS; n++) {
		int prot = protections[n];

		protect(p + 5 * PAGE, 4 * PAGES - 10, prot);
		for (int i = 0; i < 4 * PAGES; i++)
			check_protection(p + i * PAGE, 0x400 + i,
					 i < 5 || i >= 4 * PAGES - 5 ?
					 PROT_READ | PROT_WRITE : prot,
					 "over four mappings");
	}
	/* With a hole the call fails, after it changed what lies before. */
	protect(p, 4 * PAGES, PROT_READ | PROT_WRITE);
	unmap(hole, PAGES);
	check(mprotect(p, 6 * PAGES * PAGE, PROT_READ) == -1 &&
	      errno == ENOMEM, "mprotect over a hole: %s", strerror(errno));
	for (int i = 0; i < 4 * PAGES; i++)
		check_protection(p + i * PAGE, 0x400 + i, PROT_READ, "before");
	check_probe(probe_read(hole), PROBE_MAPERR, "the hole");
	check_probe(probe_read(hole + PAGES * PAGE), PROBE_ACCERR, "behind");
}

/* Every page another protection than its neighbours, then one for all. */
static void many_small_ranges(void)
{
	const int pages = 600;
	char *p;

	learn_machine();
	p = map_private(pages);
	fill_pages(p, pages, 0x500);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < pages; i++)
			protect(p + i * PAGE, 1,
				protections[(i + round) % PROTECTIONS]);
		for (int i = 0; i < pages; i++)
			check_protection(p + i * PAGE, 0x500 + i,
					 protections[(i + round) % PROTECTIONS],
					 "alternating");
		protect(p, pages, PROT_READ);
		for (int i = 0; i < pages; i += 7)
			check_protection(p + i * PAGE, 0x500 + i, PROT_READ,
					 "lowered together");
		protect(p, pages, PROT_READ | PROT_WRITE);
		for (int i = 0; i < pages; i++)
			check_protection(p + i * PAGE, 0x500 + i,
					 PROT_READ | PROT_WRITE,
					 "raised together");
	}
}

/* Both sides of a fork change protections; neither sees the other's. */
static void after_fork(enum backing backing)
{
	char *p = map_backing(backing, PAGES);
	bool shared = backing == SHARED_ANON || backing == SHARED_FILE;
	struct line line;
	pid_t child;

	fill_pages(p, PAGES, 0x600);
	protect(p, PAGES / 2, PROT_READ);
	child = fork_with_line(&line);
	for (int i = 0; i < PAGES; i++) {
		int prot = protections[(i + !child) % PROTECTIONS];

		protect(p + i * PAGE, 1, prot);
		check_protection(p + i * PAGE, 0x600 + i, prot, "after fork");
	}
	tell(&line);
	hear(&line);
	for (int i = 0; i < PAGES; i++)
		check_protection(p + i * PAGE, 0x600 + i,
				 protections[(i + !child) % PROTECTIONS],
				 "with the other's changes");
	protect(p, PAGES, PROT_READ | PROT_WRITE);
	tell(&line);
	hear(&line);
	for (int i = !child; i < PAGES; i += 2)
		page_fill(p + i * PAGE, (child ? 0x700 : 0x800) + i);
	tell(&line);
	hear(&line);
	for (int i = 0; i < PAGES; i++) {
		bool mine = i % 2 == !child;
		uint32_t tag = mine == !!child ? 0x700 : 0x800;

		check_page(p + i * PAGE, (mine || shared ? tag : 0x600) + i);
	}
	if (!child)
		finish();
	wait_for(child);
	line_close(&line);
	unmap(p, PAGES);
}

static void all_after_fork(void)
{
	learn_machine();
	for (enum backing backing = 0; backing < BACKINGS; backing++)
		for (int round = 0; round < 5; round++)
			after_fork(backing);
}

/* Lowered before the fork and raised only in one of the two. */
static void raised_after_fork(void)
{
	char *p;
	pid_t child;

	learn_machine();
	p = map_private(PAGES);
	fill_pages(p, PAGES, 0x900);
	protect(p, PAGES, PROT_READ);
	child = fork_or_fail();
	if (child == 0) {
		protect(p, PAGES, PROT_READ | PROT_WRITE);
		fill_pages(p, PAGES, 0xa00);
		check_pages(p, PAGES, 0xa00);
		finish();
	}
	wait_for(child);
	for (int i = 0; i < PAGES; i++)
		check_protection(p + i * PAGE, 0x900 + i, PROT_READ, "parent");
}

/* A closed range keeps data, zeroes, holes in the file, everything. */
static void none_keeps_data(void)
{
	char *p;

	learn_machine();
	for (enum backing backing = 0; backing < BACKINGS; backing++) {
		p = map_backing(backing, PAGES);
		for (int i = 0; i < PAGES; i++)
			if (i % 3)
				page_fill(p + i * PAGE, 0xb00 + i);
			else
				page_fill(p + i * PAGE, 0);
		for (int round = 0; round < 20; round++) {
			protect(p, PAGES, PROT_NONE);
			if (round % 3 == 0)
				check_probe(probe_read(p + round * PAGE),
					    PROBE_ACCERR, "closed");
			protect(p, PAGES, PROT_READ | PROT_WRITE);
			if (round % 2 == 0)
				for (int i = 0; i < PAGES; i++)
					check_page(p + i * PAGE,
						   i % 3 ? 0xb00 + i : 0);
		}
		unmap(p, PAGES);
	}
}

/* A file opened read-only cannot be written through any protection. */
static void read_only_file(void)
{
	char name[64];
	int writable, fd;
	char *p;

	learn_machine();
	writable = memory_file(4, 0xc00);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", writable);
	fd = open(name, O_RDONLY);
	require_call(fd >= 0);
	p = map_at(NULL, 4, PROT_READ, MAP_SHARED, fd, 0);
	check_protection(p, 0xc00, PROT_READ, "read-only file");
	check(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE) == -1 &&
	      errno == EACCES, "raised a read-only file");
	for (int i = 0; i < 4; i++)
		check_protection(p + i * PAGE, 0xc00 + i, PROT_READ, "after");
	/* A private mapping of it may be written, and the file stays. */
	p = map_at(NULL, 4, PROT_READ, MAP_PRIVATE, fd, 0);
	protect(p, 4, PROT_READ | PROT_WRITE);
	page_fill(p, 0xd00);
	p = map_at(NULL, 4, PROT_READ, MAP_SHARED, fd, 0);
	check_page(p, 0xc00);
}

/* Pages only read so far (the zero page) raised and written. */
static void zero_page(void)
{
	char *p;

	learn_machine();
	p = map_at(NULL, PAGES, PROT_READ, MAP_PRIVATE, -1, 0);
	for (int i = 0; i < PAGES; i++)
		check_page(p + i * PAGE, 0);
	protect(p, PAGES, PROT_READ | PROT_WRITE);
	for (int i = 0; i < PAGES; i += 2)
		page_fill(p + i * PAGE, 0xe00 + i);
	for (int i = 0; i < PAGES; i++)
		check_page(p + i * PAGE, i % 2 ? 0 : 0xe00 + i);
	protect(p, PAGES, PROT_READ);
	for (int i = 0; i < PAGES; i++)
		check_protection(p + i * PAGE, i % 2 ? 0 : 0xe00 + i,
				 PROT_READ, "zero page");
}

/* Writing, then running, what was written, over and over. */
static void code_changes(void)
{
	uint32_t returned;
	char *p;

	learn_machine();
	p = map_private(4);
	for (uint32_t round = 1; round <= 300; round++) {
		fill_pages(p, 4, round * 4);
		protect(p, 4, PROT_READ | PROT_EXEC);
		for (int i = 0; i < 4; i++) {
			returned = 0;
			check_probe(probe_exec(p + i * PAGE, &returned),
				    PROBE_OK, "run");
			check(returned == round * 4 + i, "old code ran");
		}
		check_probe(probe_write(p), PROBE_ACCERR, "write to code");
		protect(p, 4, PROT_READ | PROT_WRITE);
	}
}

/* One file page seen through mappings of different protection. */
static void one_page_two_protections(void)
{
	int fd = memory_file(PAGES, 0x1000);
	char *rw, *rx, *ro;
	uint32_t returned;

	learn_machine();
	rw = map_at(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	rx = map_at(NULL, PAGES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	ro = map_at(NULL, PAGES, PROT_READ, MAP_SHARED, fd, 0);
	for (int i = 0; i < PAGES; i++) {
		page_fill(rw + i * PAGE, 0x2000 + i);
		check_protection(rx + i * PAGE, 0x2000 + i,
				 PROT_READ | PROT_EXEC, "alias");
		check_protection(ro + i * PAGE, 0x2000 + i, PROT_READ, "alias");
		page_fill(rw + i * PAGE, 0x3000 + i);
		returned = 0;
		probe_exec(rx + i * PAGE, &returned);
		check(returned == 0x3000u + i, "old code ran: %#x", returned);
	}
	/* The same frame again at the same address, with less and more. */
	for (int i = 0; i < PAGES; i++) {
		map_at(rw + i * PAGE, 1, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		       i * PAGE);
		map_at(ro + i * PAGE, 1, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, fd, i * PAGE);
	}
	for (int i = 0; i < PAGES; i++) {
		check_protection(rw + i * PAGE, 0x3000 + i, PROT_READ,
				 "mapped again, lower");
		check_protection(ro + i * PAGE, 0x3000 + i,
				 PROT_READ | PROT_WRITE, "mapped again, higher");
	}
}

static void allow(int sig, siginfo_t *info, void *context)
{
	char *page = (char *)((uintptr_t)info->si_addr & ~(PAGE - 1));

	(void)sig;
	(void)context;
	if (mprotect(page, PAGE, PROT_READ | PROT_WRITE))
		_exit(1);
}

/* What a handler has just allowed is not refused by the host once more. */
static void barrier_of_a_collector(void)
{
	struct sigaction action = { .sa_sigaction = allow,
				    .sa_flags = SA_SIGINFO };
	char *base = map_apart(PAGES);
	long misses;

	require_call(!sigaction(SIGSEGV, &action, NULL));
	for (uint32_t round = 0; round < 4; round++) {
		fill_pages(base, PAGES, round);
		require_call(!mprotect(base, PAGES * PAGE, PROT_READ));
		misses = tlb_counter("misses");
		for (uint32_t i = 0; i < PAGES; i++)
			page_fill(base + i * PAGE, 1000 * round + i);
		misses = tlb_counter("misses") - misses;
		check(misses < PAGES / 2, "%ld misses", misses);
		for (uint32_t i = 0; i < PAGES; i++)
			check(page_is(base + i * PAGE, 1000 * round + i),
			      "page %u", i);
		require_call(!mprotect(base, PAGES * PAGE,
				       PROT_READ | PROT_WRITE));
	}
}

static const struct ktap_case cases[] = {
	{ "all chains of four protections", all_chains, 0 },
	{ "pairs, seen between", pairs_seen_between, 0 },
	{ "untouched pages", untouched_pages, 0 },
	{ "partial ranges", partial_ranges, 0 },
	{ "several mappings and a hole", several_mappings, 0 },
	{ "many small ranges", many_small_ranges, 0 },
	{ "both sides of a fork", all_after_fork, 0 },
	{ "raised in the child only", raised_after_fork, 0 },
	{ "PROT_NONE keeps the data", none_keeps_data, 0 },
	{ "read-only file", read_only_file, 0 },
	{ "zero page", zero_page, 0 },
	{ "code written, run, changed", code_changes, 0 },
	{ "a collector's barrier", barrier_of_a_collector, 0 },
	{ "one page, two protections", one_page_two_protections, 0 },
};

KTAP_TESTS(cases)
