/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters of the memory path: /sys/kernel/debug/um_tlb/stats. */
#ifndef STATS_H
#define STATS_H

#include "ktap.h"

static inline long tlb_counter(const char *name)
{
	FILE *file = fopen("/sys/kernel/debug/um_tlb/stats", "r");
	char found[64];
	long value;

	require_call(file);
	while (fscanf(file, "%63s %ld", found, &value) == 2) {
		if (strcmp(found, name) == 0) {
			fclose(file);
			return value;
		}
	}
	require(false, "no counter %s", name);
	return 0;
}

#endif
