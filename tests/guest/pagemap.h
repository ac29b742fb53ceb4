/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc/self/pagemap says of a page. */
#ifndef PAGEMAP_H
#define PAGEMAP_H

#include "memory.h"

#define PM_PRESENT	(1ull << 63)
#define PM_SWAP		(1ull << 62)
#define PM_FILE		(1ull << 61)
#define PM_EXCLUSIVE	(1ull << 56)

/* How many pages from base on have all of the flags. */
static inline size_t pages_with(const void *base, size_t pages, uint64_t flags)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t found = 0;

	require_call(fd >= 0);
	for (size_t i = 0; i < pages; i++) {
		uint64_t entry;

		require_call(pread(fd, &entry, sizeof(entry),
				   ((uintptr_t)base / PAGE + i) *
				   sizeof(entry)) == sizeof(entry));
		found += (entry & flags) == flags;
	}
	close(fd);
	return found;
}

static inline bool page_has(const void *page, uint64_t flags)
{
	return pages_with(page, 1, flags);
}

#endif
