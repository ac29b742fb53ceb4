// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that run at once on different CPUs do not share the pages by which the
 * kernel tells a host process what to do: what one writes to its own is not in
 * the other's, and does not disturb it.
 */
#include "stub.h"
#include "threads.h"

#define MARK 0x6d61726b6d61726bul
#define DATA_PAGES 2

static uint64_t *shared_pages;		/* the stub's data, behind its code */
static atomic_bool written, looked;

/* Words that are zero now are used by nobody: the stack never gets there. */
static int mark_unused_words(void)
{
	int marked = 0;

	for (size_t i = 0; i < DATA_PAGES * PAGE_WORDS / 2; i++)
		if (!shared_pages[PAGE_WORDS / 2 + i]) {
			shared_pages[PAGE_WORDS / 2 + i] = MARK;
			marked++;
		}
	return marked;
}

static int count_marks(void)
{
	int marks = 0;

	for (size_t i = 0; i < DATA_PAGES * PAGE_WORDS; i++)
		marks += shared_pages[i] == MARK;
	return marks;
}

/* No call of the kernel, or its own host process would take the marks for real. */
static void *write_marks(void *unused)
{
	int marks;

	run_on_cpu(1);
	marks = mark_unused_words();
	written = true;
	while (!looked)
		barrier();
	check(marks > 16 && count_marks() > 16, "%d marks, then %d", marks,
	      count_marks());
	return unused;
}

static void pages_of_threads(void)
{
	pthread_t thread;
	char *code;

	jump_back_on(SIGSEGV, SA_NODEFER);
	code = stub_syscall(0);
	require(code, "no stub");
	shared_pages = (uint64_t *)(((uintptr_t)code | (PAGE - 1)) + 1);

	run_on_cpu(0);
	require(count_marks() == 0, "marks from before");
	require_call(!pthread_create(&thread, NULL, write_marks, NULL));
	while (!written)
		barrier();
	check(count_marks() == 0, "%d marks of another thread", count_marks());
	looked = true;
	require_call(!pthread_join(thread, NULL));
	finish();
}

static const struct ktap_case cases[] = {
	{ "pages of threads", pages_of_threads, 0 },
};

KTAP_TESTS(cases)
