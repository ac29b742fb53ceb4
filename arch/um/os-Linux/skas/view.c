// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host processes, as the host sees them: starting one, and finding out whether
 * one that guest code has run in can be trusted again.
 *
 * A host process is started by clone() and an exec of a small program
 * (kernel/skas/stub_exe.c), so that it inherits neither memory nor file
 * descriptors. That costs the host half a millisecond.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <asm/unistd.h>
#include <as-layout.h>
#include <host_process.h>
#include <init.h>
#include <kern_util.h>
#include <mem.h>
#include <os.h>
#include <ptrace_user.h>
#include <skas.h>
#include <stub_image.h>
#include <sysdep/stub.h>
#include <asm-generic/rwonce.h>
#include "../internal.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 0x4U
#endif

/* How often to look whether a host process sleeps at last; some 100 us */
#define SETTLE_TRIES	32

/* How many descriptors may be taken by files in /proc of host processes */
#define PROC_FILES	64

static int proc_files;

int using_seccomp;

static int stub_exe_fd;

/* What a new process shares with the one that starts it, until it execs. */
struct launch {
	struct stub_data *data;
	unsigned long token;
	int pipe[2];
};

static unsigned long stub_address(const void *function)
{
	return STUB_CODE + ((unsigned long)function -
			    (unsigned long)__syscall_stub_start);
}

static unsigned long memory_offset(void *page, int *fd)
{
	unsigned long long offset;

	*fd = phys_mapping(uml_to_phys(page), &offset);
	return MMAP_OFFSET(offset);
}

static void tell_where_things_are(struct stub_init_data *init,
				  const struct launch *launch)
{
	init->seccomp = using_seccomp;
	init->stub_start = STUB_START;
	init->mem_token = launch->token;
	init->stub_code_offset = memory_offset(__syscall_stub_start,
					       &init->stub_code_fd);
	init->stub_data_offset = memory_offset(launch->data,
					       &init->stub_data_fd);
	init->stub_bells_offset = memory_offset(handoff_bells,
						&init->stub_data_fd);
	init->signal_handler = stub_address(using_seccomp ?
					    (void *)stub_signal_interrupt :
					    (void *)stub_segv_handler);
	init->signal_restorer = using_seccomp ?
				stub_address(stub_signal_restorer) : 0;
}

/* The new process, which still shares our memory. Its exit status is the place. */
static int become_stub(void *arg)
{
	static char *const argv[] = { "uml-userspace", NULL };
	struct launch *launch = arg;
	struct stub_init_data init = {};
	ssize_t sent;

	tell_where_things_are(&init, launch);

	/* Of our files it keeps the memory file, and what we tell it comes first. */
	syscall(__NR_close_range, 0, ~0U, CLOSE_RANGE_CLOEXEC);
	fcntl(init.stub_data_fd, F_SETFD, 0);
	if (dup2(launch->pipe[0], STUB_MEMORY_FD) < 0)
		_exit(3);

	CATCH_EINTR(sent = write(launch->pipe[1], &init, sizeof(init)));
	if (sent != sizeof(init))
		_exit(4);

	syscall(__NR_execveat, stub_exe_fd, "", argv, NULL, AT_EMPTY_PATH);
	_exit(5);
}

/* In ptrace mode it stops itself once it is set up. */
static int wait_until_traced(int pid)
{
	int n, status;

	do {
		CATCH_EINTR(n = waitpid(pid, &status, WUNTRACED | __WALL));
		if (n < 0)
			return -errno;
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGALRM);

	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) {
		printk(UM_KERN_ERR "um_view: a host process ended with status 0x%x\n",
		       status);
		return -EINVAL;
	}
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   (void *)PTRACE_O_TRACESYSGOOD) < 0)
		return -errno;
	return 0;
}

static int wait_until_ready(struct mm_id *id)
{
	struct stub_data *data = (void *)id->stack;
	int err;

	if (!using_seccomp)
		return wait_until_traced(id->pid);

	err = handoff_start(id);
	if (!err && data->signal != SIGSYS)
		err = -EINVAL;
	return err;
}

/**
 * os_view_start() - start a host process
 * @id:		all but its pid is set, its shared pages are zero
 * @stack:	the end of a page to start on
 *
 * Return: 0, and then id->pid is set, and the process waits; or a negative
 *  errno of the host: -EAGAIN and -ENOMEM if it makes no more processes,
 * -EMFILE if it gives no more file descriptors.
 */
int os_view_start(struct mm_id *id, void *stack)
{
	struct launch launch = {
		.data = (void *)id->stack,
		.token = id->mem_token,
	};
	int err;

	id->pid = -1;
	if (pipe2(launch.pipe, O_CLOEXEC) < 0)
		return -errno;

	handoff_prepare(id);
	id->pid = clone(become_stub, stack, CLONE_VFORK | CLONE_VM | SIGCHLD,
			&launch);
	/* It may be dead already, and its SIGCHLD have come too early. */
	err = id->pid < 0 || kill(id->pid, 0) < 0 ? -errno : 0;
	close(launch.pipe[0]);
	close(launch.pipe[1]);
	if (!err)
		err = wait_until_ready(id);
	if (err && id->pid > 0)
		os_kill_ptraced_process(id->pid, 1);
	return err;
}

/**
 * os_view_kill() - kill a host process, and do not wait for that
 * @id:		the host process
 *
 * Context: any.
 */
void os_view_kill(struct mm_id *id)
{
	if (id->pid > 0)
		kill(id->pid, SIGKILL);
}

