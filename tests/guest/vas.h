/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls of first-class virtual address spaces, for the guest tests:
 * bare, so that each errno is the kernel's.
 */
#ifndef TEST_VAS_H
#define TEST_VAS_H

#include "memory.h"

#include <sys/syscall.h>

#include "../../include/uapi/linux/vas.h"

#ifndef __NR_vas_create
#define __NR_vas_create		600
#define __NR_vas_delete		601
#define __NR_vas_find		602
#define __NR_vas_attach		603
#define __NR_vas_detach		604
#define __NR_vas_switch		605
#define __NR_active_vas		606
#define __NR_vas_getattr	607
#define __NR_vas_setattr	608
#define __NR_vas_seg_create	609
#define __NR_vas_seg_delete	610
#define __NR_vas_seg_find	611
#define __NR_vas_seg_attach	612
#define __NR_vas_seg_detach	613
#define __NR_vas_seg_getattr	614
#define __NR_vas_seg_setattr	615
#define __NR_vas_clone		616
#define __NR_vas_seg_create_fd	617
#endif

static inline int vas_create(const char *name, mode_t mode)
{
	return syscall(__NR_vas_create, name, mode);
}

static inline int vas_delete(int vid)
{
	return syscall(__NR_vas_delete, vid);
}

static inline int vas_find(const char *name)
{
	return syscall(__NR_vas_find, name);
}

static inline int vas_attach(pid_t pid, int vid, int type)
{
	return syscall(__NR_vas_attach, pid, vid, type);
}

static inline int vas_detach(pid_t pid, int vid)
{
	return syscall(__NR_vas_detach, pid, vid);
}

static inline int vas_switch(int vid)
{
	return syscall(__NR_vas_switch, vid);
}

static inline int active_vas(void)
{
	return syscall(__NR_active_vas);
}

static inline int vas_getattr(int vid, void *attr)
{
	return syscall(__NR_vas_getattr, vid, attr);
}

static inline int vas_setattr(int vid, void *attr)
{
	return syscall(__NR_vas_setattr, vid, attr);
}

static inline int vas_seg_create(const char *name, unsigned long start,
				 unsigned long end, mode_t mode)
{
	return syscall(__NR_vas_seg_create, name, start, end, mode);
}

static inline int vas_seg_delete(int sid)
{
	return syscall(__NR_vas_seg_delete, sid);
}

static inline int vas_seg_find(const char *name)
{
	return syscall(__NR_vas_seg_find, name);
}

static inline int vas_seg_attach(int vid, int sid, int type)
{
	return syscall(__NR_vas_seg_attach, vid, sid, type);
}

static inline int vas_seg_detach(int vid, int sid)
{
	return syscall(__NR_vas_seg_detach, vid, sid);
}

static inline int vas_seg_getattr(int sid, void *attr)
{
	return syscall(__NR_vas_seg_getattr, sid, attr);
}

static inline int vas_seg_setattr(int sid, void *attr)
{
	return syscall(__NR_vas_seg_setattr, sid, attr);
}

static inline int vas_clone(int vid, const char *name, mode_t mode)
{
	return syscall(__NR_vas_clone, vid, name, mode);
}

static inline int vas_seg_create_fd(const char *name, unsigned long start,
				    unsigned long end, mode_t mode, int fd)
{
	return syscall(__NR_vas_seg_create_fd, name, start, end, mode, fd);
}

#define WINDOW		VAS_WINDOW_START
#define SEG_PAGES	16ul

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
static __attribute__((unused)) int new_vas(const char *name)
{
	char full[64];
	int vid;

	snprintf(full, sizeof(full), "%s.%d", name, (int)getpid());
	vid = vas_create(full, 0600);
	require(vid > 0, "vas_create(%s): %s", full, strerror(errno));
	return vid;
}

static __attribute__((unused)) int new_segment(const char *name,
					       unsigned long start,
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
static __attribute__((unused)) int vas_with_segment(const char *name, int *sid)
{
	int vid = new_vas(name);

	*sid = new_segment(name, WINDOW, SEG_PAGES);
	require_call(vas_seg_attach(vid, *sid, O_RDWR) == 0);
	return vid;
}

static __attribute__((unused)) void attach_self(int vid)
{
	require_call(vas_attach(0, vid, O_RDWR) == 0);
}

static __attribute__((unused)) void enter(int vid)
{
	require(vas_switch(vid) == 0, "vas_switch(%d): %s", vid,
		strerror(errno));
}

static __attribute__((unused)) void drop_vas(int vid)
{
	require_call(vas_switch(0) == 0);
	check_call(vas_detach(0, vid));
	check_call(vas_delete(vid));
}

/* Own memory of the VAS that the thread is in. */
static __attribute__((unused)) void map_here(unsigned long addr,
					     unsigned long pages)
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

static __attribute__((unused)) bool can_read(const volatile void *p)
{
	probe_ready();
	return probe_read(p) == PROBE_OK;
}

static __attribute__((unused)) bool can_write(volatile void *p)
{
	probe_ready();
	return probe_write(p) == PROBE_OK;
}

/* No privileges from here on. */
static __attribute__((unused)) void become_user(unsigned int id)
{
	require_call(setgid(id) == 0);
	require_call(setuid(id) == 0);
}

#endif
