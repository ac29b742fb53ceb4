// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sbin/init of the root image: runs one command for `./uml run`, then powers
 * the guest off.
 *
 * The runner on the host and this program talk over one raw serial line,
 * whose name the runner passes on the kernel command line (uml_channel=ttyS1;
 * the kernel puts unknown settings into init's environment). Both directions
 * carry frames: one byte of type, four bytes of length (little-endian), data.
 *
 *   to the host    'H' here I am: number of CPUs, as text
 *                  'O' 'E' bytes the command wrote to stdout / stderr
 *                  'F' cannot go on: a message
 *   to the guest   'C' what to run (see struct job), sent once, after 'H'
 *                  'I' bytes for the command's stdin; no bytes: end of file
 *                  'W' size of the terminal: rows, columns (2 bytes each)
 *
 * The command gets pipes for stdin, stdout and stderr, or, for `./uml shell`,
 * one pseudo terminal. So its output is byte-exact and end of file is end of
 * file, whatever the host side is. Its exit code (128 + N when signal N ended
 * it) leaves through /proc/exitcode, which UML makes its own exit status.
 *
 * Without uml_channel= (./linux started by hand) it is a shell on the console.
 *
 * In C and not a shell script because every boot waits for it: it starts no
 * process but the command, and hands the arguments over without parsing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define HEADER		5	/* bytes of a frame's type and length */
#define CHUNK		16384	/* most data bytes in a frame that we send */
#define JOB_MAX		(1 << 20)
#define LIST_MAX	4096	/* arguments, environment, shares: each */

/* What the 'C' frame asks for: strings, each ended by NUL, by first letter. */
struct job {
	char *argv[LIST_MAX];	/* 'A' one argument */
	char *envp[LIST_MAX];	/* 'V' one NAME=value */
	char *shared[LIST_MAX];	/* 'R' or 'B' guest directory, next string: host */
	int args, envs, shares;
	int terminal;		/* 'T' run on a pseudo terminal */
	int keep_root;		/* 'K' the image itself is written: leave it clean */
};

static struct job job;
static int channel = -1;	/* the serial line, not blocking */
static int sigchld_fd;
static pid_t command;
static int command_status;

/* The command's ends on our side: -1 once closed. In a terminal in == out. */
static int in_fd = -1, out_fd = -1, err_fd = -1;

/* One frame on its way to the host */
static unsigned char out[HEADER + CHUNK];
static size_t out_at, out_end;

/* Bytes that came from the host, and where in a frame they are */
static unsigned char in[65536];
static size_t in_at, in_end;
static unsigned char header[HEADER];
static size_t header_got, frame_left, job_got;
static char job_text[JOB_MAX];
static unsigned char window[4];

/* ---- to the host -------------------------------------------------------- */

/* Starts a frame whose len data bytes are in out[] already */
static void start_frame(char type, size_t len)
{
	out[0] = type;
	for (int i = 0; i < 4; i++)
		out[1 + i] = len >> (8 * i);
	out_at = 0;
	out_end = HEADER + len;
}

/* Writes what the line takes now; false when the host is gone */
static int push_out(void)
{
	while (out_at < out_end) {
		ssize_t n = write(channel, out + out_at, out_end - out_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		out_at += n;
	}
	return 1;
}

/* Waits until the whole frame is out */
static void finish_out(void)
{
	struct pollfd p = { .fd = channel, .events = POLLOUT };

	while (push_out() && out_at < out_end)
		poll(&p, 1, -1);
}

static void send_text(char type, const char *text)
{
	size_t len = strlen(text);

	finish_out();
	memcpy(out + HEADER, text, len);
	start_frame(type, len);
	finish_out();
}

/* ---- the end ------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			perror(path);
		close(fd);
	}
}

static void sync_tree(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		syncfs(fd);
		close(fd);
	}
}

/*
 * Ends all that still runs, brings shared directories up to date, leaves the
 * code behind and powers off. The root is a throw-away copy as a rule, so it
 * is not synced.
 */
static void power_off(int code)
{
	char text[16];

	kill(-1, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	for (int i = 0; i < job.shares; i++)
		sync_tree(job.shared[2 * i] + 1);
	if (job.keep_root) {
		sync();
		mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	}
	finish_out();
	tcdrain(channel);
	snprintf(text, sizeof(text), "%d", code);
	write_file("/proc/exitcode", text);
	reboot(RB_POWER_OFF);
	_exit(1);
}

__attribute__((noreturn)) __attribute__((format(printf, 1, 2)))
static void fail(const char *format, ...)
{
	char text[CHUNK];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_text('F', text);
	power_off(125);
	_exit(1);
}

/* ---- what every guest gets ------------------------------------------------ */

static const struct {
	const char *type, *where, *options;
} mounts[] = {
	{ "proc", "/proc", NULL },
	{ "sysfs", "/sys", NULL },
	{ "devtmpfs", "/dev", NULL },	/* busy when the kernel did it */
	{ "debugfs", "/sys/kernel/debug", NULL },
	{ "cgroup2", "/sys/fs/cgroup", NULL },
	{ "tmpfs", "/tmp", "mode=1777" },
	{ "devpts", "/dev/pts", "mode=620,ptmxmode=666" },
	{ "tmpfs", "/dev/shm", "mode=1777" },
};

static void loopback_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		ioctl(fd, SIOCSIFFLAGS, &lo);
		close(fd);
	}
}

static void set_up_guest(void)
{
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 0755);
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		mount(mounts[i].type, mounts[i].where, mounts[i].type, 0,
		      mounts[i].options);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	sethostname("uml", 3);
	loopback_up();
}

