// SPDX-License-Identifier: GPL-2.0-only
/*
 * Swap: pages that leave memory and come back, mostly into another frame.
 *
 * Under memory pressure, and on request (MADV_PAGEOUT), with swap turned on
 * before and after a fork, and off while processes live; private and shared
 * pages; protections, moves and zaps of pages that are out at that moment.
 * What it hunts is a translation to the frame that a page had before it went
 * (which is somebody else's by now), and a page entry whose own bits were
 * taken for part of a swap entry, or the other way round.
 *
 * Stock UML 7.3 fails "clean pages written": it does not make a page dirty that
 * the kernel writes for a program (read()), if it was writable and clean.
 *
 *   test_swap              the cases; give the guest little memory (96 MiB)
 *   test_swap -- CMD...    turn swap on and become CMD
 *
 * The swap file is made on the root file system, which must have room for it.
 */
#include "pagemap.h"
#include "pressure.h"

#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SWAP_FILE "/var/tmp/uml-test-swap"
#define SWAP_PAGES (192 * 256ul)
#define PAGES 1500
#define RW (PROT_READ | PROT_WRITE)

/* A file of zeroes with a swap header of version 1 (see mkswap(8)). */
static void make_swap_file(void)
{
	static char block[256 * PAGE];
	uint32_t *header = (uint32_t *)(block + 1024);
	int fd;

	mkdir("/var", 0755);
	mkdir("/var/tmp", 01777);
	fd = open(SWAP_FILE, O_RDWR | O_CREAT | O_TRUNC, 0600);
	require_call(fd >= 0);
	for (size_t i = 0; i < SWAP_PAGES / 256; i++)
		require_call(write(fd, block, sizeof(block)) ==
			     sizeof(block));
	header[0] = 1;
	header[1] = SWAP_PAGES - 1;
	memcpy(block + PAGE - 10, "SWAPSPACE2", 10);
	require_call(pwrite(fd, block, PAGE, 0) == (ssize_t)PAGE);
	require_call(fsync(fd) == 0);
	close(fd);
}

static void swap_on(void)
{
	require_call(swapon(SWAP_FILE, 0) == 0);
}

static void swap_off(void)
{
	require_call(swapoff(SWAP_FILE) == 0);
}

/* How many pages of a private range are out. */
static size_t pages_out(char *base, size_t pages)
{
	return pages_with(base, pages, PM_SWAP);
}

/* The same for the whole guest. */
static size_t swap_in_use(void)
{
	struct sysinfo info;

	require_call(sysinfo(&info) == 0);
	return (info.totalswap - info.freeswap) * info.mem_unit / PAGE;
}

/* Page them out, and see that most of them went. */
static void page_out(char *base, size_t pages)
{
	size_t out = 0;

	for (int tries = 0; tries < 10 && out < pages / 2; tries++) {
		require_call(!madvise(base, pages * PAGE, MADV_PAGEOUT));
		out = pages_out(base, pages);
	}
	check(out >= pages / 2, "only %zu of %zu pages are out", out, pages);
}

static void out_and_in(void)
{
	char *p = map_private(PAGES), *junk;
	uint32_t tag[PAGES];

	swap_on();
	for (uint32_t i = 0; i < PAGES; i++) {
		tag[i] = 0x1000 + i;
		page_fill(p + i * PAGE, tag[i]);
	}
	for (uint32_t round = 0; round < 6; round++) {
		page_out(p, PAGES);
		/* Take the frames that just became free. */
		junk = map_private(PAGES);
		fill_pages(junk, PAGES, 0x900000);
		for (uint32_t i = 0; i < PAGES; i++) {
			uint32_t page = rng(PAGES);

			check_page(p + page * PAGE, tag[page]);
			if (rng(3) == 0) {
				tag[page] = rng(1 << 24) + 1;
				page_fill(p + page * PAGE, tag[page]);
			}
		}
		for (uint32_t i = 0; i < PAGES; i++)
			check_page(p + i * PAGE, tag[i]);
		check_pages(junk, PAGES, 0x900000);
		unmap(junk, PAGES);
	}
	unmap(p, PAGES);
	swap_off();
}

