/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the kernel's text has lock prefixes: the distance from each entry to
 * its prefix. The linker sets the bounds of the section.
 */

#ifndef __UM_LOCK_PREFIX_H
#define __UM_LOCK_PREFIX_H

#include <linux/types.h>

extern const s32 __start_um_lock_prefix[], __stop_um_lock_prefix[];

#endif
