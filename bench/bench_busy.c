// SPDX-License-Identifier: GPL-2.0-only
/*
 * More busy processes than the host has CPUs: eight at once compute, make system
 * calls, use fresh memory and fork. One operation is all eight having done so once.
 */
#include "bench.h"

#include <sys/syscall.h>

#define PROCESSES	8
#define CALLS		50
#define MEMORY		(32 * PAGE)
#define ROUNDS		20000

static volatile unsigned int sink;

static void work_once(const struct metric *m)
{
	unsigned char *p = map_anonymous(MEMORY);
	unsigned int x = 1;

	write_pages(p, MEMORY, 1);
	for (int i = 0; i < CALLS; i++)
		checked(syscall(SYS_getppid), "getppid");
	for (int i = 0; i < ROUNDS; i++)
		x = x * 1664525 + 1013904223;
	sink = x;
	run_fork_exit(m, 1);
	expect_pages(p, MEMORY, 1);
	if (munmap(p, MEMORY))
		die("munmap");
}

static uint64_t run_busy(const struct metric *m, long ops)
{
	uint64_t start = now_ns();
	pid_t pid[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = checked(fork(), "fork");
		if (pid[i])
			continue;
		for (long n = 0; n < ops; n++)
			work_once(m);
		_exit(CHILD_STATUS);
	}
	for (int i = 0; i < PROCESSES; i++)
		wait_for_child(pid[i]);
	return now_ns() - start;
}

static const struct metric metrics[] = {
	{ .name = "busy_8", .unit = "us", .first_ops = 5, .run = run_busy },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 1);
}
