// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel in a process's memory, on its behalf: system calls with good,
 * closed, shared and missing buffers, and futex words.
 *
 * Stock UML 7.3 fails "system calls on closed buffers": the kernel reads a page
 * that has PROT_NONE as long as its page is there.
 */
#include "memory.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#define PAGES 32
#define RW (PROT_READ | PROT_WRITE)

/* Buffers that the kernel cannot use: nothing there, or not permitted. */
static void bad_buffers(void)
{
	int fd = memory_file(4, 0x1000);
	char *none = map_at(NULL, 1, PROT_NONE, MAP_PRIVATE, -1, 0);
	char *ro = map_at(NULL, 1, PROT_READ, MAP_PRIVATE, -1, 0);
	char *gone = map_private(1);
	char *p = map_private(3);
	ssize_t got;

	unmap(gone, 1);
	unmap(p + 2 * PAGE, 1);
	check(pread(fd, none, 8, 0) == -1 && errno == EFAULT, "PROT_NONE");
	check(pread(fd, ro, 8, 0) == -1 && errno == EFAULT, "read-only");
	check(pread(fd, gone, 8, 0) == -1 && errno == EFAULT, "unmapped");
	check(pwrite(fd, none, 8, 0) == -1 && errno == EFAULT, "PROT_NONE");
	check(pwrite(fd, gone, 8, 0) == -1 && errno == EFAULT, "unmapped");
	check(pwrite(fd, ro, PAGE, PAGE) == (ssize_t)PAGE, "from read-only");
	check_page(ro, 0);
	/* Half of it can be used: at most that half may be reported. */
	got = pread(fd, p + PAGE, 2 * PAGE, 2 * PAGE);
	check(got == (ssize_t)PAGE || (got == -1 && errno == EFAULT),
	      "partly unmapped: %zd", got);
	check_page(p + PAGE, 0x1002);
	/* Strings that end in front of the hole, and that do not. */
	memcpy(p + 2 * PAGE - 5, "/dev", 5);
	check(access(p + 2 * PAGE - 5, F_OK) == 0, "string at the end");
	memset(p + PAGE, '/', PAGE);
	check(access(p + 2 * PAGE - 5, F_OK) == -1 && errno == EFAULT,
	      "string into the hole");
}

/* Pages with contents, closed since: the kernel must not read them either. */
static void closed_buffers(void)
{
	char *p = map_private(2), *shared = map_shared(1);
	int fd = memory_file(2, 0x1000);

	fill_pages(p, 2, 0x2000);
	page_fill(shared, 0x3000);
	protect(p + PAGE, 1, PROT_NONE);
	protect(shared, 1, PROT_NONE);
	check(pwrite(fd, p + PAGE, PAGE, 0) == -1 && errno == EFAULT,
	      "write() from a closed page");
	check(pwrite(fd, shared, PAGE, 0) == -1 && errno == EFAULT,
	      "write() from a closed shared page");
	check(pwrite(fd, p, 2 * PAGE, 0) <= (ssize_t)PAGE,
	      "write() from an open and a closed page");
	check(pread(fd, p + PAGE, PAGE, 0) == -1 && errno == EFAULT,
	      "read() into a closed page");
	protect(p, 2, RW);
	check_pages(p, 2, 0x2000);
}

/* Buffers that need a fault first, of every kind. */
static void good_buffers(void)
{
	int fd = memory_file(PAGES, 0x1000);
	char *fresh = map_private(PAGES);
	char *file = map_at(NULL, PAGES, RW, MAP_PRIVATE,
			    memory_file(PAGES, 0x5000), 0);
	char *raised = map_at(NULL, PAGES, PROT_NONE, MAP_PRIVATE, -1, 0);
	char *lowered = map_private(PAGES);
	int through[2];
	pid_t child;

	/* From never touched pages, and from a file's. */
	require_call(pipe(through) == 0);
	require_call(write(through[1], fresh, PAGE) == (ssize_t)PAGE);
	require_call(read(through[0], fresh + PAGE, PAGE) == (ssize_t)PAGE);
	check_zero(fresh, 2);
	require_call(write(through[1], file, PAGE) == (ssize_t)PAGE);
	require_call(read(through[0], fresh, PAGE) == (ssize_t)PAGE);
	check_page(fresh, 0x5000);
	/* Into them: the page that user code saw before must not stay. */
	for (int i = 0; i < PAGES; i++)
		check_page(file + i * PAGE, 0x5000 + i);
	require_call(pread(fd, file, PAGES * PAGE, 0) ==
		     (ssize_t)(PAGES * PAGE));
	check_pages(file, PAGES, 0x1000);
	require_call(pread(fd, fresh, PAGES * PAGE, 0) ==
		     (ssize_t)(PAGES * PAGE));
	check_pages(fresh, PAGES, 0x1000);
	protect(raised, PAGES, RW);
	require_call(pread(fd, raised, PAGES * PAGE, 0) ==
		     (ssize_t)(PAGES * PAGE));
	check_pages(raised, PAGES, 0x1000);
	fill_pages(lowered, PAGES, 0x2000);
	protect(lowered, PAGES, PROT_READ);
	check(pread(fd, lowered, PAGE, 0) == -1 && errno == EFAULT,
	      "read into a lowered page");
	check_pages(lowered, PAGES, 0x2000);
	/* Into pages shared with a child, by both sides. */
	child = fork_or_fail();
	require_call(pread(fd, raised, 2 * PAGE, (child ? 4 : 8) * PAGE) ==
		     (ssize_t)(2 * PAGE));
	check_pages(raised, 2, child ? 0x1004 : 0x1008);
	check_pages(raised + 2 * PAGE, PAGES - 2, 0x1002);
	if (!child)
		finish();
	wait_for(child);
	check_pages(raised, 2, 0x1004);
}

