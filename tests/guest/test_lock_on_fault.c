// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lock on fault: mlock2(MLOCK_ONFAULT), mlockall(MCL_ONFAULT), MAP_POPULATE.
 *
 * A page of such a region becomes resident when it is touched and not before,
 * whatever the kernel does else to answer faults early: it takes no pages along
 * (fault_around.c), maps none around one (a file's), and a window that is filled
 * on a miss makes none. Once resident, it stays, also when the host's mappings
 * are all dropped. And what is counted as locked is right.
 *
 * "evicted" needs as many host mappings as vm.max_map_count allows: 1 GiB.
 */
#include "files.h"
#include "memory.h"
#include "smaps.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

static void lock_on_fault(void *p, size_t pages)
{
	require_call(mlock2(p, pages * PAGE, MLOCK_ONFAULT) == 0);
}

static unsigned long read_pages(const char *base, size_t pages)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < pages; i++)
		sum += *(const volatile unsigned char *)(base + i * PAGE);
	return sum;
}

/* Counters of pages lag behind until each CPU has said what it knows. */
static void drain(void)
{
	write_text("/proc/sys/vm/drop_caches", "1");
	write_text("/proc/sys/vm/stat_refresh", "1");
}

/* So that there is experience of sequences when the region comes */
static void practise(void)
{
	char *p = map_apart(4096);

	write_pages(p, 4096, 1);
	unmap(p, 4096);
}

static void only_touched_pages(void)
{
	char *base;

	practise();
	base = map_apart(4096);
	lock_on_fault(base, 4096);
	check(resident(base, 4096) == 0, "%zu", resident(base, 4096));
	write_pages(base, 700, 1);
	check(resident(base, 4096) == 700, "%zu upwards", resident(base, 4096));
	for (size_t i = 4095; i >= 4000; i--)
		base[i * PAGE] = 2;
	check(resident(base, 4096) == 796, "%zu with downwards",
	      resident(base, 4096));
	check_value(base, 700, 1);
}

static void resident_pages_are_locked_too(void)
{
	char *base = map_apart(1024);

	for (size_t i = 0; i < 1024; i += 8)
		base[i * PAGE] = 1;
	require_call(madvise(base, 1024 * PAGE, MADV_RANDOM) == 0);
	lock_on_fault(base, 1024);
	check(vma_number(base, "Locked:") == 128 * KIB_PER_PAGE,
	      "Locked %ld", vma_number(base, "Locked:"));
	check(resident(base, 1024) == 128, "%zu", resident(base, 1024));
}

static void future_mappings(void)
{
	char *base;

	practise();
	require_call(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0);
	base = map_private(2048);
	check(vma_flag(base, "lo") && vma_flag(base, "lf"), "flags");
	write_pages(base, 300, 1);
	check(resident(base, 2048) == 300, "%zu", resident(base, 2048));
	require_call(munlockall() == 0);
	check(!vma_flag(base, "lo") && !vma_flag(base, "lf"), "flags");
}

static void all_current_mappings(void)
{
	char *base = map_apart(2048);

	practise();
	require_call(mlockall(MCL_CURRENT | MCL_ONFAULT) == 0);
	check(resident(base, 2048) == 0, "%zu", resident(base, 2048));
	write_pages(base, 300, 1);
	check(resident(base, 2048) == 300, "%zu", resident(base, 2048));
}

static void pages_of_a_file(void)
{
	int fd = memory_file(1024, 0);
	char *base = map_at(NULL, 1024, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, 0);

	/* all in the page cache, none mapped */
	lock_on_fault(base, 1024);
	check(vma_number(base, "Rss:") == 0, "Rss %ld",
	      vma_number(base, "Rss:"));
	for (size_t i = 0; i < 1024; i += 128)
		read_pages(base + i * PAGE, 3);
	check(vma_number(base, "Rss:") == 24 * KIB_PER_PAGE, "Rss %ld",
	      vma_number(base, "Rss:"));
	check(vma_number(base, "Locked:") == 24 * KIB_PER_PAGE, "Locked %ld",
	      vma_number(base, "Locked:"));
}

/*
 * A fill by windows after a fork, of parent and child. In the child, which inherits
 * no lock, pages that a fork before has touched may be touched ahead: there are none
 * where nothing was mapped before.
 */
