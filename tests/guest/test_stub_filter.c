// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest code may jump to the system-call instructions in its stub page, with
 * registers of its choice. In seccomp mode the filter of the host process ends
 * who tries what could map, protect or unmap the stub or anything without the
 * token, get at a file, a process or the guest's number on the host. In ptrace
 * mode the kernel ends who makes any system call there.
 *
 * A munmap of the guest's own pages is let through; it is tried too, which shows
 * that the jump reaches such an instruction at all.
 *
 * Guest code may also write to the pages that its stub shares with the kernel.
 * Unpatched UML panics then.
 */
#include "stub.h"

#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
#define FIXED (MAP_SHARED | MAP_FIXED)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

/* Code, two pages of data, bells */
#define STUB_PAGES 4

/* What the mmap of the stub has in the upper halves of two arguments */
#define TOKEN (0x12345678l << 32)

#define MAX_ATTEMPTS 128
#define SIBLING_PAGES 4

struct attempt {
	const char *what;
	long number;
	long arguments[6];
};

static struct attempt attempts[MAX_ATTEMPTS];
static int attempt_count;
static bool ptrace_mode;

/* With up to six arguments; what is not given is zero. */
#define attempt(what, number, ...)					\
	add_attempt(&(struct attempt){ what, number, { __VA_ARGS__ } })

static void add_attempt(const struct attempt *new)
{
	require(attempt_count < MAX_ATTEMPTS, "too many attempts");
	attempts[attempt_count++] = *new;
}

static void attempt_at(long page)
{
	long own = (long)map_shared(1);

	attempt("mmap", SYS_mmap, page, PAGE, RWX, FIXED, 0, 0);
	attempt("mmap, populated", SYS_mmap, page, PAGE, RWX,
		FIXED | MAP_POPULATE, 0, 0);
	attempt("mmap, wrong token", SYS_mmap, page, PAGE, RWX, FIXED | TOKEN,
		TOKEN, 0);
	attempt("mmap, half a token", SYS_mmap, page, PAGE, RWX, FIXED | TOKEN,
		0, 0);
	attempt("mmap, anonymous", SYS_mmap, page, PAGE, RWX, ANONYMOUS, -1, 0);
	attempt("mprotect", SYS_mprotect, page, PAGE, RWX);
	attempt("mprotect, wrong token", SYS_mprotect, page, PAGE, RWX, TOKEN,
		TOKEN);
	attempt("mremap to", SYS_mremap, own, PAGE, PAGE,
		MREMAP_MAYMOVE | MREMAP_FIXED, page);
	attempt("mremap from", SYS_mremap, page, PAGE, PAGE,
		MREMAP_MAYMOVE | MREMAP_FIXED, own);
	attempt("madvise", SYS_madvise, page, PAGE, MADV_DONTNEED);
	attempt("remap_file_pages", SYS_remap_file_pages, page, PAGE, 0, 1, 0);
	attempt("pkey_mprotect", SYS_pkey_mprotect, page, PAGE, RWX, -1);
}

static void attempt_munmap(long stub)
{
	long page;

	for (page = stub; page < stub + (long)(STUB_PAGES * PAGE); page += PAGE)
		attempt("munmap", SYS_munmap, page, PAGE);
	attempt("munmap of all", SYS_munmap, stub, STUB_PAGES * PAGE);
	attempt("munmap across", SYS_munmap, stub - PAGE, 2 * PAGE);
	attempt("munmap from 0", SYS_munmap, 0, stub + PAGE);
	attempt("munmap from 4096", SYS_munmap, PAGE, stub);
	attempt("munmap, negative", SYS_munmap, -PAGE, stub + 2 * PAGE);
	attempt("munmap, long", SYS_munmap, PAGE, -(long)PAGE);
}

