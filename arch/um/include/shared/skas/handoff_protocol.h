/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hand-off between a virtual CPU, which runs the kernel, and a host process,
 * which runs guest code. One of the two runs, the other waits.
 *
 * Each side tells in a word of the shared page how it waits:
 *
 *	RUN		it does not: the other side has handed over
 *	SPIN		it looks at its word; nobody has to wake it
 *	SLEEP		it sleeps in the host, or is about to, and must be woken
 *	TRAMPOLINE	(host process) it was told to leave the CPU to another one,
 *			and to wake that one first if it sleeps
 *
 * Handing over is an exchange of the other side's word with RUN. What was there
 * tells whether a host call is needed; while both sides spin, none is.
 *
 * A host process cannot write to another one's page, nor trust its own when it
 * sleeps there. So it sleeps on a bell, a word in a page that all host processes
 * can read and only the kernel can write. The kernel rings by counting the bell
 * up and waking who sleeps on it. Anybody may do the waking: the kernel, or a
 * host process which still spins when the kernel goes on with another one. To
 * that one the kernel says TRAMPOLINE and which bell; it wakes the sleeper,
 * which the host then puts on the CPU that the trampoline leaves.
 *
 * Then it sleeps, too. Or it lingers, if it was soon needed again the last time:
 * for the rest of its spin it goes on to look, and yields between. Where two
 * processes take turns, as the ends of a pipe do, nobody has to be woken then.
 *
 *	host process				virtual CPU
 *	stub := SPIN				kern := SPIN
 *	if xchg(kern, RUN) was SLEEP:		xchg(stub, RUN) was
 *	    wake kern				  SPIN: tell the last one to leave
 *	loop: stub is				  SLEEP: count the bell up, and
 *	  RUN: done				    tell the last one, or wake
 *	  SPIN: look again, or in the end	  TRAMPOLINE: wake in its place
 *	    cmpxchg(stub, SPIN, SLEEP)		loop: kern is
 *	  TRAMPOLINE: wake that bell, then	  RUN: done
 *	    cmpxchg(stub, TRAMPOLINE,		  SPIN: look again, or in the end
 *	      SPIN to linger, else SLEEP)	    cmpxchg(kern, SPIN, SLEEP)
 *	  SLEEP: seen := bell; if stub still	  SLEEP: sleep if kern is SLEEP
 *	    is SLEEP, sleep if bell is seen
 *
 * Guest code can write the words of its own host process. Then it harms itself:
 * the kernel takes any unknown word for one of the states, waits for nothing
 * that it does not bound, and the tick makes good a wake-up that was withheld
 * (skas/handoff.c on the host side).
 *
 * This file is the whole protocol and nothing else. The includer says how to wake,
 * sleep and leave the CPU to others (HANDOFF_WAKE, one HANDOFF_..._SLEEP, or both,
 * and HANDOFF_YIELD);
 * tests/host/host_handoff.c has every interleaving of it tried.
 */

#ifndef __HANDOFF_PROTOCOL_H
#define __HANDOFF_PROTOCOL_H

#ifdef __UM_HOST__
#include <stdbool.h>
#else
#include <linux/types.h>
#endif
#include <handoff.h>

#ifndef HANDOFF_LOAD
#define HANDOFF_LOAD(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define HANDOFF_STORE(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define HANDOFF_INC(p)		__atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST)
#define HANDOFF_XCHG(p, v)	__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define HANDOFF_CMPXCHG(p, old, new)	__sync_val_compare_and_swap(p, old, new)
#define HANDOFF_CYCLES()	__builtin_ia32_rdtsc()
#define HANDOFF_RELAX()		__builtin_ia32_pause()
#endif

/* Between two looks at a word. */
static __always_inline void handoff_relax(bool yield)
{
	if (yield)
		HANDOFF_YIELD();
	else
		HANDOFF_RELAX();
}

/* Wakes who sleeps on a bell, unless it is none or guest code made it up. */
static __always_inline void handoff_ring(unsigned int *bells, unsigned int bell)
{
	if (bell < HANDOFF_BELLS)
		HANDOFF_WAKE(&bells[bell]);
}

#ifdef HANDOFF_STUB_SLEEP

/* Host process: hand over to the kernel. */
static __always_inline void handoff_to_kernel(struct handoff *h)
{
	HANDOFF_STORE(&h->stub, HANDOFF_SPIN);
	if (HANDOFF_XCHG(&h->kern, HANDOFF_RUN) == HANDOFF_SLEEP)
		HANDOFF_WAKE(&h->kern);
}

