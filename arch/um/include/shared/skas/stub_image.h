/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The code that runs inside host processes, as it lies in the kernel's image.
 */

#ifndef __STUB_IMAGE_H
#define __STUB_IMAGE_H

/* The page that every host process maps, and a place in it (stub_sleep.h) */
extern char __syscall_stub_start[];
extern char stub_slept[];

/* The program that sets up a new host process */
extern char stub_exe_start[], stub_exe_end[];

#endif