static void make_directories(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(path, 0755);
		*p = '/';
	}
	mkdir(path, 0755);
}

static void mount_shares(void)
{
	for (int i = 0; i < job.shares; i++) {
		char *where = job.shared[2 * i] + 1;
		const char *host = job.shared[2 * i + 1];
		int read_only = job.shared[2 * i][0] == 'R';

		make_directories(where);
		if (mount("hostfs", where, "hostfs", read_only ? MS_RDONLY : 0, host))
			fail("cannot mount %s on %s: %s", host, where, strerror(errno));
	}
}

/* ---- the command ---------------------------------------------------------- */

static void read_job(size_t len)
{
	char *p = job_text, *end = job_text + len;

	for (; p < end; p += strlen(p) + 1) {
		if (*p == 'A' && job.args < LIST_MAX - 1) {
			job.argv[job.args++] = p + 1;
		} else if (*p == 'V' && job.envs < LIST_MAX - 1) {
			job.envp[job.envs++] = p + 1;
		} else if (*p == 'T') {
			job.terminal = 1;
		} else if (*p == 'K') {
			job.keep_root = 1;
		} else if ((*p == 'R' || *p == 'B') && job.shares < LIST_MAX / 2) {
			job.shared[2 * job.shares] = p;
			p += strlen(p) + 1;
			job.shared[2 * job.shares++ + 1] = p;
		} else {
			fail("too many arguments, or unknown request '%c'", *p);
		}
	}
}

static void set_window(int fd)
{
	struct winsize size = {
		.ws_row = window[0] | window[1] << 8,
		.ws_col = window[2] | window[3] << 8,
	};

	if (job.terminal && fd >= 0)
		ioctl(fd, TIOCSWINSZ, &size);
}