/* Both sides look at everything, rewrite their share and look again. */
static void both_sides(char *p, size_t pages, uint32_t old, pid_t child,
		       struct line *other, bool press)
{
	uint32_t mine = child ? 0x400000 : 0x800000;

	for (size_t i = 0; i < pages; i++)
		check_page(p + i * PAGE, old + i);
	tell(other);
	hear(other);
	for (size_t i = !child; i < pages; i += 3)
		page_fill(p + i * PAGE, mine + i);
	tell(other);
	hear(other);
	if (press && child)
		squeeze();
	tell(other);
	hear(other);
	for (size_t i = 0; i < pages; i++)
		check_page(p + i * PAGE,
			   (i % 3 == !child ? mine : old) + i);
}

static void before_fork(void)
{
	char *p = map_private(PAGES);
	struct line other;
	pid_t child;

	swap_on();
	for (int round = 0; round < 3; round++) {
		fill_pages(p, PAGES, 0x1000);
		page_out(p, PAGES);
		/* Some of them are back, unchanged, when the fork comes. */
		for (int i = 0; i < PAGES && round % 2; i += 5)
			check_page(p + i * PAGE, 0x1000 + i);
		child = fork_with_line(&other);
		both_sides(p, PAGES, 0x1000, child, &other, round > 1);
		if (child == 0)
			finish();
		wait_for(child);
		line_close(&other);
		/* The parent is the only owner again. */
		for (int i = 0; i < PAGES; i++)
			page_fill(p + i * PAGE, 0x2000 + i);
		page_out(p, PAGES);
		check_pages(p, PAGES, 0x2000);
	}
	unmap(p, PAGES);
	swap_off();
}

static void after_fork(void)
{
	char *p = map_private(PAGES);
	struct line other;
	pid_t child;

	fill_pages(p, PAGES, 0x1000);
	child = fork_with_line(&other);
	if (child) {
		swap_on();
		squeeze();
		check(pages_out(p, PAGES) > 0, "nothing went out");
		tell(&other);
		hear(&other);
	} else {
		tell(&other);
		hear(&other);
	}
	both_sides(p, PAGES, 0x1000, child, &other, true);
	if (child == 0)
		finish();
	wait_for(child);
	fill_pages(p, PAGES, 0x2000);
	squeeze();
	check_pages(p, PAGES, 0x2000);
	unmap(p, PAGES);
	swap_off();
}

/*
 * KASAN keeps what was freed until somebody allocates who may sleep. Swapping
 * alone never does, so a debug kernel would run out of memory; a process that
 * does so now and then keeps it from that.
 */
static pid_t start_allocating(void)
{
	pid_t child = fork_or_fail();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		close(open("/", O_RDONLY));
		usleep(10000);
	}
}

