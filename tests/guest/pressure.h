/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that runs short. */
#ifndef PRESSURE_H
#define PRESSURE_H

#include "memory.h"

#include <sys/sysinfo.h>

/* All of the guest's. */
static inline size_t memory_pages(void)
{
	struct sysinfo info;

	require_call(sysinfo(&info) == 0);
	return info.totalram * info.mem_unit / PAGE;
}

/* Another process that wants more than all memory for a moment. */
static inline void squeeze(void)
{
	pid_t hog = fork_or_fail();

	if (hog == 0) {
		size_t pages = memory_pages() * 11 / 10;
		char *p = map_private(pages);

		for (size_t i = 0; i < pages; i++)
			*(uint64_t *)(p + i * PAGE) = i;
		for (size_t i = 0; i < pages; i += 16)
			check(*(uint64_t *)(p + i * PAGE) == i, "hog's page");
		finish();
	}
	wait_for(hog);
}

#endif
