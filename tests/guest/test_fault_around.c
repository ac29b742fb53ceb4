// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that a fault takes along (arch/um/kernel/fault_around.c).
 *
 * That it happens at all is seen in what is resident before it was touched.
 * The rest is about where it must not happen, or must not go: random touches,
 * the end of a mapping, regions whose owner decides for himself, limits; and
 * about contents: new pages are zero, copies are copies, whoever else writes.
 */
#include "files.h"
#include "uffd.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

#define MIB (1ul << 20)

static void write_down(char *base, size_t pages, char value)
{
	while (pages-- > 0)
		*(volatile char *)(base + pages * PAGE) = value;
}

static void sequence_takes_pages_along(void)
{
	char *up = map_apart(4096), *down = map_apart(4096);

	write_pages(up, 1000, 1);
	check(resident(up, 4096) > 1000 + 8, "%zu resident upwards",
	      resident(up, 4096));
	check(resident(up, 4096) <= 1000 + 64, "%zu resident upwards",
	      resident(up, 4096));
	write_down(down + 3096 * PAGE, 1000, 1);
	check(resident(down, 4096) > 1000 + 8, "%zu resident downwards",
	      resident(down, 4096));
	check_zero(up + 1000 * PAGE, 3096);
	check_zero(down, 3096);
	check_value(up, 1000, 1);
	check_value(down + 3096 * PAGE, 1000, 1);
}

static void touch_at_random(uint32_t block, uint32_t percent)
{
	const uint32_t pages = 16384, blocks = pages / block;
	uint32_t *order = malloc(blocks * sizeof(*order));
	char *base = map_apart(pages);
	size_t touched = blocks * percent / 100 * block, count;

	require_call(order);
	shuffle(order, blocks);
	for (uint32_t i = 0; i < blocks * percent / 100; i++)
		write_pages(base + order[i] * (size_t)block * PAGE, block, 1);
	count = resident(base, pages);
	check(count <= touched + touched / 10,
	      "blocks of %u: touched %zu, resident %zu", block, touched, count);
	unmap(base, pages);
	free(order);
}

static void random_touches_stay_few(void)
{
	touch_at_random(1, 5);
	touch_at_random(1, 20);
	touch_at_random(1, 60);
	touch_at_random(2, 10);
	touch_at_random(4, 10);
}

static void ends_with_the_mapping(void)
{
	char *base = map_apart(3 * 700);
	char *middle = base + 700 * PAGE, *after = middle + 700 * PAGE;

	/* three VMAs side by side */
	protect(base, 700, PROT_READ | PROT_WRITE | PROT_EXEC);
	protect(after, 700, PROT_READ | PROT_WRITE | PROT_EXEC);
	write_pages(middle, 700, 1);
	check(resident(after, 700) == 0, "%zu behind", resident(after, 700));
	check(resident(base, 700) == 0, "%zu before", resident(base, 700));
	unmap(middle, 700);
	middle = map_at(middle, 700, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_FIXED, -1, 0);
	write_down(middle, 700, 1);
	check(resident(after, 700) == 0, "%zu behind", resident(after, 700));
	check(resident(base, 700) == 0, "%zu before", resident(base, 700));
}

static void not_where_access_is_random(void)
{
	char *base = map_apart(4096);

	require_call(madvise(base, 4096 * PAGE, MADV_RANDOM) == 0);
	write_pages(base, 1000, 1);
	check(resident(base, 4096) == 1000, "%zu", resident(base, 4096));
}

static void reading_takes_no_memory(void)
{
	char *base = map_apart(4096);
	long before = number_in("/proc/self/status", "RssAnon:");
	int sum = 0;

	for (size_t i = 0; i < 4096; i++)
		sum += *(volatile char *)(base + i * PAGE);
	check(sum == 0, "sum %d", sum);
	check(number_in("/proc/self/status", "RssAnon:") < before + 512,
	      "RssAnon %ld, was %ld",
	      number_in("/proc/self/status", "RssAnon:"), before);
	/* and each of these pages is written on its own, or in a run */
	write_pages(base, 2048, 3);
	check_value(base, 2048, 3);
	check_value(base + 2048 * PAGE, 2048, 0);
}

/* --- userfaultfd: every page is asked for --- */

static int uffd;
static unsigned long asked;

static void *answer(void *unused)
{
	static char page[PAGE] __attribute__((aligned(4096)));

	page[1] = 9;
	for (;;) {
		char *wanted = asked_for(uffd);

		asked++;
		give_page(uffd, wanted, page);
	}
	return unused;
}

static void userfaultfd_is_asked_every_time(void)
{
	char *base = map_apart(1024);
	pthread_t thread;

	/* so that there is a run to go on with */
	write_pages(base, 200, 1);
	require_call(madvise(base, 1024 * PAGE, MADV_DONTNEED) == 0);
	uffd = ask_for_pages(base, 1024);
	require(pthread_create(&thread, NULL, answer, NULL) == 0, "thread");
	write_pages(base, 500, 1);
	check(asked == 500, "asked for %lu pages", asked);
	check(resident(base, 1024) == 500, "%zu", resident(base, 1024));
	for (size_t i = 0; i < 500; i++)
		check(base[i * PAGE + 1] == 9, "page %zu", i);
}

