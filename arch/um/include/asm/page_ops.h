/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clearing and copying pages with string instructions, which a processor does
 * twice as fast as the loops of memset() and memcpy() where the pages are
 * cached. (UML does not patch these functions for the processor it runs on.)
 */

#ifndef __UM_PAGE_OPS_H
#define __UM_PAGE_OPS_H

static inline void clear_page(void *page)
{
	unsigned long words = PAGE_SIZE / 4;

	asm volatile("rep stosl"
		     : "+D" (page), "+c" (words)
		     : "a" (0)
		     : "memory");
}

static inline void copy_page(void *to, const void *from)
{
	unsigned long words = PAGE_SIZE / 4;

	asm volatile("rep movsl"
		     : "+D" (to), "+S" (from), "+c" (words)
		     : : "memory");
}

#endif
