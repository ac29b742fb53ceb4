// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small program finds what it touches first; of what is large it finds nothing.
 */
#include "pagemap.h"

#define TEXT_PAGES	300
#define PROGRAMS	48

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

static void look_at_text(void)
{
	for (unsigned int page = 0; page < TEXT_PAGES; page++)
		check(page_has(text + page * PAGE, PM_PRESENT), "page %u", page);
	finish();
}

/* Tells whether page 1 is there, or page 0, which nobody writes; writes page 1. */
static void look_at_data(void)
{
	int found = is_own(data + PAGE) | is_own(data) << 1;

	data[PAGE] = 1;
	_exit(found);
}

/* What a new program of this file does that a case has started. */
static __attribute__((constructor)) void look(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--text") == 0)
		look_at_text();
	if (argc == 2 && strcmp(argv[1], "--data") == 0)
		look_at_data();
}

static void start_program(const char *argument)
{
	execl("/proc/self/exe", "test_exec_ahead", argument, NULL);
	require_call(false);
}

static void text_is_there(void)
{
	static char buffer[1 << 16];
	int fd = open("/proc/self/exe", O_RDONLY);

	require_call(fd >= 0);
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	start_program("--text");
}

/* The program is known by now, but once in a while it is learnt anew. */
static void written_data_is_there(void)
{
	int found[2] = { 0 };

	for (int i = 0; i < PROGRAMS; i++) {
		pid_t pid = fork_or_fail();
		int status;

		if (!pid)
			start_program("--data");
		require_call(waitpid(pid, &status, 0) == pid);
		require(WIFEXITED(status), "status %#x", status);
		found[0] += WEXITSTATUS(status) >> 1;
		found[1] += WEXITSTATUS(status) & 1;
	}
	check(found[1] >= PROGRAMS * 3 / 4 && found[1] < PROGRAMS,
	      "what was written: %d of %d", found[1], PROGRAMS);
	check(found[0] == 0, "what was not: %d of %d", found[0], PROGRAMS);
}

static const struct ktap_case cases[] = {
	{ "data is there", data_is_there, 0 },
	{ "large memory is not", large_memory_is_not, 0 },
	{ "text that is in memory is there", text_is_there, 0 },
	{ "of what is known, data that is written is there",
	  written_data_is_there, 0 },
};

KTAP_TESTS(cases)
