/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __UM_STACK_CACHE_H
#define __UM_STACK_CACHE_H

#include <linux/types.h>

void *um_stack_from_cache(void);
bool um_stack_to_cache(void *stack);

#endif
