// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvas: the system calls of first-class virtual address spaces, and two
 * functions on top of them.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vas.h"

/* Numbers that a C library may not know yet, in the order of the table. */
enum {
	NR_VAS_CREATE = 600,
	NR_VAS_DELETE,
	NR_VAS_FIND,
	NR_VAS_ATTACH,
	NR_VAS_DETACH,
	NR_VAS_SWITCH,
	NR_ACTIVE_VAS,
	NR_VAS_GETATTR,
	NR_VAS_SETATTR,
	NR_VAS_SEG_CREATE,
	NR_VAS_SEG_DELETE,
	NR_VAS_SEG_FIND,
	NR_VAS_SEG_ATTACH,
	NR_VAS_SEG_DETACH,
	NR_VAS_SEG_GETATTR,
	NR_VAS_SEG_SETATTR,
	NR_VAS_CLONE,
	NR_VAS_SEG_CREATE_FD,
};

int vas_create(const char *name, mode_t mode)
{
	return syscall(NR_VAS_CREATE, name, mode);
}

int vas_clone(int vid, const char *name, mode_t mode)
{
	return syscall(NR_VAS_CLONE, vid, name, mode);
}

int vas_delete(int vid)
{
	return syscall(NR_VAS_DELETE, vid);
}

int vas_find(const char *name)
{
	return syscall(NR_VAS_FIND, name);
}

int vas_attach(pid_t pid, int vid, int type)
{
	return syscall(NR_VAS_ATTACH, pid, vid, type);
}

int vas_detach(pid_t pid, int vid)
{
	return syscall(NR_VAS_DETACH, pid, vid);
}

int vas_switch(int vid)
{
	return syscall(NR_VAS_SWITCH, vid);
}

int active_vas(void)
{
	return syscall(NR_ACTIVE_VAS);
}

int vas_getattr(int vid, struct vas_attr *attr)
{
	return syscall(NR_VAS_GETATTR, vid, attr);
}

int vas_setattr(int vid, const struct vas_attr *attr)
{
	return syscall(NR_VAS_SETATTR, vid, attr);
}

int vas_seg_create(const char *name, unsigned long start, unsigned long end,
		   mode_t mode)
{
	return syscall(NR_VAS_SEG_CREATE, name, start, end, mode);
}

int vas_seg_create_fd(const char *name, unsigned long start, unsigned long end,
		      mode_t mode, int fd)
{
	return syscall(NR_VAS_SEG_CREATE_FD, name, start, end, mode, fd);
}

int vas_seg_delete(int sid)
{
	return syscall(NR_VAS_SEG_DELETE, sid);
}

int vas_seg_find(const char *name)
{
	return syscall(NR_VAS_SEG_FIND, name);
}

int vas_seg_attach(int vid, int sid, int type)
{
	return syscall(NR_VAS_SEG_ATTACH, vid, sid, type);
}

int vas_seg_detach(int vid, int sid)
{
	return syscall(NR_VAS_SEG_DETACH, vid, sid);
}

int vas_seg_getattr(int sid, struct vas_seg_attr *attr)
{
	return syscall(NR_VAS_SEG_GETATTR, sid, attr);
}

int vas_seg_setattr(int sid, const struct vas_seg_attr *attr)
{
	return syscall(NR_VAS_SEG_SETATTR, sid, attr);
}

static int find_or_create(const char *name, int type, mode_t mode)
{
	int vid;

	for (;;) {
		vid = vas_find(name);
		if (vid > 0 || errno != ESRCH || !(type & O_CREAT))
			return vid;
		vid = vas_create(name, mode);
		/* Somebody else may have made it in between. */
		if (vid > 0 || errno != EEXIST)
			return vid;
	}
}

int vas_open(const char *name, int type, mode_t mode)
{
	int vid = find_or_create(name, type, mode);

	if (vid < 0)
		return -1;
	if (vas_attach(0, vid, type & ~O_CREAT))
		return -1;
	return vid;
}

int vas_call(int vid, void *(*function)(void *argument), void *argument,
	     void **result)
{
	int back = active_vas();
	void *returned;

	if (back < 0 || vas_switch(vid))
		return -1;
	returned = function(argument);
	if (vas_switch(back))
		return -1;
	if (result)
		*result = returned;
	return 0;
}
