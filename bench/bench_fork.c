// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a small process: made by fork or vfork, with or without a new
 * program, until its parent has waited for it. The new program is this one,
 * statically linked, which ends at once when its argument asks for that.
 */
#include "bench.h"

static uint64_t run_vfork_exit(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (volatile long i = 0; i < ops; i++) {
		pid_t pid = vfork();

		if (!pid)
			_exit(CHILD_STATUS);
		wait_for_child(pid);
	}
	return now_ns() - start;
}

static uint64_t run_fork_exec(const struct metric *m, long ops)
{
	char *argv[] = { "bench_fork", "--end-at-once", NULL };
	char *envp[] = { NULL };
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		pid_t pid = fork();

		if (!pid) {
			execve("/proc/self/exe", argv, envp);
			_exit(1);
		}
		wait_for_child(pid);
	}
	return now_ns() - start;
}

static const struct metric metrics[] = {
	{ .name = "fork_exit", .unit = "us", .first_ops = 10,
	  .run = run_fork_exit },
	{ .name = "vfork_exit", .unit = "us", .first_ops = 10,
	  .run = run_vfork_exit },
	{ .name = "fork_exec", .unit = "us", .first_ops = 5,
	  .run = run_fork_exec },
};

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--end-at-once"))
		_exit(CHILD_STATUS);
	return bench_main(argc, argv, metrics, 3);
}
