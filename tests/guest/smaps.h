/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc/self/smaps tells of a VMA. */
#ifndef SMAPS_H
#define SMAPS_H

#include "ktap.h"

/* What its numbers are in */
#define KIB_PER_PAGE 4

/* A field of the VMA that starts at this address, from smaps */
static inline bool vma_field(const void *start, const char *name, char *text,
			     size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to;
	bool inside = false, found = false;
	char line[512];

	require_call(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2 &&
		    strchr(line, '-') < strchr(line, ' '))
			inside = from == (uintptr_t)start;
		else if (inside && !strncmp(line, name, strlen(name))) {
			snprintf(text, size, "%s", line + strlen(name));
			found = true;
		}
	}
	fclose(f);
	return found;
}

static inline long vma_number(const void *start, const char *name)
{
	char text[512];

	return vma_field(start, name, text, sizeof(text)) ? atol(text) : -1;
}

static inline bool vma_flag(const void *start, const char *flag)
{
	char text[512], word[8];

	require(vma_field(start, "VmFlags:", text, sizeof(text)), "no VMA");
	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(text, word);
}

#endif
