/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lock prefixes, noted so that they can be dropped with one CPU: see
 * arch/um/kernel/lock_prefix.c.
 */

#ifndef __UM_LOCK_PREFIX_H
#define __UM_LOCK_PREFIX_H

#include <linux/types.h>

#define LOCK_PREFIX						\
	".pushsection um_lock_prefix,\"a\"\n"			\
	".balign 4\n"						\
	".long 671f - .\n"					\
	".popsection\n"						\
	"671:\n\tlock "

/* The distance from each entry to its prefix; the linker sets the bounds. */
extern const s32 __start_um_lock_prefix[], __stop_um_lock_prefix[];

#endif