static void windows_make_nothing_resident(void)
{
	char *base = map_apart(4096 + 4096) + 4096 * PAGE;
	pid_t pid;

	lock_on_fault(base, 4096);
	for (size_t i = 0; i < 4096; i += 16)
		base[i * PAGE] = 1;
	pid = fork_or_fail();
	for (size_t i = 0; i < 4096; i += 16)
		check(base[i * PAGE] == 1, "page %zu", i);
	check(resident(base, 4096) == 256, "%zu", resident(base, 4096));
	if (pid == 0) {
		check(!vma_flag(base, "lo") && !vma_flag(base, "lf"),
		      "a child inherits no lock");
		finish();
	}
	wait_for(pid);
	check(vma_flag(base, "lo") && vma_flag(base, "lf"), "flags");
}

static void counters_are_right(void)
{
	long meminfo_locked, unevictable;
	char *base = map_apart(4096);

	drain();
	meminfo_locked = number_in("/proc/meminfo", "Mlocked:");
	unevictable = number_in("/proc/meminfo", "Unevictable:");
	lock_on_fault(base, 4096);
	check(number_in("/proc/self/status", "VmLck:") == 4096 * KIB_PER_PAGE,
	      "VmLck %ld", number_in("/proc/self/status", "VmLck:"));
	check(vma_number(base, "Locked:") == 0, "Locked");
	check(vma_flag(base, "lo") && vma_flag(base, "lf"), "flags");
	write_pages(base, 1000, 1);
	check(vma_number(base, "Locked:") == 1000 * KIB_PER_PAGE, "Locked %ld",
	      vma_number(base, "Locked:"));
	drain();
	check(number_in("/proc/meminfo", "Mlocked:") - meminfo_locked ==
	      1000 * KIB_PER_PAGE, "Mlocked %ld, was %ld",
	      number_in("/proc/meminfo", "Mlocked:"), meminfo_locked);
	check(number_in("/proc/meminfo", "Unevictable:") - unevictable ==
	      1000 * KIB_PER_PAGE, "Unevictable %ld, was %ld",
	      number_in("/proc/meminfo", "Unevictable:"), unevictable);

	require_call(munlock(base, 4096 * PAGE) == 0);
	check(!vma_flag(base, "lo") && !vma_flag(base, "lf"), "flags");
	check(number_in("/proc/self/status", "VmLck:") == 0, "VmLck");
	drain();
	check(number_in("/proc/meminfo", "Mlocked:") == meminfo_locked,
	      "Mlocked %ld, was %ld", number_in("/proc/meminfo", "Mlocked:"),
	      meminfo_locked);
	check(resident(base, 4096) == 1000, "%zu", resident(base, 4096));
}

static void populate_leaves_all_resident(void)
{
	static const int flags[] = { MAP_PRIVATE, MAP_SHARED };
	int fd = memory_file(500, 0);

	for (int i = 0; i < 2; i++) {
		char *anonymous = map_at(NULL, 500, PROT_READ | PROT_WRITE,
					 flags[i] | MAP_POPULATE, -1, 0);
		char *file = map_at(NULL, 500, PROT_READ | PROT_WRITE,
				    flags[i] | MAP_POPULATE, fd, 0);

		check(resident(anonymous, 500) == 500, "%zu",
		      resident(anonymous, 500));
		check(vma_number(file, "Rss:") == 500 * KIB_PER_PAGE, "Rss %ld",
		      vma_number(file, "Rss:"));
		check(!vma_flag(anonymous, "lo") && !vma_flag(file, "lo"),
		      "flags");
		check(number_in("/proc/self/status", "VmLck:") == 0, "VmLck");
	}
}

/* As it has always been: with MCL_ONFAULT nothing asks for pages early. */
static void populate_under_future_on_fault(void)
{
	char *base;

	require_call(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0);
	base = map_at(NULL, 500, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_POPULATE, -1, 0);
	check(resident(base, 500) == 0, "MAP_POPULATE: %zu",
	      resident(base, 500));
	base = map_at(NULL, 500, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_LOCKED, -1, 0);
	check(resident(base, 500) == 0, "MAP_LOCKED: %zu", resident(base, 500));
}

static void droppable_is_not_populated(void)
{
	char *base = map_at(NULL, 500, PROT_READ | PROT_WRITE,
			    MAP_DROPPABLE, -1, 0);

	/* it cannot be locked, and the call says nothing about that */
	lock_on_fault(base, 500);
	check(!vma_flag(base, "lo") && !vma_flag(base, "lf"), "flags");
	check(resident(base, 500) == 0, "mlock2: %zu", resident(base, 500));
	require_call(mlockall(MCL_CURRENT | MCL_ONFAULT) == 0);
	check(resident(base, 500) == 0, "mlockall: %zu", resident(base, 500));
}

static long evictions(void)
{
	return number_in("/sys/kernel/debug/um_tlb/stats", "evictions");
}

