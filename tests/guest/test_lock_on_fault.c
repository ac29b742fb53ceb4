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
	long inputs;
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
	inputs = usage_now().ru_majflt;
	drain();

	for (size_t i = 0; i < count; i++)
		check(base[2 * i * PAGE] == (char)(1 + i % 100), "page %zu", i);
	for (size_t i = 0; i < 256; i++)
		check(page_tag(file + i * PAGE) == i, "file page %zu", i);
	inputs = usage_now().ru_majflt - inputs;
	check(evictions() > before, "no eviction took place");
	check(inputs == 0, "%ld faults with input", inputs);
	check(resident(base, 2 * count) == count, "%zu",
	      resident(base, 2 * count));
	check(vma_number(file, "Locked:") == 256 * KIB_PER_PAGE, "Locked %ld",
	      vma_number(file, "Locked:"));
}

/* What locking a region costs, and what its use does then */
struct lock_cost {
	double call_s;
	double use_s;
	long faults;
	long kib;
};

enum { LARGE_PAGES = 512 * 256, APART = 100, USED = LARGE_PAGES / APART };

static void lock_all(void *p, size_t pages)
{
	require_call(mlock(p, pages * PAGE) == 0);
}

/* The shortest call of all is kept: a busy host makes some of them long. */
static void measure_lock(struct lock_cost *cost,
			 void (*lock)(void *p, size_t pages))
{
	char *base = map_apart(LARGE_PAGES);
	double start = seconds_now(), call_s;
	long faults;

	lock(base, LARGE_PAGES);
	call_s = seconds_now() - start;
	if (!cost->call_s || call_s < cost->call_s)
		cost->call_s = call_s;

	start = seconds_now();
	faults = usage_now().ru_minflt;
	for (size_t i = 0; i < USED; i++)
		base[i * APART * PAGE] = 1;
	cost->faults = usage_now().ru_minflt - faults;
	cost->use_s = seconds_now() - start;
	cost->kib = vma_number(base, "Locked:");
	unmap(base, LARGE_PAGES);
}

/*
 * What it is for: 512 MiB of which 1 % is used. That use has a fault for each page;
 * what they take is told, but is up to how fast the host traps, not to the region.
 */
static void a_large_region_used_little(void)
{
	struct lock_cost all = {}, on_fault = {};

	practise();
	for (int i = 0; i < 3; i++) {
		measure_lock(&on_fault, lock_on_fault);
		measure_lock(&all, lock_all);
	}

	ktap_note("mlock: %.2f ms, use %.2f ms, %ld KiB\n", all.call_s * 1e3,
		  all.use_s * 1e3, all.kib);
	ktap_note("on fault: %.3f ms, use %.2f ms, %ld KiB\n",
		  on_fault.call_s * 1e3, on_fault.use_s * 1e3, on_fault.kib);
	check(on_fault.kib == USED * KIB_PER_PAGE, "%ld KiB", on_fault.kib);
	check(all.kib >= 50 * on_fault.kib, "memory: %ld and %ld KiB",
	      all.kib, on_fault.kib);
	check(all.call_s >= 50 * on_fault.call_s, "time: %.0f and %.0f us",
	      all.call_s * 1e6, on_fault.call_s * 1e6);
	check(on_fault.faults >= USED && on_fault.faults < USED + USED / 20,
	      "%ld faults", on_fault.faults);
	check(all.faults < USED / 20, "%ld faults of mlock()", all.faults);
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