static void stop_allocating(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* More pages than memory, in order and in random order. */
static void pressure(void)
{
	uint32_t pages = memory_pages() * 13 / 10;
	uint32_t *order = malloc(pages * sizeof(*order));
	pid_t allocating;
	char *p;

	swap_on();
	allocating = start_allocating();
	p = map_private(pages);
	shuffle(order, pages);
	fill_pages(p, pages, 0x1000);
	check(pages_out(p, pages) > pages / 10, "no pressure");
	for (uint32_t i = 0; i < pages; i++)
		check_page(p + order[i] * PAGE, 0x1000 + order[i]);
	for (uint32_t i = 0; i < pages; i += 2)
		page_fill(p + order[i] * PAGE, 0x100000 + i);
	for (uint32_t i = 0; i < pages; i++)
		check_page(p + order[i] * PAGE,
			   i % 2 ? 0x1000 + order[i] : 0x100000 + i);
	unmap(p, pages);
	stop_allocating(allocating);
	swap_off();
}

/* Twice 0.6 of memory, from the moment that both sides have written. */
static void pressure_and_fork(void)
{
	uint32_t pages = memory_pages() * 6 / 10;
	char *p = map_private(pages);
	struct line other;
	pid_t allocating;
	pid_t child;

	swap_on();
	allocating = start_allocating();
	for (int round = 0; round < 2; round++) {
		uint32_t tag;

		fill_pages(p, pages, 0x1000);
		child = fork_with_line(&other);
		tag = child ? 0x400000 : 0x800000;
		for (uint32_t i = 0; i < pages; i++) {
			check_page(p + i * PAGE, 0x1000 + i);
			page_fill(p + i * PAGE, tag + i);
		}
		tell(&other);
		hear(&other);
		for (uint32_t i = 0; i < pages; i++)
			check_page(p + i * PAGE, tag + i);
		if (child == 0)
			finish();
		wait_for(child);
		line_close(&other);
		check_pages(p, pages, tag);
	}
	unmap(p, pages);
	stop_allocating(allocating);
	swap_off();
}

/* swapoff brings every page of living processes back. */
static void off_while_they_live(void)
{
	char *p = map_private(PAGES), *shared = map_shared(PAGES);
	struct line other;
	pid_t child;

	swap_on();
	fill_pages(p, PAGES, 0x1000);
	fill_pages(shared, PAGES, 0x3000);
	page_out(p, PAGES);
	child = fork_with_line(&other);
	for (int i = !child; i < PAGES; i += 3)
		page_fill(p + i * PAGE, (child ? 0x10000 : 0x20000) + i);
	require_call(!madvise(p, PAGES * PAGE, MADV_PAGEOUT));
	tell(&other);
	hear(&other);
	if (child) {
		squeeze();
		swap_off();
	}
	tell(&other);
	hear(&other);
	check(pages_out(p, PAGES) == 0, "swap is off, pages are out");
	for (int i = 0; i < PAGES; i++)
		check_page(p + i * PAGE, i % 3 != !child ? 0x1000 + i :
			   (child ? 0x10000 : 0x20000) + i);
	check_pages(shared, PAGES, 0x3000);
	fill_pages(p, PAGES, child ? 0x30000 : 0x40000);
	tell(&other);
	hear(&other);
	check_pages(p, PAGES, child ? 0x30000 : 0x40000);
	if (child == 0)
		finish();
	wait_for(child);
}

/*
 * Shared memory goes out too, and is one for both sides when it is back. There
 * is more of it than memory, so some of it is always out.
 */
static void shared_memory(void)
{
	uint32_t pages = memory_pages() * 12 / 10;
	struct line other;
	pid_t allocating;
	char *p, *again;
	pid_t child;

	swap_on();
	allocating = start_allocating();
	p = map_shared(pages);
	fill_pages(p, pages, 0x1000);
	check(swap_in_use() > pages / 10, "%zu pages went out", swap_in_use());
	child = fork_with_line(&other);
	for (uint32_t i = !child; i < pages; i += 2)
		page_fill(p + i * PAGE, 0x2000 + i);
	tell(&other);
	hear(&other);
	check_pages(p, pages, 0x2000);
	if (child == 0)
		finish();
	wait_for(child);
	/* A second mapping of the same memory. */
	again = mremap(p, 0, pages * PAGE, MREMAP_MAYMOVE);
	require_call(again != MAP_FAILED);
	fill_pages(again, pages / 2, 0x500000);
	check_pages(p, pages / 2, 0x500000);
	check_pages(again + pages / 2 * PAGE, pages - pages / 2,
		    0x2000 + pages / 2);
	unmap(again, pages);
	unmap(p, pages);
	stop_allocating(allocating);
	swap_off();
}

/* The protection of a page that is out changes; it comes back with the new. */
static void protection_while_out(void)
{
	char *p = map_private(PAGES);

	probe_init();
	swap_on();
	fill_pages(p, PAGES, 0x1000);
	for (int round = 0; round < 4; round++) {
		page_out(p, PAGES);
		protect(p, PAGES, round % 2 ? PROT_NONE : PROT_READ);
		for (int i = 0; i < PAGES; i += 50)
			check_probe(probe_write(p + i * PAGE), PROBE_ACCERR,
				    "lowered while out");
		if (round % 2)
			protect(p, PAGES, PROT_READ);
		check_pages(p, PAGES, 0x1000 + round);
		for (int i = 0; i < PAGES; i += 50)
			check_probe(probe_write(p + i * PAGE), PROBE_ACCERR,
				    "back and read-only");
		page_out(p, PAGES);
		protect(p, PAGES, RW);
		fill_pages(p, PAGES, 0x1000 + round + 1);
	}
	unmap(p, PAGES);
	swap_off();
}

/* Moved, emptied and replaced while out. */
static void moved_while_out(void)
{
	char *p = map_private(PAGES), *place = map_private(PAGES);

	probe_init();
	swap_on();
	for (uint32_t round = 0; round < 3; round++) {
		fill_pages(p, PAGES, 0x1000 + round);
		fill_pages(place, PAGES, 0x5000);
		page_out(p, PAGES);
		page_out(place, PAGES);
		require_call(mremap(p, PAGES * PAGE, PAGES * PAGE,
				    MREMAP_MAYMOVE | MREMAP_FIXED, place) ==
			     place);
		check_probe(probe_read(p), PROBE_MAPERR, "moved away");
		check_pages(place, PAGES, 0x1000 + round);
		page_out(place, PAGES);
		require_call(!madvise(place + 10 * PAGE, 100 * PAGE,
				      MADV_DONTNEED));
		map_at(place + 200 * PAGE, 100, RW, MAP_PRIVATE | MAP_FIXED,
		       -1, 0);
		check_zero(place + 10 * PAGE, 100);
		check_zero(place + 200 * PAGE, 100);
		check_pages(place, 10, 0x1000 + round);
		check_pages(place + 300 * PAGE, PAGES - 300,
			    0x1000 + round + 300);
		map_at(p, PAGES, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0);
	}
	unmap(p, PAGES);
	unmap(place, PAGES);
	swap_off();
}

/*
 * Pages that the kernel may drop without writing them out, because they were
 * clean: given up with MADV_FREE, or read back from swap. A write must be
 * noticed, or it goes with the page; also one that the kernel does (read()).
 */
static void write_some(char *p, int file, uint32_t tag)
{
	static uint64_t page[PAGE_WORDS];

	for (int i = 0; i < PAGES; i += 4) {
		page_fill(p + i * PAGE, tag + i);
		page_fill(page, tag + i + 1);
		require_call(pwrite(file, page, PAGE, 0) == (ssize_t)PAGE);
		require_call(pread(file, p + (i + 1) * PAGE, PAGE, 0) ==
			     (ssize_t)PAGE);
	}
}

static void clean_pages(void)
{
	int file = memory_file(1, 0);
	char *p = map_private(PAGES);

	swap_on();
	for (uint32_t round = 0; round < 2; round++) {
		fill_pages(p, PAGES, 0x1000 + round);
		require_call(madvise(p, PAGES * PAGE, MADV_FREE) == 0);
		write_some(p, file, 0x2000 + round);
		squeeze();
		for (uint32_t i = 0; i < PAGES; i++) {
			bool kept = i % 4 < 2;

			check(page_is(p + i * PAGE, (kept ? 0x2000 : 0x1000) +
				      round + i) ||
			      (!kept && page_is(p + i * PAGE, 0)),
			      "given up, page %u", i);
		}
		fill_pages(p, PAGES, 0x3000 + round);
		page_out(p, PAGES);
		check_pages(p, PAGES, 0x3000 + round);
		write_some(p, file, 0x4000 + round);
		page_out(p, PAGES);
		for (uint32_t i = 0; i < PAGES; i++)
			check_page(p + i * PAGE, (i % 4 < 2 ? 0x4000 : 0x3000) +
				   round + i);
	}
	unmap(p, PAGES);
	swap_off();
}

/* Pages of a file are dropped, or written and dropped, and read again. */
static void file_pages(void)
{
	int fd = disk_file(PAGES, 0x1000);
	char *shared = map_at(NULL, PAGES, RW, MAP_SHARED, fd, 0);
	char *read = map_at(NULL, PAGES, PROT_READ, MAP_PRIVATE, fd, 0);
	char *copied = map_at(NULL, PAGES, RW, MAP_PRIVATE, fd, 0);

	swap_on();
	for (uint32_t round = 0; round < 2; round++) {
		uint32_t tag = 0x1000 + round;

		check_pages(shared, PAGES, tag);
		check_pages(read, PAGES, tag);
		for (int i = 0; i < PAGES; i += 3)
			page_fill(copied + i * PAGE, 0x500000 + i);
		squeeze();
		check_pages(read, PAGES, tag);
		for (int i = 0; i < PAGES; i++)
			check_page(copied + i * PAGE,
				   (i % 3 ? tag : 0x500000) + i);
		fill_pages(shared, PAGES, tag + 1);
		squeeze();
		check_pages(shared, PAGES, tag + 1);
		check_pages(read, PAGES, tag + 1);
	}
	unmap(copied, PAGES);
	swap_off();
}

/*
 * A process counts in its pages and makes no system calls, while its parent
 * pages it out again and again: no count may be lost.
 */
static void out_while_writing(void)
{
	struct iovec all;
	volatile uint64_t *p = (uint64_t *)map_private(PAGES);
	volatile uint64_t *rounds = (uint64_t *)map_shared(1);
	uint64_t before = 0;
	int target;
	pid_t child;

	swap_on();
	child = fork_or_fail();
	while (child == 0) {
		uint64_t n = *rounds;

		for (size_t i = 0; i < PAGES * PAGE_WORDS; i += PAGE_WORDS / 2)
			if (p[i]++ != n)
				_exit(1);
		*rounds = n + 1;
	}
	all = (struct iovec){ (void *)p, PAGES * PAGE };
	target = syscall(SYS_pidfd_open, child, 0);
	require_call(target >= 0);
	for (int i = 0; i < 300; i++) {
		require_call(syscall(SYS_process_madvise, target, &all, 1,
				     MADV_PAGEOUT, 0) >= 0);
		if (i == 100)
			before = *rounds;
		usleep(5000);
	}
	check(swap_in_use() > 0, "nothing went out");
	check(*rounds > before, "no progress");
	check(waitpid(child, NULL, WNOHANG) == 0, "a count was lost");
	kill(child, SIGKILL);
	require_call(waitpid(child, NULL, 0) == child);
	swap_off();
}

static const struct ktap_case cases[] = {
	{ "out and in", out_and_in, 0 },
	{ "swap before fork", before_fork, 0 },
	{ "swap turned on after fork", after_fork, 0 },
	{ "pressure", pressure, 240 },
	{ "pressure and fork", pressure_and_fork, 240 },
	{ "swap turned off while they live", off_while_they_live, 0 },
	{ "shared memory", shared_memory, 240 },
	{ "protection changed while out", protection_while_out, 0 },
	{ "moved while out", moved_while_out, 0 },
	{ "clean pages written", clean_pages, 0 },
	{ "pages of a file", file_pages, 0 },
	{ "out while it writes", out_while_writing, 240 },
};

int main(int argc, char **argv)
{
	make_swap_file();
	if (argc > 2 && !strcmp(argv[1], "--")) {
		swap_on();
		execvp(argv[2], argv + 2);
		require(false, "%s: %s", argv[2], strerror(errno));
	}
	return KTAP_MAIN(cases);
}
