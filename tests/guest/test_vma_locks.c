// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults under per-VMA locks (arch/um/kernel/fault.c): that the lock of the VMA
 * is used, by the kernel's counters, and all that it is not enough for: a stack
 * that grows, pages that somebody else gives, or that have to be read, waits that
 * a signal ends, accesses that are not allowed, VMAs that change under the fault.
 */
#include "files.h"
#include "pressure.h"
#include "threads.h"
#include "uffd.h"

#define PAGES 64
#define RW (PROT_READ | PROT_WRITE)
#define RWX (RW | PROT_EXEC)
#define SPLITS 3000

static long events(const char *name)
{
	return number_in("/proc/vmstat", name);
}

/* Nothing around a page comes with it: each is a fault of its own. */
static char *map_one_by_one(size_t pages)
{
	char *p = map_private(pages);

	require_call(madvise(p, pages * PAGE, MADV_RANDOM) == 0);
	return p;
}

static void lock_is_used(void)
{
	char *p = map_one_by_one(PAGES);
	long before = events("vma_lock_success ");
	long others = events("vma_lock_abort ") + events("vma_lock_retry ");

	fill_pages(p, PAGES, 0x100);
	check(events("vma_lock_success ") - before >= PAGES, "%ld faults",
	      events("vma_lock_success ") - before);
	others = events("vma_lock_abort ") + events("vma_lock_retry ") - others;
	check(others < PAGES / 4, "%ld needed the mmap lock", others);
	check_pages(p, PAGES, 0x100);
}

static void kernel_uses_the_lock(void)
{
	char *p = map_one_by_one(PAGES);
	int zero = open("/dev/zero", O_RDONLY);
	long before = events("vma_lock_success ");

	require_call(zero >= 0);
	require_call(read(zero, p, PAGES * PAGE) == PAGES * PAGE);
	check(events("vma_lock_success ") - before >= PAGES, "%ld faults",
	      events("vma_lock_success ") - before);
	close(zero);
}

static void stack_grows(void)
{
	char *low = map_private(4096);
	char *top = low + 4095 * PAGE;
	long before = events("vma_lock_abort ");

	require_call(munmap(low, 4096 * PAGE) == 0);
	require_call(mmap(top, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS |
			  MAP_FIXED | MAP_GROWSDOWN, -1, 0) == top);
	for (int i = 0; i < PAGES; i++)
		page_fill(top - i * PAGE, 0x200 + i);
	for (int i = 0; i < PAGES; i++)
		check_page(top - i * PAGE, 0x200 + i);
	check(events("vma_lock_abort ") - before >= PAGES - 1,
	      "it grew %ld times with another lock",
	      events("vma_lock_abort ") - before);
}

static void pages_are_given(void)
{
	struct page_server server = { .area = map_one_by_one(PAGES),
				      .pages = PAGES, .first_tag = 0x300 };
	long before = events("vma_lock_retry ");

	start_page_server(&server);
	check_pages(server.area, PAGES, 0x300);
	end_page_server(&server);
	check(events("vma_lock_retry ") - before >= PAGES, "%ld were waited for",
	      events("vma_lock_retry ") - before);
}

static void pages_are_read(void)
{
	int file = disk_file(PAGES, 0x400);
	long before = events("vma_lock_retry ");
	char *p;

	require_call(fsync(file) == 0);
	require_call(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0);
	p = map_at(NULL, PAGES, PROT_READ, MAP_SHARED, file, 0);
	require_call(madvise(p, PAGES * PAGE, MADV_RANDOM) == 0);
	check_pages(p, PAGES, 0x400);
	check(events("vma_lock_retry ") > before, "nothing was read");
	close(file);
}

/* From swap, if there is any (test_swap). */
static void pages_come_back(void)
{
	char *p = map_one_by_one(4 * PAGES);
	long before = events("pswpin ");
	char swaps[512];
	bool swap;

	read_text("/proc/swaps", swaps, sizeof(swaps));
	swap = strchr(swaps, '/');
	fill_pages(p, 4 * PAGES, 0x500);
	require_call(madvise(p, 4 * PAGES * PAGE, MADV_PAGEOUT) == 0);
	if (swap)
		squeeze();
	check_pages(p, 4 * PAGES, 0x500);
	check(!swap || events("pswpin ") > before, "nothing came from swap");
}

