/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * New kernel mappings are sent to the host as soon as they are complete: one
 * call for a run of pages, instead of a fault when they are first used. There
 * is nothing to do before they go; flush_tlb_kernel_range() follows.
 */

#ifndef __UM_ASM_CACHEFLUSH_H
#define __UM_ASM_CACHEFLUSH_H

#include <asm/tlbflush.h>

#define flush_cache_vmap flush_tlb_kernel_range

#include <asm-generic/cacheflush.h>

#endif