/* In the child: becomes the command */
static void run_command(int stdin_fd, int stdout_fd, int stderr_fd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (job.terminal)
		ioctl(stdin_fd, TIOCSCTTY, 0);
	dup2(stdin_fd, 0);
	dup2(stdout_fd, 1);
	dup2(stderr_fd, 2);
	environ = job.envp;
	execvp(job.argv[0], job.argv);
	dprintf(2, "uml: %s: %s\n", job.argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Fills in the command's three descriptors and ours: one pseudo terminal */
static void open_terminal(int theirs[3])
{
	if (openpty(&in_fd, &theirs[0], NULL, NULL, NULL))
		fail("no pseudo terminal: %s", strerror(errno));
	out_fd = in_fd;
	set_window(in_fd);
	fcntl(in_fd, F_SETFD, FD_CLOEXEC);
	fcntl(theirs[0], F_SETFD, FD_CLOEXEC);
	theirs[1] = theirs[0];
	theirs[2] = theirs[0];
}

/* The same with three pipes */
static void open_pipes(int theirs[3])
{
	int pipes[3][2];

	for (int i = 0; i < 3; i++)
		if (pipe2(pipes[i], O_CLOEXEC))
			fail("no pipe: %s", strerror(errno));
	theirs[0] = pipes[0][0];
	in_fd = pipes[0][1];
	out_fd = pipes[1][0];
	theirs[1] = pipes[1][1];
	err_fd = pipes[2][0];
	theirs[2] = pipes[2][1];
	fcntl(err_fd, F_SETFL, O_NONBLOCK);
}

static void start_command(void)
{
	int theirs[3];

	if (job.terminal)
		open_terminal(theirs);
	else
		open_pipes(theirs);
	fcntl(in_fd, F_SETFL, O_NONBLOCK);
	fcntl(out_fd, F_SETFL, O_NONBLOCK);

	command = fork();
	if (command == 0)
		run_command(theirs[0], theirs[1], theirs[2]);
	if (command < 0)
		fail("cannot fork: %s", strerror(errno));
	for (int i = 0; i < (job.terminal ? 1 : 3); i++)
		close(theirs[i]);
}

/* Reaps what has ended; true when the command is among it */
static int command_ended(void)
{
	int status, ended = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == command) {
			command_status = status;
			ended = 1;
		}
	return ended;
}

/* ---- from the host -------------------------------------------------------- */

static void close_stdin(void)
{
	if (in_fd >= 0 && !job.terminal) {
		close(in_fd);
		in_fd = -1;
	}
}

/* Gives n bytes to the command; returns how many it took */
static size_t give_stdin(const unsigned char *data, size_t n)
{
	ssize_t taken;

	if (in_fd < 0)
		return n;
	taken = write(in_fd, data, n);
	if (taken >= 0)
		return taken;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	close_stdin();		/* it does not want any more */
	return n;
}

static size_t keep_job(const unsigned char *data, size_t n)
{
	if (job_got + n > sizeof(job_text))
		fail("command line too long");
	memcpy(job_text + job_got, data, n);
	job_got += n;
	return n;
}

/* Takes up to n bytes of the frame that header[] describes */
static size_t take_data(const unsigned char *data, size_t n)
{
	switch (header[0]) {
	case 'C':
		return keep_job(data, n);
	case 'I':
		return give_stdin(data, n);
	case 'W':
		if (frame_left <= sizeof(window))
			memcpy(window + sizeof(window) - frame_left, data, n);
		return n;
	}
	return n;
}

static void end_frame(void)
{
	if (header[0] == 'C') {
		read_job(job_got);
		mount_shares();
		start_command();
	} else if (header[0] == 'W') {
		set_window(out_fd);
	}
	header_got = 0;
}

/* Works through in[]; stops early when the command's stdin is full */
static void take_input(void)
{
	while (in_at < in_end) {
		size_t n = in_end - in_at;

		if (header_got < HEADER) {
			header[header_got++] = in[in_at++];
			if (header_got < HEADER)
				continue;
			frame_left = header[1] | header[2] << 8 | header[3] << 16 |
				     (size_t)header[4] << 24;
			if (!frame_left) {
				if (header[0] == 'I')
					close_stdin();
				end_frame();
			}
			continue;
		}
		if (n > frame_left)
			n = frame_left;
		n = take_data(in + in_at, n);
		if (!n)
			return;
		in_at += n;
		frame_left -= n;
		if (!frame_left)
			end_frame();
	}
}

/* Reads more from the host behind what is left over */
static void read_channel(void)
{
	ssize_t n;

	memmove(in, in + in_at, in_end - in_at);
	in_end -= in_at;
	in_at = 0;
	n = read(channel, in + in_end, sizeof(in) - in_end);
	if (n > 0)
		in_end += n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		power_off(1);	/* the runner is gone */
	take_input();
}

/* ---- relay ---------------------------------------------------------------- */

/* One read from the command, sent on; false at end of file or nothing there */
static int forward(int *fd, char type, size_t most)
{
	ssize_t n = read(*fd, out + HEADER, most < CHUNK ? most : CHUNK);

	if (n > 0) {
		start_frame(type, n);
		push_out();
		return n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		if (!job.terminal)
			close(*fd);
		*fd = -1;
	}
	return 0;
}

/*
 * What the command wrote before it ended is in the pipe by now. A process that
 * it left behind may still be writing: that is not waited for.
 */
static void drain(int *fd, char type)
{
	struct pollfd p = { .fd = *fd, .events = POLLIN };
	int left = 0;

	if (*fd < 0)
		return;
	if (job.terminal) {
		for (left = 64; left > 0 && *fd >= 0 && poll(&p, 1, 100) > 0; left--) {
			finish_out();
			forward(fd, type, CHUNK);
		}
		return;
	}
	ioctl(*fd, FIONREAD, &left);
	while (left > 0 && *fd >= 0) {
		int n;

		finish_out();
		n = forward(fd, type, left);
		if (!n)
			break;
		left -= n;
	}
}

/* Moves bytes both ways until the command ends */
static void relay(void)
{
	enum { LINE, IN, OUT, ERR, CHLD, COUNT };

	for (;;) {
		int full = in_at < in_end, sending = out_at < out_end;
		struct pollfd p[COUNT] = {
			[LINE] = { channel, (full ? 0 : POLLIN) | (sending ? POLLOUT : 0), 0 },
			[IN] = { full ? in_fd : -1, POLLOUT, 0 },
			[OUT] = { sending ? -1 : out_fd, POLLIN, 0 },
			[ERR] = { sending ? -1 : err_fd, POLLIN, 0 },
			[CHLD] = { sigchld_fd, POLLIN, 0 },
		};
		struct signalfd_siginfo info;

		if (poll(p, COUNT, -1) < 0)
			continue;
		if (p[LINE].revents & POLLOUT)
			push_out();
		if (p[LINE].revents & ~POLLOUT)
			read_channel();
		if (p[IN].revents)
			take_input();
		if (p[ERR].revents && out_at == out_end && err_fd >= 0)
			forward(&err_fd, 'E', CHUNK);
		if (p[OUT].revents && out_at == out_end && out_fd >= 0)
			forward(&out_fd, 'O', CHUNK);
		if (p[CHLD].revents) {
			if (read(sigchld_fd, &info, sizeof(info)) > 0 &&
			    info.ssi_signo != SIGCHLD)
				power_off(0);
			if (command_ended())
				return;
		}
	}
}

/* ---- start ---------------------------------------------------------------- */

static void open_channel(const char *name)
{
	struct termios raw;
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s", name);
	channel = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (channel < 0) {
		perror(path);
		power_off(125);
	}
	tcgetattr(channel, &raw);
	cfmakeraw(&raw);
	raw.c_cflag |= CLOCAL;
	tcsetattr(channel, TCSANOW, &raw);
}

/* No runner: a shell on the console, then the end */
static void console_shell(void)
{
	char *const argv[] = { "sh", NULL };
	int fd;

	command = fork();
	if (command == 0) {
		setsid();
		fd = open("/dev/tty0", O_RDWR);
		if (fd >= 0) {
			ioctl(fd, TIOCSCTTY, 0);
			dup2(fd, 0);
			dup2(fd, 1);
			dup2(fd, 2);
		}
		execvp("/bin/sh", argv);
		_exit(127);
	}
	while (waitpid(-1, &command_status, 0) != command)
		;
	job.keep_root = 1;
}

int main(void)
{
	const char *name = getenv("uml_channel");
	sigset_t signals;
	char cpus[16];

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, SIGTERM);	/* these three: halt, poweroff, reboot */
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	set_up_guest();
	if (!name) {
		console_shell();
		power_off(0);
	}
	sigchld_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	open_channel(name);
	snprintf(cpus, sizeof(cpus), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	send_text('H', cpus);
	relay();
	drain(&err_fd, 'E');
	drain(&out_fd, 'O');
	power_off(WIFSIGNALED(command_status) ? 128 + WTERMSIG(command_status) :
		  WEXITSTATUS(command_status));
	return 1;	/* not reached */
}