/* Host process: wait until the kernel hands over. */
static __always_inline void handoff_stub_wait(struct handoff *h,
					      unsigned int *bells)
{
	unsigned long start = HANDOFF_CYCLES();
	unsigned int word, seen, bell;
	bool yield = h->yield;

	for (;;) {
		word = HANDOFF_LOAD(&h->stub);

		switch (HANDOFF_STATE(word)) {
		case HANDOFF_RUN:
			return;
		case HANDOFF_SPIN:
			if (HANDOFF_CYCLES() - start < h->spin) {
				handoff_relax(yield);
				break;
			}
			HANDOFF_CMPXCHG(&h->stub, word, HANDOFF_SLEEP);
			break;
		case HANDOFF_TRAMPOLINE:
			handoff_ring(bells, HANDOFF_TOLD(word));
			HANDOFF_CMPXCHG(&h->stub, word, h->linger ?
					HANDOFF_SPIN : HANDOFF_SLEEP);
			yield = 1;
			break;
		case HANDOFF_SLEEP:
			bell = h->bell % HANDOFF_BELLS;
			seen = HANDOFF_LOAD(&bells[bell]);
			word = HANDOFF_LOAD(&h->stub);
			if (HANDOFF_STATE(word) == HANDOFF_SLEEP)
				HANDOFF_STUB_SLEEP(&bells[bell], seen);
			break;
		}
	}
}

#endif
#ifdef HANDOFF_KERNEL_SLEEP

/**
 * handoff_tell() - tell a host process that may still spin to leave its CPU
 * @last:	its words
 * @bell:	the bell that it is to wake first, or HANDOFF_NO_BELL
 *
 * Return: whether it was spinning, and will do it.
 */
static __always_inline bool handoff_tell(struct handoff *last,
					 unsigned int bell)
{
	return HANDOFF_CMPXCHG(&last->stub, HANDOFF_SPIN, HANDOFF_TELL(bell)) ==
	       HANDOFF_SPIN;
}

/**
 * handoff_rest() - have a host process that may spin go to sleep
 * @h:		its words
 */
static __always_inline void handoff_rest(struct handoff *h)
{
	HANDOFF_CMPXCHG(&h->stub, HANDOFF_SPIN, HANDOFF_SLEEP);
}

/**
 * handoff_to_stub() - kernel: hand over to a host process
 * @h:		its words
 * @bell:	its bell
 * @bells:	all bells
 * @last:	the words of the one that ran last here and may spin, or NULL;
 *		it is told to wake @h where that sleeps
 */
static __always_inline void handoff_to_stub(struct handoff *h,
					    unsigned int bell,
					    unsigned int *bells,
					    struct handoff *last)
{
	unsigned int word;

	HANDOFF_STORE(&h->kern, HANDOFF_SPIN);
	word = HANDOFF_XCHG(&h->stub, HANDOFF_RUN);

	switch (HANDOFF_STATE(word)) {
	case HANDOFF_SLEEP:
		HANDOFF_INC(&bells[bell]);
		if (!last || !handoff_tell(last, bell))
			HANDOFF_WAKE(&bells[bell]);
		return;
	case HANDOFF_TRAMPOLINE:
		/* It may not have seen that it was to wake another one. */
		handoff_ring(bells, HANDOFF_TOLD(word));
		break;
	}
	if (last)
		handoff_tell(last, HANDOFF_NO_BELL);
}

/**
 * handoff_kernel_wait() - wait until the host process hands over
 * @h:		its words
 * @pid:	negative once it has died
 * @spin:	how long to spin, in cycles
 * @yield:	whether to leave the CPU to others meanwhile
 *
 * Return: false if it has died.
 */
static __always_inline bool handoff_kernel_wait(struct handoff *h,
						const int *pid,
						unsigned long spin,
						bool yield)
{
	unsigned long start = HANDOFF_CYCLES();
	unsigned int word;

	for (;;) {
		word = HANDOFF_LOAD(&h->kern);
		if (HANDOFF_LOAD(pid) < 0)
			return 0;

		if (word == HANDOFF_SPIN) {
			if (HANDOFF_CYCLES() - start < spin) {
				handoff_relax(yield);
				continue;
			}
			HANDOFF_CMPXCHG(&h->kern, HANDOFF_SPIN, HANDOFF_SLEEP);
		} else if (word == HANDOFF_SLEEP) {
			HANDOFF_KERNEL_SLEEP(&h->kern, HANDOFF_SLEEP);
		} else {
			return 1;
		}
	}
}

/* For whoever learned that a host process died, and noted that in its pid. */
static __always_inline void handoff_died(struct handoff *h)
{
	HANDOFF_XCHG(&h->kern, HANDOFF_RUN);
	HANDOFF_WAKE(&h->kern);
}

#endif
#endif