static long futex(uint32_t *word, int operation, uint32_t value, long value2,
		  uint32_t *word2, uint32_t value3)
{
	return syscall(SYS_futex, word, operation, value, value2, word2,
		       value3);
}

/* The same word at two addresses in two processes, on fresh pages. */
static void futex_shared(void)
{
	int fd = memory_file(2, 0);
	uint32_t *word = (uint32_t *)map_at(NULL, 2, RW, MAP_SHARED, fd, 0);
	pid_t child = fork_or_fail();

	if (child == 0) {
		word = (uint32_t *)map_at(NULL, 1, RW, MAP_SHARED, fd, 0);
		for (uint32_t i = 0; i < 500; i++) {
			while (__atomic_load_n(word, __ATOMIC_SEQ_CST) != i)
				futex(word, FUTEX_WAIT, i - 1, 0, NULL, 0);
			__atomic_store_n(word + 1, i + 1, __ATOMIC_SEQ_CST);
			futex(word + 1, FUTEX_WAKE, 1, 0, NULL, 0);
		}
		finish();
	}
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t got;

		__atomic_store_n(word, i, __ATOMIC_SEQ_CST);
		futex(word, FUTEX_WAKE, 1, 0, NULL, 0);
		while ((got = __atomic_load_n(word + 1, __ATOMIC_SEQ_CST)) !=
		       i + 1)
			futex(word + 1, FUTEX_WAIT, got, 0, NULL, 0);
	}
	wait_for(child);
}

/* Where the kernel itself changes the word: absent, copied, read-only. */
static void futex_words(void)
{
	uint32_t *fresh = (uint32_t *)map_private(1);
	uint32_t *copied = (uint32_t *)map_private(1);
	uint32_t *ro = (uint32_t *)map_private(1);
	pid_t child;

	*copied = 5;
	*ro = 5;
	protect(ro, 1, PROT_READ);
	/* Adds 3 to the second word, on a page never touched. */
	check(futex(copied, FUTEX_WAKE_OP, 1, 1, fresh,
		    FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)) == 0,
	      "wake_op: %s", strerror(errno));
	check(*fresh == 3, "added to a fresh page: %u", *fresh);
	check(futex(copied, FUTEX_WAKE_OP, 1, 1, ro,
		    FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)) == -1 &&
	      errno == EFAULT, "wake_op on a read-only page");
	child = fork_or_fail();
	check(futex(fresh, FUTEX_WAKE_OP, 1, 1, copied,
		    FUTEX_OP(FUTEX_OP_ADD, child ? 1 : 2, FUTEX_OP_CMP_EQ,
			     0)) == 0, "wake_op: %s", strerror(errno));
	check(*copied == (child ? 6 : 7), "after fork: %u", *copied);
	check(*ro == 5, "read-only word: %u", *ro);
	if (!child)
		finish();
	wait_for(child);
	check(*copied == 6, "the child's sum: %u", *copied);
	check(futex(copied, FUTEX_WAIT, 5, 0, NULL, 0) == -1 &&
	      errno == EAGAIN, "waited on an old value");
}

static const struct ktap_case cases[] = {
	{ "system calls on bad buffers", bad_buffers, 0 },
	{ "system calls on closed buffers", closed_buffers, 0 },
	{ "system calls on good buffers", good_buffers, 0 },
	{ "futex between processes", futex_shared, 0 },
	{ "futex words the kernel changes", futex_words, 0 },
};

KTAP_TESTS(cases)
