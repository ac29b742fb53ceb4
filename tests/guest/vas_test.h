/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of first-class virtual address spaces share. The calls are
 * those of libvas, which passes on the kernel's errno as it is.
 */
#ifndef VAS_TEST_H
#define VAS_TEST_H

#include "memory.h"

#include <vas.h>

#define WINDOW		VAS_WINDOW_START
#define SEG_PAGES	16ul
/* Far behind a segment at the start of the window */
#define HEAP		(WINDOW + 0x40000000ul)

/* A call that must fail, with just this errno. */
#define check_errno(call, expected)					\
do {									\
	const int expected__ = (expected);				\
									\
	errno = 0;							\
	long got__ = (long)(call);					\
	check(got__ == -1 && errno == expected__,			\
	      "%s: %ld, %s; not %s", #call, got__, strerror(errno),	\
	      strerror(expected__));					\
} while (0)

#define check_call(call)						\
	check((call) == 0, "%s: %s", #call, strerror(errno))

static inline void *at(unsigned long addr)
{
	return (void *)addr;
}

static inline volatile uint64_t *word_at(unsigned long addr)
{
	return (volatile uint64_t *)addr;
}

/* Objects made by a case, which outlive it; names are per process. */
static inline int new_vas(const char *name)
{
	char full[64];
	int vid;

	snprintf(full, sizeof(full), "%s.%d", name, (int)getpid());
	vid = vas_create(full, 0600);
	require(vid > 0, "vas_create(%s): %s", full, strerror(errno));
	return vid;
}

static inline int new_segment(const char *name, unsigned long start,
			      unsigned long pages)
{
	char full[64];
	int sid;

	snprintf(full, sizeof(full), "%s.%d", name, (int)getpid());
	sid = vas_seg_create(full, start, start + pages * PAGE, 0600);
	require(sid > 0, "vas_seg_create(%s): %s", full, strerror(errno));
	return sid;
}

/* A VAS with SEG_PAGES pages of its own segment at the start of the window. */
static inline int vas_with_segment(const char *name, int *sid)
{
	int vid = new_vas(name);

	*sid = new_segment(name, WINDOW, SEG_PAGES);
	require_call(vas_seg_attach(vid, *sid, O_RDWR) == 0);
	return vid;
}

static inline void attach_self(int vid)
{
	require_call(vas_attach(0, vid, O_RDWR) == 0);
}

static inline void enter(int vid)
{
	require(vas_switch(vid) == 0, "vas_switch(%d): %s", vid,
		strerror(errno));
}

static inline void drop_vas(int vid)
{
	require_call(vas_switch(0) == 0);
	check_call(vas_detach(0, vid));
	check_call(vas_delete(vid));
}

static inline void drop_with_segment(int vid, int sid)
{
	drop_vas(vid);
	check_call(vas_seg_delete(sid));
}

/* Own memory of the VAS that the thread is in. */
static inline void map_here(unsigned long addr, unsigned long pages)
{
	void *got = mmap(at(addr), pages * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	require(got == at(addr), "mmap(%#lx): %p, %s", addr, got,
		strerror(errno));
}

static inline void probe_ready(void)
{
	static bool ready;

	if (!ready)
		probe_init();
	ready = true;
}

static inline bool can_read(const volatile void *p)
{
	probe_ready();
	return probe_read(p) == PROBE_OK;
}

static inline bool can_write(volatile void *p)
{
	probe_ready();
	return probe_write(p) == PROBE_OK;
}

/* No privileges from here on. */
static inline void become_user(unsigned int id)
{
	require_call(setgid(id) == 0);
	require_call(setuid(id) == 0);
}

#endif
