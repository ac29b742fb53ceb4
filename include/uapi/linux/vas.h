/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * First-class virtual address spaces (VAS) and segments.
 *
 * A VAS is an object of its own, with a name, an owner and a mode, that lives
 * until it is deleted. A process attaches it, and each of its threads switches
 * into it and out again. What a VAS holds appears between VAS_WINDOW_START and
 * VAS_WINDOW_END; every other address belongs to the process and is the same
 * in all the spaces that it has attached.
 */

#ifndef _UAPI_LINUX_VAS_H
#define _UAPI_LINUX_VAS_H

#include <linux/posix_types.h>

/* The addresses that a VAS owns: from START on, END is the first behind. */
#define VAS_WINDOW_START	0x200000000000UL
#define VAS_WINDOW_END		0x400000000000UL

/* Longest name of a VAS or segment in bytes, without the final zero. */
#define VAS_NAME_MAX		255

/*
 * Flags of an attach type, beside O_RDONLY, O_WRONLY, O_RDWR and O_EXCL (sole
 * use of the VAS or segment).
 */
/* vas_attach: mmap() with no address, from inside the VAS, makes VAS memory */
#define VAS_MMAP_INSIDE		0x01000000
/*
 * vas_seg_attach: a thread that switches into the VAS takes the segment's lock,
 * shared if the segment is attached read-only to it and exclusively if not, and
 * releases it when it switches out, calls execve() or ends.
 */
#define VAS_SEG_LOCK		0x02000000

/**
 * struct vas_attr - what vas_getattr() and vas_setattr() pass
 * @mode:	permissions, of which 0666 count
 * @user:	owner, as the calling process's user namespace numbers it
 * @group:	group, likewise
 */
struct vas_attr {
	__kernel_mode_t mode;
	__kernel_uid_t user;
	__kernel_gid_t group;
};

/**
 * struct vas_seg_attr - the same for a segment
 * @mode:	permissions, of which 0666 count
 * @user:	owner
 * @group:	group
 */
struct vas_seg_attr {
	__kernel_mode_t mode;
	__kernel_uid_t user;
	__kernel_gid_t group;
};

#endif