/* --- limits --- */

#define GROUP "/sys/fs/cgroup/fault_around"

/* Writes page after page until little of the limit is left. */
static void fill_group(const char *limit_file, const char *event,
		       long pages_left)
{
	const long limit = 16 * MIB;
	char text[32], *base;
	pid_t pid;

	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	require_call(mkdir(GROUP, 0700) == 0);
	snprintf(text, sizeof(text), "%ld", limit);
	write_text(limit_file, text);

	pid = fork_or_fail();
	if (pid == 0) {
		write_text(GROUP "/cgroup.procs", "0");
		base = map_apart(8192);
		for (size_t i = 0; i < 8192; i++) {
			base[i * PAGE] = 1;
			if (number_in(GROUP "/memory.current", "") >
			    limit - pages_left * (long)PAGE)
				break;
		}
		check(number_in(GROUP "/memory.events", event) == 0,
		      "%s: %ld", event, number_in(GROUP "/memory.events", event));
		check(resident(base, 8192) > 2000, "%zu pages",
		      resident(base, 8192));
		finish();
	}
	wait_for(pid);
	check(number_in(GROUP "/memory.events", "oom ") == 0, "oom");
	check(number_in(GROUP "/memory.events", event) == 0, "%s: %ld", event,
	      number_in(GROUP "/memory.events", event));
	require_call(rmdir(GROUP) == 0);
}

static void never_into_the_limit_of_a_group(void)
{
	fill_group(GROUP "/memory.max", "max ", 16);
	/* 64 pages are charged at once, and here that counts as a use */
	fill_group(GROUP "/memory.high", "high ", 70);
}

static char *volatile stack_end;
static jmp_buf stack_full;

static void stack_signal(int sig)
{
	(void)sig;
	_longjmp(stack_full, 1);
}

static __attribute__((noinline)) void grow_stack(char *page)
{
	stack_end = page;
	for (;;) {
		stack_end -= PAGE;
		*(volatile char *)stack_end = 1;
	}
}

static void the_stack_ends_at_its_limit(void)
{
	struct rlimit limit = { MIB, MIB };
	static char other[65536];
	stack_t stack = { .ss_sp = other, .ss_size = sizeof(other) };
	struct sigaction action = { .sa_handler = stack_signal,
				    .sa_flags = SA_ONSTACK };
	char here;

	require_call(setrlimit(RLIMIT_STACK, &limit) == 0);
	require_call(sigaltstack(&stack, NULL) == 0);
	require_call(sigaction(SIGSEGV, &action, NULL) == 0);
	if (!_setjmp(stack_full))
		grow_stack(&here);
	check(&here - stack_end <= (long)MIB && &here - stack_end > (long)MIB / 2,
	      "the stack had %ld KiB", (long)(&here - stack_end) >> 10);
}

/* --- contents --- */

static void a_child_copies_in_sequence(void)
{
	const size_t pages = 3000;
	char *base = map_apart(pages);
	struct line line;
	pid_t pid;

	fill_pages(base, pages, 100);
	pid = fork_with_line(&line);
	if (pid == 0) {
		for (size_t i = 0; i < pages; i++) {
			check_page(base + i * PAGE, 100 + i);
			page_fill(base + i * PAGE, 50000 + i);
		}
		tell(&line);
		hear(&line);
		check_pages(base, pages, 50000);
		finish();
	}
	hear(&line);
	check_pages(base, pages, 100);
	/* the parent has them alone now, but for those pages that it shares */
	fill_pages(base, pages, 90000);
	tell(&line);
	wait_for(pid);
	check_pages(base, pages, 90000);
}

static void alone_again(void)
{
	const size_t pages = 3000;
	char *base = map_apart(pages);
	pid_t pid;

	for (int round = 0; round < 3; round++) {
		fill_pages(base, pages, 7 + round);
		pid = fork_or_fail();
		if (pid == 0)
			finish();
		wait_for(pid);
		if (round % 2)
			write_down(base, pages, 1);
		fill_pages(base, pages, 70 + round);
		check_pages(base, pages, 70 + round);
	}
}

/* Pages taken ahead of a copy, while the parent writes them too */
static void parent_and_child_write_at_once(void)
{
	const size_t pages = 1500;
	char *base = map_apart(pages);

	for (int round = 0; round < 8; round++) {
		pid_t pid;

		fill_pages(base, pages, 1000);
		pid = fork_or_fail();
		fill_pages(base, pages / 2, pid ? 5000 : 9000);
		check_pages(base, pages / 2, pid ? 5000 : 9000);
		check_pages(base + pages / 2 * PAGE, pages / 2,
			    1000 + pages / 2);
		if (pid == 0)
			finish();
		wait_for(pid);
	}
}

