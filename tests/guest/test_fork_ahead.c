// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both sides of a fork find the pages that were touched after the forks before,
 * and no others; what they see in them is what it would be without that.
 */
#include "pagemap.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#define PAGES	8
#define FORKS	48
#define TAG	1000

/* Of all forks, some begin to learn anew, and the first did not know. */
#define ENOUGH	(FORKS * 3 / 4)

/* Its own copy of a page that was shared by the fork. */
static bool is_own(const char *page)
{
	return page_has(page, PM_PRESENT | PM_EXCLUSIVE);
}

/*
 * This process is a child itself, whose first faults are remembered: they are of
 * other memory than what it returns.
 */
static char *pages_with_tags(void)
{
	char *p = map_private(PAGES), *others = map_private(64);

	for (int i = 0; i < 64; i += 2)
		others[i * PAGE] = 1;
	fill_pages(p, PAGES, TAG);
	return p;
}

/* Forks a child that looks at page 1 and writes it, if @writes; what it saw. */
static bool child_finds_page(char *p, bool writes)
{
	bool found;
	int status;
	pid_t pid = fork_or_fail();

	if (!pid) {
		found = is_own(p + PAGE);
		check_pages(p, PAGES, TAG);
		check(!is_own(p + 5 * PAGE), "a page that nobody wrote");
		if (writes)
			page_fill(p + PAGE, 1);
		_exit(ktap_failures ? 2 : found);
	}
	require_call(waitpid(pid, &status, 0) == pid);
	require(WIFEXITED(status) && WEXITSTATUS(status) < 2, "status %#x",
		status);
	check_pages(p, PAGES, TAG);
	return WEXITSTATUS(status);
}

static void children_find_it(void)
{
	char *p = pages_with_tags();
	int found = 0;

	for (int i = 0; i < FORKS; i++)
		found += child_finds_page(p, true);
	check(found >= ENOUGH && found < FORKS, "%d of %d", found, FORKS);
}

/* When children do something else they are not burdened for long. */
static void it_is_forgotten(void)
{
	char *p = pages_with_tags();
	int found = 0;

	for (int i = 0; i < FORKS; i++)
		child_finds_page(p, true);
	for (int i = 0; i < FORKS; i++)
		found += child_finds_page(p, false);
	check(found < ENOUGH, "%d of %d", found, FORKS);
}

static void parents_find_it(void)
{
	char *p = pages_with_tags();
	int found = 0;

	for (int i = 0; i < FORKS; i++) {
		struct line line;
		pid_t pid = fork_with_line(&line);

		if (!pid) {
			hear(&line);
			check_page(p + PAGE, TAG + i + 1);
			finish();
		}
		found += is_own(p + PAGE);
		check(!is_own(p + 5 * PAGE), "a page that nobody wrote");
		page_fill(p + PAGE, TAG + i + 2);
		tell(&line);
		wait_for(pid);
		line_close(&line);
	}
	check(found >= ENOUGH && found < FORKS, "%d of %d", found, FORKS);
}

static void check_children_leave(const char *page, const char *what)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork_or_fail();

		if (!pid) {
			check(!page_has(page, PM_PRESENT), "%s", what);
			finish();
		}
		wait_for(pid);
	}
}

/* What is in the place of a page that was remembered is left alone. */
static void others_are_left_alone(void)
{
	char *p = pages_with_tags();

	for (int i = 0; i < 3; i++)
		child_finds_page(p, true);

	require_call(munmap(p + PAGE, PAGE) == 0);
	check_children_leave(p + PAGE, "nothing");
	map_at(p + PAGE, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, -1, 0);
	check_children_leave(p + PAGE, "shared memory");
	map_at(p + PAGE, 1, PROT_NONE, MAP_PRIVATE | MAP_FIXED, -1, 0);
	check_children_leave(p + PAGE, "no rights");
}

/* What the children of root touch is nothing that another user could see. */
static void not_told_to_others(void)
{
	char *p = pages_with_tags();
	pid_t pid;

	for (int i = 0; i < 3; i++)
		child_finds_page(p, true);
	pid = fork_or_fail();
	if (!pid) {
		require_call(setuid(1) == 0);
		require_call(prctl(PR_SET_DUMPABLE, 1) == 0);
		for (int i = 0; i < 3; i++)
			check(!child_finds_page(p, true), "child %d", i);
		finish();
	}
	wait_for(pid);
}

static const struct ktap_case cases[] = {
	{ "children find what children wrote", children_find_it, 0 },
	{ "it is forgotten", it_is_forgotten, 0 },
	{ "parents find what parents wrote", parents_find_it, 0 },
	{ "others are left alone", others_are_left_alone, 0 },
	{ "not told to other users", not_told_to_others, 0 },
};

KTAP_TESTS(cases)
