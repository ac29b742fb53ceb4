// SPDX-License-Identifier: GPL-2.0-only
/*
 * Switching between two processes: a byte goes to the other one through a
 * pipe, and comes back, plus one, through a second pipe. One operation is the
 * round trip.
 */
#include "partner.h"

static struct partner partner;

static unsigned char plus_one(unsigned char byte)
{
	return byte + 1;
}

static void setup_partner(const struct metric *m)
{
	(void)m;
	partner = start_partner(plus_one);
}

static void drop_partner(const struct metric *m)
{
	(void)m;
	stop_partner(&partner);
}

static uint64_t run_ping_pong(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++)
		expect(ask_partner(&partner, i) == (unsigned char)(i + 1),
		       "byte that came back");
	return now_ns() - start;
}

static const struct metric metrics[] = {
	{ .name = "pipe_pingpong", .unit = "us", .first_ops = 100,
	  .setup = setup_partner, .run = run_ping_pong,
	  .teardown = drop_partner },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 1);
}
