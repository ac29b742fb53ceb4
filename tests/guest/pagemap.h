/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc/self/pagemap says of a page. */
#ifndef PAGEMAP_H
#define PAGEMAP_H

#include "memory.h"

#define PM_PRESENT	(1ull << 63)
#define PM_FILE		(1ull << 61)
#define PM_EXCLUSIVE	(1ull << 56)

static inline bool page_has(const void *p, uint64_t flags)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	require(fd >= 0, "pagemap");
	require_call(pread(fd, &entry, sizeof(entry),
			   (uintptr_t)p / PAGE * sizeof(entry)) ==
		     sizeof(entry));
	close(fd);
	return (entry & flags) == flags;
}

#endif
