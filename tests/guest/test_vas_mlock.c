// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a VAS that is locked: by mlock() and mlock2(MLOCK_ONFAULT) inside, by
 * MAP_LOCKED, by mlockall(MCL_FUTURE) before it is mapped. On fault, nothing is
 * resident that was not touched, also not when others attach; what is locked is
 * counted, and no more than the limit allows.
 */
#include "files.h"
#include "vas_test.h"

#include <sys/resource.h>

#define LARGE_PAGES	131072l	/* 512 MiB */
#define TOUCHED		1311l		/* 1 % of it */
#define USER		4711

static long locked_pages(void)
{
	return number_in("/proc/self/status", "VmLck:") / 4;
}

static long unevictable_pages(void)
{
	return number_in("/proc/meminfo", "Mlocked:") / 4;
}

static int large_vas(const char *name, int *sid)
{
	int vid = new_vas(name);

	*sid = new_segment(name, WINDOW, LARGE_PAGES);
	require_call(vas_seg_attach(vid, *sid, O_RDWR) == 0);
	return vid;
}

static void touch_one_percent(void)
{
	for (long i = 0; i < TOUCHED; i++)
		*word_at(WINDOW + i * 100 * PAGE) = i;
}

/* Pages of a segment are resident for all who have it, or for nobody. */
static long resident_pages(void)
{
	return resident(at(WINDOW), LARGE_PAGES);
}

static void locked_on_fault(void)
{
	int sid, vid = large_vas("onfault", &sid);
	long counted = unevictable_pages();

	attach_self(vid);
	enter(vid);
	require_call(!mlock2(at(WINDOW), LARGE_PAGES * PAGE, MLOCK_ONFAULT));
	check(locked_pages() == LARGE_PAGES, "%ld locked", locked_pages());
	check(resident_pages() == 0, "%ld resident", resident_pages());
	touch_one_percent();
	check(resident_pages() == TOUCHED, "%ld resident", resident_pages());
	check(unevictable_pages() - counted >= TOUCHED - 64,
	      "%ld unevictable", unevictable_pages() - counted);

	check_call(munlock(at(WINDOW), LARGE_PAGES * PAGE));
	check(locked_pages() == 0, "%ld locked", locked_pages());
	require_call(!mlock2(at(WINDOW), LARGE_PAGES * PAGE, MLOCK_ONFAULT));
	drop_with_segment(vid, sid);
	check(locked_pages() == 0, "%ld locked after detach", locked_pages());
}

/* Others attach a VAS that is locked here, with or without locks of their own. */
static void attach_populates_nothing(void)
{
	static const int how[] = { 0, MCL_FUTURE | MCL_ONFAULT, MCL_FUTURE };
	int sid, vid = large_vas("attached", &sid);

	attach_self(vid);
	enter(vid);
	require_call(!mlock2(at(WINDOW), LARGE_PAGES * PAGE, MLOCK_ONFAULT));
	touch_one_percent();
	for (unsigned int i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		pid_t child;

		enter(0);
		child = fork_or_fail();
		if (!child) {
			require_call(!how[i] || !mlockall(how[i]));
			attach_self(vid);
			enter(vid);
			check(resident_pages() == TOUCHED, "%d: %ld resident",
			      how[i], resident_pages());
			check(locked_pages() >= (how[i] ? LARGE_PAGES : 0),
			      "%d: %ld locked", how[i], locked_pages());
			*word_at(WINDOW + PAGE) = 1;
			check(resident_pages() == TOUCHED + 1, "%d: %ld resident",
			      how[i], resident_pages());
			require_call(madvise(at(WINDOW + PAGE), PAGE,
					     MADV_REMOVE) == 0 || how[i]);
			finish();
		}
		wait_for(child);
		enter(vid);
		/* Of a locked region, the child cannot take it back. */
		require_call(!munlock(at(WINDOW + PAGE), PAGE));
		require_call(!madvise(at(WINDOW + PAGE), PAGE, MADV_REMOVE));
		check(resident_pages() == TOUCHED, "%ld resident",
		      resident_pages());
	}
	drop_with_segment(vid, sid);
}

static char *map_locked(unsigned long addr, unsigned long pages)
{
	return mmap(at(addr), pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED |
		    MAP_FIXED_NOREPLACE, -1, 0);
}

static void made_locked(void)
{
	int vid = new_vas("made");

	attach_self(vid);
	enter(vid);
	require_call(map_locked(HEAP, 16) == at(HEAP));
	check(locked_pages() == 16, "%ld locked", locked_pages());
	check(resident(at(HEAP), 16) == 16, "%ld resident",
	      resident(at(HEAP), 16));
	require_call(mremap(at(HEAP), 16 * PAGE, 24 * PAGE, 0) == at(HEAP));
	check(locked_pages() == 24, "%ld locked", locked_pages());
	require_call(mremap(at(HEAP), 24 * PAGE, 8 * PAGE, 0) == at(HEAP));
	check(locked_pages() == 8, "%ld locked", locked_pages());
	map_here(HEAP + 100 * PAGE, 4);
	check(locked_pages() == 8, "%ld locked", locked_pages());
	require_call(munmap(at(HEAP), 8 * PAGE) == 0);
	check(locked_pages() == 0, "%ld locked", locked_pages());
	drop_vas(vid);
}

static void limit_locked_pages(unsigned long pages)
{
	struct rlimit limit = { pages * PAGE, 64 * PAGE };

	require_call(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
}

static void nothing_is_mapped(unsigned long addr, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		check(!can_read(at(addr + i * PAGE)), "page %lu", i);
}

static void limits_hold(void)
{
	int vid, large, sid;

	limit_locked_pages(16);
	become_user(USER);
	vid = new_vas("limits");
	large = large_vas("beyond", &sid);
	attach_self(vid);
	attach_self(large);
	enter(vid);
	check_errno(map_locked(HEAP, 17), EAGAIN);
	nothing_is_mapped(HEAP, 17);
	require_call(map_locked(HEAP, 10) == at(HEAP));
	check_errno(mremap(at(HEAP), 10 * PAGE, 20 * PAGE, 0), EAGAIN);
	nothing_is_mapped(HEAP + 10 * PAGE, 10);
	require_call(mremap(at(HEAP), 10 * PAGE, 16 * PAGE, 0) == at(HEAP));
	limit_locked_pages(0);
	check_errno(map_locked(HEAP + 100 * PAGE, 1), EPERM);
	nothing_is_mapped(HEAP + 100 * PAGE, 1);
	require_call(munmap(at(HEAP), 16 * PAGE) == 0);

	limit_locked_pages(64);
	require_call(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0);
	check_errno(vas_switch(large), ENOMEM);
	check(active_vas() == vid, "not where it was");
	require_call(munlockall() == 0);
	enter(large);
	*word_at(WINDOW) = 1;
	enter(vid);
	check_call(vas_detach(0, large));
	check_call(vas_delete(large));
	check_call(vas_seg_delete(sid));
	drop_vas(vid);
}

static const struct ktap_case cases[] = {
	{ "locked on fault", locked_on_fault, 0 },
	{ "attach populates nothing", attach_populates_nothing, 0 },
	{ "made locked", made_locked, 0 },
	{ "limits hold", limits_hold, 0 },
};

KTAP_TESTS(cases)
