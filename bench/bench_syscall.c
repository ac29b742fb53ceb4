// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way into the kernel and back: a system call that does next to nothing.
 * getppid is asked for by number, so that no library can answer from memory.
 */
#include <sys/syscall.h>

#include "bench.h"

static uint64_t run_null(const struct metric *m, long ops)
{
	long parent = getppid();
	long wrong = 0;
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++)
		wrong += syscall(SYS_getppid) != parent;
	start = now_ns() - start;
	expect(!wrong, "answer of getppid");
	return start;
}

static const struct metric metrics[] = {
	{ .name = "syscall_null", .unit = "us", .first_ops = 100,
	  .run = run_null },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 1);
}