static void attempt_files(void)
{
	static char path[] = "/proc/self/mem";
	long name = (long)path;

	attempt("open", SYS_open, name, 2);
	attempt("openat", SYS_openat, -100, name, 2);
	attempt("read", SYS_read, 0, name, 8);
	attempt("pread64", SYS_pread64, 0, name, 8, 0);
	attempt("write", SYS_write, 0, name, 8);
	attempt("pwrite64", SYS_pwrite64, 0, name, 8, 0);
	attempt("recvmsg", SYS_recvmsg, 0, name, 0);
	attempt("sendmsg", SYS_sendmsg, 0, name, 0);
	attempt("socket", SYS_socket, 1, 1, 0);
	attempt("dup", SYS_dup, 0);
	attempt("dup2", SYS_dup2, 0, 7);
	attempt("dup3", SYS_dup3, 0, 7, 0);
	attempt("fcntl", SYS_fcntl, 0, 0, 7);
	attempt("ioctl", SYS_ioctl, 0, 0, 0);
	attempt("close", SYS_close, 0);
	attempt("ftruncate", SYS_ftruncate, 0, 0);
	attempt("fallocate", SYS_fallocate, 0, 3, 0, PAGE);
	attempt("memfd_create", SYS_memfd_create, name, 0);
	attempt("io_uring_setup", 425, 8, name);
	attempt("close_range", 436, 0, 100, 0);
	attempt("pidfd_open", 434, 1, 0);
	attempt("pidfd_getfd", 438, 0, 0, 0);
}

static void attempt_processes(void)
{
	static char path[] = "/bin/sh";
	static char *arguments[] = { path, NULL };

	attempt("execve", SYS_execve, (long)path, (long)arguments,
		(long)&arguments[1]);
	attempt("execveat", SYS_execveat, -100, (long)path, (long)arguments,
		(long)&arguments[1], 0);
	attempt("ptrace", SYS_ptrace, 16 /* attach */, getppid(), 0, 0);
	attempt("process_vm_readv", SYS_process_vm_readv, 1, 0, 0, 0, 0, 0);
	attempt("process_vm_writev", SYS_process_vm_writev, 1, 0, 0, 0, 0, 0);
	attempt("fork", SYS_fork, 0);
	attempt("vfork", SYS_vfork, 0);
	attempt("clone", SYS_clone, SIGCHLD, 0, 0, 0, 0);
	attempt("kill", SYS_kill, 0, 0);
	attempt("tgkill", SYS_tgkill, 1, 1, 0);
	attempt("exit_group", SYS_exit_group, 7);
	attempt("getpid", SYS_getpid, 0);
	attempt("getppid", SYS_getppid, 0);
	attempt("getppid of x32", 0x40000000 | SYS_getppid, 0);
	attempt("prctl", SYS_prctl, 1, 0, 0, 0, 0);
	attempt("seccomp", SYS_seccomp, 1, 0, 0);
	attempt("rt_sigaction", SYS_rt_sigaction, SIGSYS, 0, 0, 8);
	attempt("setitimer", SYS_setitimer, 0, 0, 0);
	attempt("arch_prctl, get FS", SYS_arch_prctl, 0x1003, (long)path);
	attempt("arch_prctl, cpuid", SYS_arch_prctl, 0x1012, 0);
	attempt("arch_prctl, vdso", SYS_arch_prctl, 0x2003, PAGE << 8);
	attempt("no call", 100000, 0);
}

static void catch_faults(void)
{
	static char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP };

	require(sigaltstack(&alternate, NULL) == 0, "sigaltstack");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		jump_back_on(signals[i], SA_ONSTACK | SA_NODEFER);
}

static int status_of(const struct attempt *a, char *instruction)
{
	int status;
	pid_t child = fork_or_fail();

	if (!child) {
		catch_faults();
		alarm(5);
		if (!sigsetjmp(back, 1))
			call_in_stub(instruction, a->number, a->arguments);
		_exit(42);
	}
	require(waitpid(child, &status, 0) == child, "waitpid");
	return status;
}

/* Answers as long as it lives and finds its memory as it was. */
static void sibling(struct line *line, char *page)
{
	for (;;) {
		hear(line);
		check_pages(page, SIBLING_PAGES, 0x1000);
		if (ktap_failures)
			_exit(1);
		tell(line);
	}
}

static pid_t start_sibling(struct line *line)
{
	char *page = map_private(SIBLING_PAGES);
	pid_t child;

	fill_pages(page, SIBLING_PAGES, 0x1000);
	child = fork_with_line(line);
	if (!child)
		sibling(line, page);
	return child;
}

