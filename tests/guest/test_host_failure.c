// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host call of the memory path fails, and not for want of room: only the
 * process concerned ends, with a SIGBUS that it cannot handle, and nobody who
 * shares its memory runs on with a translation that should have gone.
 *
 * Needs a kernel with fault injection (arch/um/kernel/tlb_inject.c). Only
 * tasks with make-it-fail set are hit.
 */
#include "files.h"
#include "memory.h"

#include <sched.h>

#define PAGES 64
#define RW (PROT_READ | PROT_WRITE)
#define ATTRIBUTE "/sys/kernel/debug/fail_um_host_call/"

/* The next calls made for tasks that ask for it fail, so many. */
static void arm(const char *times)
{
	write_text(ATTRIBUTE "task-filter", "Y");
	write_text(ATTRIBUTE "interval", "1");
	write_text(ATTRIBUTE "probability", "100");
	write_text(ATTRIBUTE "times", times);
}

static bool spent(void)
{
	return number_in(ATTRIBUTE "times", "") == 0;
}

static void ask_for_failure(void)
{
	write_text("/proc/self/make-it-fail", "1");
}

static void handler(int sig)
{
	_exit(80 + (sig == SIGBUS));
}

static void expect_sigbus(pid_t child, const char *what)
{
	check(wait_for_signal(child, SIGBUS), "%s: no SIGBUS", what);
	check(spent(), "%s: no call failed", what);
}

/*
 * The process asks first and is armed last, on code that has run already, so
 * that the next call is the one that is wanted.
 */
static void arm_self(const char *times)
{
	ask_for_failure();
	arm("0");
	arm(times);
}

/* Each uses memory in a way that needs one kind of host call. */
static void needs_fills(char *p)
{
	fill_pages(p, PAGES, 0x2000);
}

static void needs_protects(char *p)
{
	for (int i = 0; i < PAGES; i++)
		protect(p + i * PAGE, 1, PROT_READ);
}

static void needs_invalidates(char *p)
{
	for (int i = 0; i < PAGES; i++)
		unmap(p + i * PAGE, 1);
}

static void only_the_process_dies(void)
{
	static void (*const use[])(char *) = { needs_fills, needs_protects,
					       needs_invalidates };
	char *p = map_private(PAGES);

	fill_pages(p, PAGES, 0x1000);
	for (int round = 0; round < 9; round++) {
		pid_t child = fork_or_fail();

		if (child == 0) {
			char *other = map_private(PAGES);

			use[round % 3](other);
			fill_pages(p, PAGES / 2, 0x3000);
			signal(SIGBUS, handler);
			signal(SIGSEGV, handler);
			arm_self("1");
			use[round % 3](p);
			_exit(70);
		}
		expect_sigbus(child, "one call");
		check_pages(p, PAGES, 0x1000);
	}
}

/* It cannot be emptied either: its host process is killed. */
static void eviction_fails(void)
{
	char *p = map_private(PAGES);
	pid_t child;

	fill_pages(p, PAGES, 0x1000);
	child = fork_or_fail();
	if (child == 0) {
		arm_self("2");
		fill_pages(p, PAGES, 0x2000);
		_exit(70);
	}
	expect_sigbus(child, "a call, and the eviction");
	check_pages(p, PAGES, 0x1000);
}

struct sharer {
	char *page;
	bool unmapped;
	bool survived;
};

static int unmap_and_fail(void *argument)
{
	struct sharer *sharer = argument;

	ask_for_failure();
	sharer->unmapped = true;
	unmap(sharer->page, 1);
	sharer->survived = true;
	_exit(70);
}

/*
 * The page is given back, its invalidate fails, and the process dies that made
 * the call. Its parent has the same memory, and lives.
 */
static void sharers_see_no_old_page(void)
{
	char *stack = map_private(16);
	int tries = 0;

	probe_init();
	fill_pages(stack, 16, 0x9000);
	for (int good = 0; good < 10 && tries < 100; tries++) {
		struct sharer sharer = { map_private(1), false, false };
		pid_t child;

		page_fill(sharer.page, 0x1000);
		arm("1");
		child = clone(unmap_and_fail, stack + 16 * PAGE,
			      CLONE_VM | CLONE_VFORK | SIGCHLD, &sharer);
		require_call(child > 0);
		wait_for_signal(child, SIGBUS);
		check(!sharer.survived, "no call failed");
		/* It may have been an earlier call; then it is tried again. */
		if (!sharer.unmapped) {
			unmap(sharer.page, 1);
			continue;
		}
		good++;
		check_probe(probe_read(sharer.page), PROBE_MAPERR, "given back");
	}
	check(tries < 100, "never failed in munmap");
}

static const struct ktap_case cases[] = {
	{ "only the process dies", only_the_process_dies, 0 },
	{ "the eviction fails, too", eviction_fails, 0 },
	{ "sharers see no old page", sharers_see_no_old_page, 0 },
};

int main(void)
{
	if (access(ATTRIBUTE "times", F_OK))
		return ktap_skip_all("no fault injection in this kernel");
	return KTAP_MAIN(cases);
}
