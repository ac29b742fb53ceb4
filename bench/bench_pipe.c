// SPDX-License-Identifier: GPL-2.0-only
/*
 * Switching between two processes: a byte goes to the other one through a
 * pipe, and comes back, plus one, through a second pipe. One operation is the
 * round trip.
 */
#include "bench.h"

static int to_child[2], to_parent[2];
static pid_t child;

static void echo_plus_one(void)
{
	unsigned char byte;

	while (read(to_child[0], &byte, 1) == 1) {
		byte++;
		if (write(to_parent[1], &byte, 1) != 1)
			_exit(1);
	}
	_exit(CHILD_STATUS);
}

static void start_child(const struct metric *m)
{
	(void)m;
	if (pipe(to_child) || pipe(to_parent))
		die("pipe");
	child = fork();
	if (child < 0)
		die("fork");
	if (child)
		return;
	close(to_child[1]);
	close(to_parent[0]);
	echo_plus_one();
}

static void stop_child(const struct metric *m)
{
	(void)m;
	close(to_child[1]);
	wait_for_child(child);
	close(to_child[0]);
	close(to_parent[0]);
	close(to_parent[1]);
}

static uint64_t run_ping_pong(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		unsigned char sent = i, got;

		if (write(to_child[1], &sent, 1) != 1 ||
		    read(to_parent[0], &got, 1) != 1)
			die("pipe");
		expect(got == (unsigned char)(sent + 1), "byte that came back");
	}
	return now_ns() - start;
}

static const struct metric metrics[] = {
	{ .name = "pipe_pingpong", .unit = "us", .first_ops = 100,
	  .setup = start_child, .run = run_ping_pong, .teardown = stop_child },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 1);
}
