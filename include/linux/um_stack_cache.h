/* SPDX-License-Identifier: GPL-2.0-only */
/* Stacks of dead tasks, for kernel/fork.c: see arch/um/kernel/stack_cache.c. */

#ifndef _LINUX_UM_STACK_CACHE_H
#define _LINUX_UM_STACK_CACHE_H

#include <linux/types.h>

#ifdef CONFIG_UML

void *um_stack_from_cache(void);
bool um_stack_to_cache(void *stack);

#else

static inline void *um_stack_from_cache(void)
{
	return NULL;
}

static inline bool um_stack_to_cache(void *stack)
{
	return false;
}

#endif

#endif