#define WRITERS 4
#define AREA 600ul

static char *areas;

static void *write_areas(void *number)
{
	char *mine = areas + (uintptr_t)number * AREA * PAGE;

	for (uint32_t round = 1; round <= 12; round++) {
		uint32_t tag = 10000 * round;

		if (round % 3 == 0) {
			require_call(madvise(mine, AREA * PAGE,
					     MADV_DONTNEED) == 0);
			check_zero(mine, 1);
		}
		fill_pages(mine, AREA, tag);
		check_pages(mine, AREA, tag);
	}
	return NULL;
}

/* Threads side by side in one mapping, and children that come and go */
static void threads_write_while_children_come(void)
{
	pthread_t thread[WRITERS];

	areas = map_apart(WRITERS * AREA);
	for (uintptr_t i = 0; i < WRITERS; i++)
		require(pthread_create(&thread[i], NULL, write_areas,
				       (void *)i) == 0, "thread");
	for (int round = 0; round < 12; round++) {
		pid_t pid = fork_or_fail();

		if (pid == 0) {
			fill_pages(areas, WRITERS * AREA, 300000);
			check_pages(areas, WRITERS * AREA, 300000);
			finish();
		}
		wait_for(pid);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < WRITERS; i++)
		check_pages(areas + i * AREA * PAGE, AREA, 120000);
}

/* All in the same pages, each in its own word: they fault at the same time */
static void *write_words(void *number)
{
	for (size_t i = 0; i < 4 * AREA; i++)
		((volatile uint64_t *)(areas + i * PAGE))[(uintptr_t)number] =
			i + 1;
	return NULL;
}

static void threads_write_the_same_pages(void)
{
	for (int round = 0; round < 6; round++) {
		pthread_t thread[WRITERS];

		areas = map_apart(4 * AREA);
		if (round % 2)
			write_pages(areas, 1, 0);
		for (uintptr_t i = 0; i < WRITERS; i++)
			require(pthread_create(&thread[i], NULL, write_words,
					       (void *)i) == 0, "thread");
		for (int i = 0; i < WRITERS; i++)
			pthread_join(thread[i], NULL);
		for (size_t i = 0; i < 4 * AREA; i++)
			for (int j = 0; j < WRITERS; j++)
				check(((uint64_t *)(areas + i * PAGE))[j] ==
				      i + 1, "page %zu, word %d", i, j);
		unmap(areas, 4 * AREA);
	}
}

static void what_is_dropped_comes_back_zero(void)
{
	char *base = map_apart(2048);

	for (int round = 0; round < 4; round++) {
		write_pages(base, 2048, 5);
		require_call(madvise(base + 512 * PAGE, 1024 * PAGE,
				     MADV_DONTNEED) == 0);
		check_zero(base + 512 * PAGE, 1);
		write_pages(base + 513 * PAGE, 300, 6);
		check_zero(base + 813 * PAGE, 723);
		check_value(base, 512, 5);
		check_value(base + 1536 * PAGE, 512, 5);
	}
}

/* The file's pages are the file's, private ones are only written ones. */
static void private_file_pages(void)
{
	int fd = memory_file(1000, 400);
	char *base = map_at(NULL, 1000, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			    fd, 0);

	fill_pages(base, 300, 20000);
	check_pages(base, 300, 20000);
	check_pages(base + 300 * PAGE, 700, 700);
	/* the file changes where nothing was written: seen */
	for (size_t i = 300; i < 1000; i++) {
		uint64_t word = tag_code(7);

		require_call(pwrite(fd, &word, 8, i * PAGE) == 8);
	}
	for (size_t i = 300; i < 1000; i++)
		check(page_tag(base + i * PAGE) == 7, "page %zu: %u", i,
		      page_tag(base + i * PAGE));
}

static const struct ktap_case cases[] = {
	{ "a sequence takes pages along", sequence_takes_pages_along, 0 },
	{ "random touches stay few", random_touches_stay_few, 0 },
	{ "it ends with the mapping", ends_with_the_mapping, 0 },
	{ "not where access is random", not_where_access_is_random, 0 },
	{ "reading takes no memory", reading_takes_no_memory, 0 },
	{ "userfaultfd is asked every time",
	  userfaultfd_is_asked_every_time, 0 },
	{ "never into the limit of a group",
	  never_into_the_limit_of_a_group, 0 },
	{ "the stack ends at its limit", the_stack_ends_at_its_limit, 0 },
	{ "a child copies in sequence", a_child_copies_in_sequence, 0 },
	{ "alone again", alone_again, 0 },
	{ "parent and child write at once",
	  parent_and_child_write_at_once, 0 },
	{ "threads write while children come",
	  threads_write_while_children_come, 120 },
	{ "threads write the same pages", threads_write_the_same_pages, 0 },
	{ "what is dropped comes back zero",
	  what_is_dropped_comes_back_zero, 0 },
	{ "private file pages", private_file_pages, 0 },
};

KTAP_TESTS(cases)
