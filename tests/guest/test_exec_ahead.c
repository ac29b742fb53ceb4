// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small program finds what it touches first; of what is large it finds nothing.
 */
#include "pagemap.h"

#define TEXT_PAGES	300

/* Nobody touches these. Each is alone in its pages. */
static char data[2 * PAGE] __attribute__((aligned(4096))) = { 1 };
static char bss[200 * PAGE] __attribute__((aligned(4096)));

static const char text[TEXT_PAGES * PAGE]
	__attribute__((aligned(4096), section(".text.padding"))) = { 1 };

/* Whether there is a page of the process's own, not one of the file. */
static bool is_own(const void *p)
{
	return page_has(p, PM_PRESENT) && !page_has(p, PM_FILE);
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

/* A new program of this file, for text_is_there(): no case, and no child of one. */
static __attribute__((constructor)) void look_at_text(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "--text") != 0)
		return;
	for (unsigned int page = 0; page < TEXT_PAGES; page++)
		check(page_has(text + page * PAGE, PM_PRESENT), "page %u", page);
	finish();
}

static void text_is_there(void)
{
	static char buffer[1 << 16];
	int fd = open("/proc/self/exe", O_RDONLY);

	require_call(fd >= 0);
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	execl("/proc/self/exe", "test_exec_ahead", "--text", NULL);
	require_call(false);
}

static const struct ktap_case cases[] = {
	{ "data is there", data_is_there, 0 },
	{ "large memory is not", large_memory_is_not, 0 },
	{ "text that is in memory is there", text_is_there, 0 },
};

KTAP_TESTS(cases)