/* Every other page: no two of them can share a mapping of the host. */
static void refills_without_reading_again(void)
{
	const size_t count = 70000;
	long before = evictions();
	struct rusage start, end;
	int fd = disk_file(256, 0);
	char *file, *base;

	file = map_at(NULL, 256, PROT_READ, MAP_SHARED, fd, 0);
	base = map_private(2 * count);
	lock_on_fault(file, 256);
	lock_on_fault(base, 2 * count);
	for (size_t i = 0; i < count; i++)
		base[2 * i * PAGE] = 1 + i % 100;
	for (size_t i = 0; i < 256; i++)
		check(page_tag(file + i * PAGE) == i, "file page %zu", i);
	require_call(getrusage(RUSAGE_SELF, &start) == 0);
	drain();

	for (size_t i = 0; i < count; i++)
		check(base[2 * i * PAGE] == (char)(1 + i % 100), "page %zu", i);
	for (size_t i = 0; i < 256; i++)
		check(page_tag(file + i * PAGE) == i, "file page %zu", i);
	require_call(getrusage(RUSAGE_SELF, &end) == 0);
	check(evictions() > before, "no eviction took place");
	check(end.ru_majflt == start.ru_majflt, "%ld faults with input",
	      end.ru_majflt - start.ru_majflt);
	check(resident(base, 2 * count) == count, "%zu",
	      resident(base, 2 * count));
	check(vma_number(file, "Locked:") == 256 * KIB_PER_PAGE, "Locked %ld",
	      vma_number(file, "Locked:"));
}

/*
 * What it is for: 512 MiB of which 1 % is used. Time is that of the call, and
 * of the call with the use; the latter has as many faults as pages used.
 */
static void a_large_region_used_little(void)
{
	const size_t pages = 512 * 256, used = pages / 100;
	double start, lock_s, use_s, onfault_lock_s, onfault_use_s;
	long locked_kib, onfault_kib;
	char *base;

	practise();
	base = map_apart(pages);
	start = seconds_now();
	lock_on_fault(base, pages);
	onfault_lock_s = seconds_now() - start;
	for (size_t i = 0; i < used; i++)
		base[i * 100 * PAGE] = 1;
	onfault_use_s = seconds_now() - start;
	onfault_kib = vma_number(base, "Locked:");
	check(onfault_kib == (long)used * KIB_PER_PAGE, "%ld KiB", onfault_kib);
	unmap(base, pages);

	base = map_apart(pages);
	start = seconds_now();
	require_call(mlock(base, pages * PAGE) == 0);
	lock_s = seconds_now() - start;
	for (size_t i = 0; i < used; i++)
		base[i * 100 * PAGE] = 1;
	use_s = seconds_now() - start;
	locked_kib = vma_number(base, "Locked:");
	unmap(base, pages);

	ktap_note("mlock: %.2f ms, with use %.2f ms, %ld KiB\n", lock_s * 1e3,
		  use_s * 1e3, locked_kib);
	ktap_note("on fault: %.3f ms, with use %.2f ms, %ld KiB\n",
		  onfault_lock_s * 1e3, onfault_use_s * 1e3, onfault_kib);
	check(locked_kib >= 50 * onfault_kib, "memory: %ld and %ld KiB",
	      locked_kib, onfault_kib);
	check(lock_s >= 50 * onfault_lock_s, "time: %.0f and %.0f us",
	      lock_s * 1e6, onfault_lock_s * 1e6);
	check(onfault_use_s < use_s, "with use: %.0f and %.0f us",
	      use_s * 1e6, onfault_use_s * 1e6);
}

static const struct ktap_case cases[] = {
	{ "only touched pages become resident", only_touched_pages, 0 },
	{ "resident pages are locked, too",
	  resident_pages_are_locked_too, 0 },
	{ "future mappings", future_mappings, 0 },
	{ "all current mappings", all_current_mappings, 0 },
	{ "pages of a file", pages_of_a_file, 0 },
	{ "windows make nothing resident",
	  windows_make_nothing_resident, 0 },
	{ "counters are right", counters_are_right, 0 },
	{ "MAP_POPULATE leaves every page resident",
	  populate_leaves_all_resident, 0 },
	{ "MAP_POPULATE under MCL_FUTURE and MCL_ONFAULT",
	  populate_under_future_on_fault, 0 },
	{ "a droppable region is not populated",
	  droppable_is_not_populated, 0 },
	{ "evicted and refilled without input",
	  refills_without_reading_again, 200 },
	{ "a large region of which little is used",
	  a_large_region_used_little, 120 },
};

KTAP_TESTS(cases)
