/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second process to switch to and back: it gets a byte through one pipe and
 * answers with another byte through a second pipe.
 */
#ifndef BENCH_PARTNER_H
#define BENCH_PARTNER_H

#include "bench.h"

/**
 * struct partner - the parent's end of both pipes
 * @pid:	the child
 * @to:		what is written here reaches it
 * @from:	its answers
 */
struct partner {
	pid_t pid;
	int to;
	int from;
};

static inline void answer_all(int in, int out,
			      unsigned char (*answer)(unsigned char))
{
	unsigned char byte;

	while (read(in, &byte, 1) == 1) {
		byte = answer(byte);
		if (write(out, &byte, 1) != 1)
			_exit(1);
	}
	_exit(CHILD_STATUS);
}

/**
 * start_partner() - make the process
 * @answer:	what it makes of a byte
 *
 * Return: it, to be ended by stop_partner().
 */
static inline struct partner start_partner(unsigned char (*answer)(unsigned char))
{
	int there[2], back[2];
	struct partner partner;

	checked(pipe(there), "pipe");
	checked(pipe(back), "pipe");
	partner = (struct partner) { .to = there[1], .from = back[0] };
	partner.pid = checked(fork(), "fork");
	if (!partner.pid) {
		close(partner.to);
		close(partner.from);
		answer_all(there[0], back[1], answer);
	}
	close(there[0]);
	close(back[1]);
	return partner;
}

/* The round trip */
static inline unsigned char ask_partner(const struct partner *partner,
					unsigned char byte)
{
	if (write(partner->to, &byte, 1) != 1 ||
	    read(partner->from, &byte, 1) != 1)
		die("pipe");
	return byte;
}

static inline void stop_partner(const struct partner *partner)
{
	close(partner->to);
	wait_for_child(partner->pid);
	close(partner->from);
}

#endif