static void end_sibling(pid_t child)
{
	int status;

	kill(child, SIGKILL);
	require(waitpid(child, &status, 0) == child, "waitpid");
}

static char *read_only_page(void)
{
	char *page = map_shared(1);

	page[0] = 7;
	protect(page, 1, PROT_READ);
	return page;
}

static void make_attempts(char *page)
{
	char *first = stub_syscall(0);
	long stub = (long)first & -PAGE;

	require(first, "no system call found in the stub");
	attempt_at((long)page);
	for (int i = 0; i < STUB_PAGES; i++)
		attempt_at(stub + i * PAGE);
	attempt_munmap(stub);
	attempt_files();
	attempt_processes();
}

static void the_stub_lends_itself_to_nothing(void)
{
	char *page = read_only_page(), *instruction;
	struct line line;
	pid_t child = start_sibling(&line);
	int n, i, status;

	make_attempts(page);
	for (n = 0; (instruction = stub_syscall(n)); n++) {
		for (i = 0; i < attempt_count; i++) {
			status = status_of(&attempts[i], instruction);
			check(WIFSIGNALED(status) &&
			      WTERMSIG(status) == SIGSEGV,
			      "instruction %d, attempt %d (%s): 0x%x", n, i,
			      attempts[i].what, status);
		}
		check(page[0] == 7, "the page reads %d", page[0]);
		tell(&line);
		hear(&line);
	}
	end_sibling(child);
	ktap_note("%d attempts at each of %d instructions\n", attempt_count, n);
}

/*
 * What comes back goes on in the stub, and faults there or comes by the same
 * instruction once more, again and again.
 */
static void the_stub_can_be_reached(void)
{
	char *page = read_only_page(), *instruction;
	const struct attempt own_munmap = {
		"munmap", SYS_munmap, { (long)page, PAGE }
	};
	int status, n, reached = 0;

	for (n = 0; (instruction = stub_syscall(n)); n++) {
		status = status_of(&own_munmap, instruction);
		reached += WIFEXITED(status) && WEXITSTATUS(status) == 42;
		check(page[0] == 7, "the page reads %d", page[0]);
	}
	if (ptrace_mode)
		check(reached == 0, "%d came back", reached);
	else
		check(reached > 0, "no munmap in the stub came back");
}

/* All that the kernel and the stub tell each other, overwritten. */
static void scribble(int page, unsigned char byte)
{
	char *instruction;

	catch_faults();
	instruction = stub_syscall(0);
	if (!instruction)
		_exit(43);
	if (!sigsetjmp(back, 1))
		memset((char *)((uintptr_t)instruction & ~(PAGE - 1)) +
		       page * PAGE, byte, PAGE);
	getppid();
	_exit(0);
}

static void scribbling_hurts_only_the_writer(void)
{
	static const unsigned char bytes[] = { 0, 1, 0x7f, 0xff };
	struct line line;
	pid_t other = start_sibling(&line);
	unsigned int i;

	for (i = 0; i < 2 * sizeof(bytes); i++) {
		pid_t child = fork_or_fail();
		int status;

		if (!child)
			scribble(1 + i % 2, bytes[i / 2]);
		/* It may die of it, or not. The kernel must live to tell. */
		require(waitpid(child, &status, 0) == child, "waitpid");
		check(!WIFEXITED(status) || WEXITSTATUS(status) == 0,
		      "page %d, byte %d: status 0x%x", 1 + i % 2, bytes[i / 2],
		      status);
		tell(&line);
		hear(&line);
	}
	end_sibling(other);
}

static const struct ktap_case cases[] = {
	{ "the stub lends itself to nothing", the_stub_lends_itself_to_nothing,
	  240 },
	{ "the stub can be reached", the_stub_can_be_reached, 240 },
	{ "scribbling hurts only the writer", scribbling_hurts_only_the_writer,
	  0 },
};

int main(void)
{
	ptrace_mode = in_ptrace_mode();
	exit(KTAP_MAIN(cases));
}
