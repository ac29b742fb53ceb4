// SPDX-License-Identifier: GPL-2.0-only
/*
 * Others who reach into a process's memory past its translations: a tracer,
 * /proc/PID/mem, process_vm_readv and process_vm_writev.
 */
#include "memory.h"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define PAGES 32
#define RW (PROT_READ | PROT_WRITE)

/* A child with pages of several kinds that stops and later looks at them. */
struct traced {
	char *private;		/* shared with the parent until written */
	char *read_only;
	char *shared;
	char *none;
};

static __attribute__((noinline)) int traced_code(void)
{
	int result = 7;

	__asm__ volatile("" : "+r"(result));
	return result;
}

static void traced_child(struct traced *t)
{
	require_call(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	raise(SIGSTOP);
	check_page(t->private, 0x9000);
	check_page(t->private + PAGE, 0x1001);
	check(*(uint64_t *)t->read_only == 0x1234, "poked, read-only");
	check(*(uint64_t *)t->shared == 0x5678, "poked, shared");
	raise(SIGSTOP);
	check(traced_code() == 7, "the breakpoint stayed");
	finish();
}

static void stopped(pid_t child, int sig)
{
	int status;

	require_call(waitpid(child, &status, 0) == child);
	require(WIFSTOPPED(status) && WSTOPSIG(status) == sig,
		"status %#x, expected a stop by %d", status, sig);
}

static void ptrace_memory(void)
{
	struct traced t = {
		map_private(2), map_private(1), map_shared(1), map_private(1),
	};
	uint64_t page[PAGE_WORDS], word;
	struct user_regs_struct regs;
	pid_t child;

	fill_pages(t.private, 2, 0x1000);
	page_fill(t.read_only, 0x2000);
	page_fill(t.none, 0x3000);
	protect(t.read_only, 1, PROT_READ);
	protect(t.none, 1, PROT_NONE);
	child = fork_or_fail();
	if (child == 0)
		traced_child(&t);
	stopped(child, SIGSTOP);

	/* Read every word, write another page, of the child only. */
	for (size_t i = 0; i < PAGE_WORDS; i++)
		page[i] = ptrace(PTRACE_PEEKDATA, child,
				 t.private + i * 8, 0);
	check_page(page, 0x1000);
	page_fill(page, 0x9000);
	for (size_t i = 0; i < PAGE_WORDS; i++)
		require_call(!ptrace(PTRACE_POKEDATA, child,
				     t.private + i * 8, page[i]));
	require_call(!ptrace(PTRACE_POKEDATA, child, t.read_only, 0x1234l));
	require_call(!ptrace(PTRACE_POKEDATA, child, t.shared, 0x5678l));
	word = ptrace(PTRACE_PEEKDATA, child, t.none, 0);
	check(word == tag_code(0x3000), "closed page: %#lx", word);
	check_page(t.private, 0x1000);
	check_page(t.read_only, 0x2000);
	check(*(uint64_t *)t.shared == 0x5678, "shared with the parent");
	require_call(!ptrace(PTRACE_CONT, child, 0, 0));
	stopped(child, SIGSTOP);

	/* A breakpoint in the text, which both share. */
	word = ptrace(PTRACE_PEEKTEXT, child, traced_code, 0);
	require_call(!ptrace(PTRACE_POKETEXT, child, traced_code,
			     (word & ~0xfful) | 0xcc));
	check(traced_code() == 7, "the breakpoint is in the parent");
	require_call(!ptrace(PTRACE_CONT, child, 0, 0));
	stopped(child, SIGTRAP);
	require_call(!ptrace(PTRACE_GETREGS, child, 0, &regs));
	check(regs.rip == (uintptr_t)traced_code + 1, "stopped elsewhere");
	regs.rip = (uintptr_t)traced_code;
	require_call(!ptrace(PTRACE_POKETEXT, child, traced_code, word));
	require_call(!ptrace(PTRACE_SETREGS, child, 0, &regs));
	require_call(!ptrace(PTRACE_CONT, child, 0, 0));
	wait_for(child);
}

/*
 * A process writes its own pages through a file, past its own translations:
 * file pages that it has only read, pages that it shares with a child.
 */
static void own_memory_file(void)
{
	static uint64_t page[PAGE_WORDS];
	int fd = open("/proc/self/mem", O_RDWR);
	char *anonymous = map_private(PAGES);
	char *file = map_at(NULL, PAGES, RW, MAP_PRIVATE,
			    memory_file(PAGES, 0x1000), 0);
	struct line line;
	pid_t child;

	require_call(fd >= 0);
	fill_pages(anonymous, PAGES, 0x2000);
	check_pages(file, PAGES, 0x1000);
	child = fork_with_line(&line);
	if (child == 0) {
		hear(&line);
		check_pages(anonymous, PAGES, 0x2000);
		check_pages(file, PAGES, 0x1000);
		finish();
	}
	for (int i = 0; i < PAGES; i += 2) {
		page_fill(page, 0x3000 + i);
		require_call(pwrite(fd, page, PAGE, (off_t)anonymous +
				    i * PAGE) == (ssize_t)PAGE);
		require_call(pwrite(fd, page, PAGE, (off_t)file + i * PAGE) ==
			     (ssize_t)PAGE);
	}
	for (int i = 0; i < PAGES; i++) {
		check_page(anonymous + i * PAGE, (i % 2 ? 0x2000 : 0x3000) + i);
		check_page(file + i * PAGE, (i % 2 ? 0x1000 : 0x3000) + i);
	}
	tell(&line);
	wait_for(child);
}

static void process_vm(void)
{
	char *p = map_private(PAGES), *own = map_private(PAGES);
	struct iovec local = { own, PAGES * PAGE }, remote = local;
	struct line line;
	pid_t child;

	fill_pages(p, PAGES, 0x1000);
	remote.iov_base = p;
	child = fork_with_line(&line);
	if (child == 0) {
		fill_pages(p, PAGES / 2, 0x2000);
		unmap(p + (PAGES - 1) * PAGE, 1);
		protect(p + (PAGES - 2) * PAGE, 1, PROT_READ);
		tell(&line);
		hear(&line);
		check_pages(p, PAGES - 4, 0x3000);
		check_pages(p + (PAGES - 4) * PAGE, 3, 0x1000 + PAGES - 4);
		finish();
	}
	hear(&line);
	/* Up to the hole, and no further. */
	check(process_vm_readv(child, &local, 1, &remote, 1, 0) ==
	      (ssize_t)((PAGES - 1) * PAGE), "read up to the hole");
	check_pages(own, PAGES / 2, 0x2000);
	check_pages(own + PAGES / 2 * PAGE, PAGES / 2 - 1, 0x1000 + PAGES / 2);
	check_page(own + (PAGES - 1) * PAGE, 0);
	fill_pages(own, PAGES, 0x3000);
	local.iov_len = (PAGES - 4) * PAGE;
	remote.iov_len = local.iov_len;
	check(process_vm_writev(child, &local, 1, &remote, 1, 0) ==
	      (ssize_t)((PAGES - 4) * PAGE), "write");
	remote.iov_base = p + (PAGES - 2) * PAGE;
	check(process_vm_writev(child, &local, 1, &remote, 1, 0) == -1 &&
	      errno == EFAULT, "write to a read-only page");
	tell(&line);
	wait_for(child);
	check_pages(p, PAGES, 0x1000);
}

static const struct ktap_case cases[] = {
	{ "ptrace", ptrace_memory, 0 },
	{ "own memory by /proc/self/mem", own_memory_file, 0 },
	{ "process_vm_readv and writev", process_vm, 0 },
};

KTAP_TESTS(cases)
