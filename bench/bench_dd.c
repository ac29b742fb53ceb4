// SPDX-License-Identifier: GPL-2.0-only
/*
 * dd with blocks of 1 MiB, figure per MiB, start of dd included:
 *
 * dd_ubd		all of the disk named by $BENCH_DISK (default /dev/ubdb),
 *			read with nothing of it in the guest's page cache
 * dd_tmpfs_write	zeros into a new file in /tmp (or $TMPDIR)
 * dd_tmpfs_read	that file, read
 *
 * dd is busybox's; what it says it has read is checked.
 */
#include <fcntl.h>

#include "bench.h"

#define DISK_MIB	256
#define FILE_MIB	32

static char path[256];

static void path_in_tmpfs(const struct metric *m)
{
	const char *directory = getenv("TMPDIR");

	(void)m;
	snprintf(path, sizeof(path), "%s/bench_dd.data",
		 directory ? directory : "/tmp");
}

static void remove_file(const struct metric *m)
{
	(void)m;
	if (unlink(path))
		die(path);
}

static void exec_dd(const char *from, const char *to, long mib, int messages)
{
	char input[300], output[300], count[32];

	snprintf(input, sizeof(input), "if=%s", from);
	snprintf(output, sizeof(output), "of=%s", to);
	snprintf(count, sizeof(count), "count=%ld", mib);
	dup2(messages, STDERR_FILENO);
	execlp("busybox", "busybox", "dd", input, output, "bs=1M", count,
	       (char *)NULL);
	_exit(1);
}

static uint64_t time_dd(const char *from, const char *to, long mib)
{
	char said[512] = "", wanted[64];
	size_t length = 0;
	int messages[2], status;
	ssize_t got;
	uint64_t took;
	pid_t pid;

	if (pipe(messages))
		die("pipe");
	took = now_ns();
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		exec_dd(from, to, mib, messages[1]);
	close(messages[1]);
	while ((got = read(messages[0], said + length,
			   sizeof(said) - 1 - length)) > 0)
		length += got;
	close(messages[0]);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	took = now_ns() - took;

	snprintf(wanted, sizeof(wanted), "%ld+0 records in", mib);
	if (status || !strstr(said, wanted)) {
		fprintf(stderr, "dd if=%s failed: %s\n", from, said);
		exit(1);
	}
	return took;
}

static void drop_page_cache(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	sync();
	if (fd < 0 || write(fd, "3", 1) != 1)
		die("/proc/sys/vm/drop_caches");
	close(fd);
}

static uint64_t run_ubd(const struct metric *m, long ops)
{
	const char *disk = getenv("BENCH_DISK");
	uint64_t took = 0;

	for (long i = 0; i < ops; i++) {
		drop_page_cache();
		took += time_dd(disk ? disk : "/dev/ubdb", "/dev/null",
				m->scale);
	}
	return took;
}

static uint64_t run_tmpfs_write(const struct metric *m, long ops)
{
	uint64_t took = 0;

	for (long i = 0; i < ops; i++) {
		unlink(path);
		took += time_dd("/dev/zero", path, m->scale);
	}
	return took;
}

static void write_file(const struct metric *m)
{
	path_in_tmpfs(m);
	run_tmpfs_write(m, 1);
}

static uint64_t run_tmpfs_read(const struct metric *m, long ops)
{
	uint64_t took = 0;

	for (long i = 0; i < ops; i++)
		took += time_dd(path, "/dev/null", m->scale);
	return took;
}

static const struct metric metrics[] = {
	{ .name = "dd_ubd", .unit = "us/MiB", .first_ops = 1,
	  .scale = DISK_MIB, .run = run_ubd },
	{ .name = "dd_tmpfs_write", .unit = "us/MiB", .first_ops = 1,
	  .scale = FILE_MIB, .setup = path_in_tmpfs, .run = run_tmpfs_write,
	  .teardown = remove_file },
	{ .name = "dd_tmpfs_read", .unit = "us/MiB", .first_ops = 1,
	  .scale = FILE_MIB, .setup = write_file, .run = run_tmpfs_read,
	  .teardown = remove_file },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 3);
}
