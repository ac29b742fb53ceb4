/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words with which a virtual CPU and a host process hand over to each other;
 * see handoff_protocol.h.
 */

#ifndef __HANDOFF_H
#define __HANDOFF_H

enum handoff_state {
	HANDOFF_RUN,
	HANDOFF_SPIN,
	HANDOFF_SLEEP,
	HANDOFF_TRAMPOLINE,
};

#define HANDOFF_STATE_BITS	2
#define HANDOFF_STATE(word)	((word) & ((1U << HANDOFF_STATE_BITS) - 1))

/* Bells fill one page. Two host processes may share one; both wake then. */
#define HANDOFF_BELLS		1024U
/* Not a bell: wake nobody. */
#define HANDOFF_NO_BELL		HANDOFF_BELLS

/* What handoff.reset holds. */
#define HANDOFF_RESET_WANTED	1

/* How many a wake-up is for: whoever may share the word. */
#define HANDOFF_ALL		0x7fffffff

#define HANDOFF_TELL(bell)						\
	(HANDOFF_TRAMPOLINE | (bell) << HANDOFF_STATE_BITS)
#define HANDOFF_TOLD(word)						\
	((word) >> HANDOFF_STATE_BITS)

/**
 * struct handoff - the words between a host process and the kernel
 * @stub:	how the host process waits
 * @bell:	on which bell it sleeps
 * @spin:	how long it may spin, in cycles; set by the kernel
 * @yield:	whether the two have one host CPU, so that the one that spins has to
 *		leave it to the other; set by the kernel
 * @linger:	whether it is soon needed again when another one runs; set by the
 *		kernel
 * @reset:	HANDOFF_RESET_WANTED: the host process is to become as new before
 *		it does anything else; it says so by 0
 * @alarm:	it is to hand over when that is done, as if it got a SIGALRM
 * @kern:	how the virtual CPU waits
 * @since:	when the host process handed over, in cycles
 *
 * The two that are spun on have a cache line each.
 */
struct handoff {
	unsigned int stub;
	unsigned int bell;
	unsigned int spin;
	unsigned int yield;
	unsigned int linger;
	unsigned int reset;
	unsigned int alarm;
	unsigned int kern __attribute__((__aligned__(64)));
	unsigned int since;
} __attribute__((__aligned__(64)));

#endif