/**
 * os_view_reap() - wait until a host process that was killed has gone
 * @id:		the host process
 */
void os_view_reap(struct mm_id *id)
{
	int status, pid;

	if (id->pid <= 0)
		return;
	do {
		CATCH_EINTR(pid = waitpid(id->pid, &status, __WALL));
	} while (pid > 0 && WIFSTOPPED(status));
}

/**
 * os_view_alive() - see whether a host process that waits has not been killed
 * @id:		the host process
 *
 * In seccomp mode SIGCHLD tells. One that is traced has been waited for when it
 * stopped, so all that there can be to wait for is its end.
 */
bool os_view_alive(struct mm_id *id)
{
	int status, pid;

	if (!using_seccomp && id->pid > 0) {
		CATCH_EINTR(pid = waitpid(id->pid, &status, WNOHANG | __WALL));
		if (pid)
			id->pid = -1;
	}
	return __READ_ONCE(id->pid) > 0;
}

/**
 * os_view_lost() - see to it that nobody uses a host process again
 * @id:		the host process, which was killed or cannot be resumed
 *
 * In seccomp mode SIGCHLD tells if it has died; else os_view_settle() looks at it.
 */
void os_view_lost(struct mm_id *id)
{
	if (using_seccomp)
		return;
	os_kill_ptraced_process(id->pid, 1);
	id->pid = -1;
}

static int open_proc_file(const struct mm_id *id)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", id->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* It stays open, as it takes longer to open than to read; but not of too many. */
static ssize_t read_proc_file(struct mm_id *id, char *text, size_t size)
{
	int fd = id->proc_file;
	ssize_t n;

	if (fd < 0)
		fd = open_proc_file(id);
	if (fd < 0)
		return fd;
	CATCH_EINTR(n = pread(fd, text, size, 0));
	if (fd == id->proc_file)
		return n;
	if (__atomic_add_fetch(&proc_files, 1, __ATOMIC_RELAXED) <= PROC_FILES) {
		id->proc_file = fd;
	} else {
		__atomic_sub_fetch(&proc_files, 1, __ATOMIC_RELAXED);
		close(fd);
	}
	return n;
}

/**
 * os_view_forget() - close what is open of a host process
 * @id:		the host process, which nobody uses any more
 *
 * Context: any.
 */
void os_view_forget(struct mm_id *id)
{
	if (id->proc_file < 0)
		return;
	close(id->proc_file);
	id->proc_file = -1;
	__atomic_sub_fetch(&proc_files, 1, __ATOMIC_RELAXED);
}

/* What the host says of where a process is; -EBUSY if it runs. */
static int where_is(struct mm_id *id, unsigned long *number, unsigned long *ip)
{
	char text[256], *end;
	ssize_t n = read_proc_file(id, text, sizeof(text) - 1);

	if (n <= 0)
		return -ESRCH;

	/* "running", or the number, six arguments, the stack and the ip */
	text[n] = 0;
	if (text[0] == 'r')
		return -EBUSY;
	*number = strtoul(text, &end, 10);
	end = strrchr(text, ' ');
	if (!end)
		return -EINVAL;
	*ip = strtoul(end + 1, NULL, 16);
	return 0;
}

/**
 * os_view_settle() - see that a host process is where only the kernel can wake it
 * @id:		the host process, which nobody uses
 *
 * Guest code can do whatever it likes with the registers, the stack and the
 * shared pages, and so look as if it waited. The host knows better. If it says
 * that the process sleeps in the system call of stub_sleep(), then what the
 * process does next is what stands there, and that depends on the shared pages
 * only (kernel/skas/stub.c). Guest code can neither change nor replace the code
 * (kernel/skas/stub_filter.h). Nobody else can write to the shared pages.
 *
 * Return: 0; -EBUSY if it still runs after some patience; -EPERM if it waits
 * elsewhere; another negative errno if the host does not tell.
 */
int os_view_settle(struct mm_id *id)
{
	unsigned long number = 0, ip = 0;
	int err, i;

	if (!using_seccomp)
		return 0;

	for (i = 0; ; i++) {
		err = where_is(id, &number, &ip);
		if (err != -EBUSY || i == SETTLE_TRIES)
			break;
		handoff_settle(id);
		sched_yield();
	}
	if (err)
		return err;
	if (number != __NR_futex || ip != stub_address(stub_slept))
		return -EPERM;
	return 0;
}

/* What is open for writing cannot be executed, but for memory files. */
static int reopen_read_only(int fd)
{
	char path[40];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return again;
}

static int __init init_stub_exe(void)
{
	size_t len = stub_exe_end - stub_exe_start, done = 0;
	int fd, in_memory = 1;
	ssize_t n;

	fd = memfd_create("uml-userspace",
			  MFD_EXEC | MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 && errno == EINVAL)	/* before Linux 6.3 */
		fd = memfd_create("uml-userspace",
				  MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		in_memory = 0;
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0500);
	}
	if (fd < 0)
		panic("No file for the stub program: errno %d", errno);

	while (done < len) {
		CATCH_EINTR(n = write(fd, stub_exe_start + done, len - done));
		if (n < 0)
			panic("Writing the stub program failed: errno %d",
			      errno);
		done += n;
	}

	if (in_memory)
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK |
		      F_SEAL_GROW | F_SEAL_SEAL);
	else
		fd = reopen_read_only(fd);
	if (fd < 0)
		panic("The stub program cannot be opened: errno %d", errno);
	stub_exe_fd = fd;
	return 0;
}

__initcall(init_stub_exe);
