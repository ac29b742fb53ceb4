// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest program cannot get at what the kernel keeps in its host process, nor
 * at the host, with ordinary means.
 *
 * The host process that runs the guest's code also holds a few pages of the
 * kernel (the stub) above the highest guest address. Mapping, unmapping,
 * protecting and moving anything there must fail and change nothing: if it
 * did, the next fault of this very process would end it. System calls are the
 * guest kernel's, whatever instruction makes them, also those with the numbers
 * that the stub itself may use.
 *
 * Jumping into the stub's own instructions is not tried here.
 */
#include "memory.h"

#include <sys/syscall.h>

#define RW (PROT_READ | PROT_WRITE)

/*
 * The lowest address that no user page can have, above the window of first-class
 * virtual address spaces, where a process has none either.
 */
static uintptr_t address_limit(void)
{
	uintptr_t low = 0x400000400000, high = 1ul << 62;

	while (high - low > PAGE) {
		uintptr_t middle = (low + (high - low) / 2) & ~(PAGE - 1);
		char *p = mmap((char *)middle, PAGE, PROT_NONE, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p != MAP_FAILED)
			unmap(p, 1);
		if (p != MAP_FAILED || errno == EEXIST)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/* Faults, a fork and a new mapping: all of it needs the stub. */
static void still_alive(void)
{
	char *p = map_private(4);
	pid_t child;

	fill_pages(p, 4, 0x1000);
	child = fork_or_fail();
	fill_pages(p, 2, child ? 0x2000 : 0x3000);
	check_pages(p, 2, child ? 0x2000 : 0x3000);
	check_pages(p + 2 * PAGE, 2, 0x1002);
	if (!child)
		finish();
	wait_for(child);
	unmap(p, 4);
}

/* Calls that must fail and change nothing, also across the limit. */
static void attack(char *at, size_t length, char *own)
{
	check(mmap(at, length, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1, 0) == MAP_FAILED, "mmap at %p", at);
	check(munmap(at, length) == -1, "munmap at %p", at);
	check(mprotect(at, length, RW | PROT_EXEC) == -1, "mprotect at %p",
	      at);
	check(mremap(own, PAGE, length, MREMAP_MAYMOVE | MREMAP_FIXED, at) ==
	      MAP_FAILED, "mremap to %p", at);
}

/* The same, and calls that would do the part below the limit. */
static void attack_above(char *at, size_t length, char *own)
{
	attack(at, length, own);
	check(madvise(at, length, MADV_DONTNEED) == -1, "madvise at %p", at);
	check(mremap(at, length, length, MREMAP_MAYMOVE) == MAP_FAILED,
	      "mremap from %p", at);
}

/* Everything above the limit, coarsely, and the top page by page. */
static void above_the_limit(void)
{
	uintptr_t limit = address_limit(), top = 1ul << 47;
	char *own = map_private(1);

	page_fill(own, 0x1000);
	for (uintptr_t at = limit; at < top; at += (top - limit) / 500 + PAGE)
		attack_above((char *)(at & ~(PAGE - 1)), PAGE, own);
	still_alive();
	for (uintptr_t at = top - 600 * PAGE; at < top; at += PAGE)
		if (at >= limit)
			attack_above((char *)at, PAGE, own);
	still_alive();
	for (size_t pages = 2; pages < 1ul << 30; pages *= 2)
		if (top - pages * PAGE >= limit)
			attack_above((char *)top - pages * PAGE, pages * PAGE,
				     own);
	check_page(own, 0x1000);
	still_alive();
}

/* Ranges that begin in the guest's part and end in the stub's. */
static void across_the_limit(void)
{
	uintptr_t limit = address_limit();
	char *last = (char *)limit - PAGE;
	char *own = map_private(1), *below;

	page_fill(own, 0x2000);
	below = mmap(last, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS |
		     MAP_FIXED_NOREPLACE, -1, 0);
	require(below == last || errno == EEXIST, "the last page");
	if (below == last)
		page_fill(last, 0x3000);
	attack(last, 2 * PAGE, own);
	attack(last, (1ul << 47) - (uintptr_t)last, own);
	attack(last, 1ul << 47, own);
	check(munmap(NULL, (1ul << 47) + PAGE) == -1, "munmap of everything");
	check(mprotect(own, -PAGE, RW) == -1, "mprotect around the end");
	if (below == last)
		check_page(last, 0x3000);
	check_page(own, 0x2000);
	still_alive();
}

/* Buffers and entry points there: errors and signals, nothing else. */
static void buffers_above_the_limit(void)
{
	uintptr_t limit = address_limit();
	int fd = memory_file(1, 0x1000);

	for (uintptr_t at = limit; at < 1ul << 47;
	     at += ((1ul << 47) - limit) / 50 + PAGE) {
		char *p = (char *)(at & ~(PAGE - 1));

		check(pread(fd, p, 64, 0) == -1 && errno == EFAULT,
		      "read into %p", p);
		check(pwrite(fd, p, 64, 0) == -1 && errno == EFAULT,
		      "write from %p", p);
	}
	check(pread(fd, (char *)limit - 8, 64, 0) < 64, "across the limit");
	still_alive();
}

/* The process that the guest kernel says we are, by /proc. */
static long guest_pid(void)
{
	char text[32];
	ssize_t length = readlink("/proc/self", text, sizeof(text) - 1);

	require_call(length > 0);
	text[length] = 0;
	return atol(text);
}

static long raw(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

/* The plain instruction, with numbers that the stub uses on the host too. */
static void raw_calls(void)
{
	struct sigaction dead = { .sa_handler = SIG_DFL };
	char *p = map_private(1);
	int fd = dup(1);

	sigaction(SIGSYS, &dead, NULL);
	check(raw(SYS_getpid, 0, 0, 0) == guest_pid(), "getpid: %ld",
	      raw(SYS_getpid, 0, 0, 0));
	check(raw(SYS_munmap, (long)p, PAGE, 0) == 0, "munmap");
	check(raw(SYS_close, fd, 0, 0) == 0, "close");
	check(raw(SYS_close, fd, 0, 0) == -EBADF, "close again");
	check(raw(SYS_recvmsg, 0, 0, 0) < 0, "recvmsg on the host's fd 0");
	check(raw(SYS_futex, (long)&dead, 1 /* wake */, 1) == 0, "futex");
	check(raw(SYS_arch_prctl, 0x1003 /* get FS base */, (long)&fd, 0) == 0,
	      "arch_prctl");
	check(raw(100000, 0, 0, 0) == -ENOSYS, "no such call");
	still_alive();
}

/* The same program, called through other doors into the host kernel. */
static long through_int80(void)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result)
			 : "a"(20l /* getpid of 32 bit */), "b"(-1l), "c"(0l),
			   "d"(0l), "D"(-1l), "S"(0l)
			 : "r8", "r9", "r10", "r11", "memory");
	return result;
}

static long through_x32(void)
{
	return raw(0x40000000 | SYS_getpid, 0, 0, 0);
}

/* An error, a signal, or the guest's answer; never the host's. */
static void other_doors(void)
{
	long (*const doors[])(void) = { through_int80, through_x32 };

	for (int i = 0; i < 2; i++) {
		pid_t child = fork_or_fail();
		int status;

		if (child == 0) {
			long result = doors[i]();

			_exit(result < 0 || (int)result == getpid() ? 0 : 1);
		}
		require_call(waitpid(child, &status, 0) == child);
		check(WIFSIGNALED(status) || WEXITSTATUS(status) == 0,
		      "door %d leads to the host", i);
		still_alive();
	}
}

static const struct ktap_case cases[] = {
	{ "above the limit", above_the_limit, 0 },
	{ "across the limit", across_the_limit, 0 },
	{ "buffers above the limit", buffers_above_the_limit, 0 },
	{ "raw system calls", raw_calls, 0 },
	{ "other doors", other_doors, 0 },
};

KTAP_TESTS(cases)