static void wait_for_a_page(char *area, bool in_kernel)
{
	int zero = open("/dev/zero", O_RDONLY);

	require_call(zero >= 0);
	if (in_kernel)
		(void)!read(zero, area, PAGE);
	else
		*(volatile char *)area = 1;
}

/* A thread that waits for a page that nobody gives does not keep its process. */
static void waits_are_killable(void)
{
	for (int in_kernel = 0; in_kernel < 2; in_kernel++) {
		double start = seconds_now();
		char *area = map_private(1);
		pid_t child = fork_or_fail();

		if (!child) {
			int fd = ask_for_pages(area, 1);

			if (!fork_or_fail()) {
				(void)asked_for(fd);
				kill(getppid(), SIGKILL);
				finish();
			}
			wait_for_a_page(area, in_kernel);
			require(false, "went on without a page");
		}
		require_call(waitpid(child, NULL, 0) == child);
		check(seconds_now() - start < 10, "ended after %f s",
		      seconds_now() - start);
	}
}

static enum probe probe_access(volatile char *p, bool write)
{
	return write ? probe_write(p) : probe_read(p);
}

static void errors_are_told(void)
{
	char *p = map_private(4), *beyond;
	int file = memfd_create("short", 0);

	probe_init();
	protect(p, 1, PROT_NONE);
	protect(p + PAGE, 1, PROT_READ);
	unmap(p + 2 * PAGE, 1);
	require_call(file >= 0 && ftruncate(file, PAGE) == 0);
	beyond = map_at(NULL, 2, RW, MAP_SHARED, file, 0);

	for (int write = 0; write < 2; write++) {
		check_probe(probe_access(p, write), PROBE_ACCERR, "no rights");
		check_probe(probe_access(p + 2 * PAGE, write), PROBE_MAPERR,
			    "unmapped");
		check_probe(probe_access(beyond + PAGE, write), PROBE_BUS,
			    "beyond the end");
		check_probe(probe_access(p + 3 * PAGE, write), PROBE_OK,
			    "allowed");
	}
	check_probe(probe_read(p + PAGE), PROBE_OK, "read");
	check_probe(probe_write(p + PAGE), PROBE_ACCERR, "written");
}

static atomic_bool stop;

static void *use_words(void *number)
{
	volatile long *word = number;
	const size_t step = PAGE / sizeof(long);

	for (long round = 1; !stop; round++)
		for (int i = 0; i < PAGES; i++) {
			long old = word[i * step];

			/* What was there went, or is what was written last. */
			require(old == 0 || old == round - 1, "%ld, not %ld",
				old, round - 1);
			word[i * step] = round;
		}
	return number;
}

/* Two threads use words of their own in pages that they share. */
static void vmas_change_under_faults(void)
{
	char *p = map_one_by_one(PAGES);
	pthread_t thread[2];

	for (long i = 0; i < 2; i++)
		require_call(!pthread_create(&thread[i], NULL, use_words,
					     p + i * sizeof(long)));
	for (int i = 0; i < SPLITS; i++) {
		char *piece = p + rng(PAGES) * PAGE;
		size_t len = (1 + rng((p + PAGES * PAGE - piece) / PAGE)) * PAGE;

		/* Splits a VMA, or merges two; all may be read and written. */
		require_call(!mprotect(piece, len, rng(2) ? RWX : RW));
		if (rng(4) == 0)
			require_call(!madvise(piece, len, MADV_DONTNEED));
		if (rng(16) == 0)
			sched_yield();
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

static const struct ktap_case cases[] = {
	{ "the lock is used", lock_is_used, 0 },
	{ "the kernel uses it for its accesses", kernel_uses_the_lock, 0 },
	{ "a stack grows", stack_grows, 0 },
	{ "pages are given", pages_are_given, 0 },
	{ "pages are read", pages_are_read, 0 },
	{ "pages come back", pages_come_back, 0 },
	{ "waits are killable", waits_are_killable, 0 },
	{ "errors are told", errors_are_told, 0 },
	{ "VMAs change under faults", vmas_change_under_faults, 0 },
};

int main(void)
{
	if (number_in("/proc/vmstat", "vma_lock_success ") < 0)
		exit(ktap_skip_all("this kernel counts no locks of VMAs"));
	exit(KTAP_MAIN(cases));
}
