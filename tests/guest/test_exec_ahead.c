// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small program finds what it touches first; of what is large it finds nothing.
 */
#include "memory.h"

/* Nobody touches these. Each is alone in its pages. */
static char data[2 * PAGE] __attribute__((aligned(4096))) = { 1 };
static char bss[200 * PAGE] __attribute__((aligned(4096)));

/* Whether there is a page of the process's own, not one of the file. */
static bool is_own(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	require(fd >= 0, "pagemap");
	require_call(pread(fd, &entry, sizeof(entry),
			   (uintptr_t)p / PAGE * sizeof(entry)) ==
		     sizeof(entry));
	close(fd);
	return entry >> 63 && !(entry >> 61 & 1);
}

static void data_is_there(void)
{
	check(is_own(data) && is_own(data + PAGE), "data");
}

static void large_memory_is_not(void)
{
	for (unsigned int page = 0; page < 200; page++)
		check(!is_own(bss + page * PAGE), "page %u", page);
}

static const struct ktap_case cases[] = {
	{ "data is there", data_is_there, 0 },
	{ "large memory is not", large_memory_is_not, 0 },
};

KTAP_TESTS(cases)
