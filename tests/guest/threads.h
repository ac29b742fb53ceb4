/* SPDX-License-Identifier: GPL-2.0-only */
/* What the guest tests share about threads. */
#ifndef THREADS_H
#define THREADS_H

#include "ktap.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static inline void run_on_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	require_call(!sched_setaffinity(0, sizeof(cpus), &cpus));
}

#define TURNS 2000

/*
 * One of two threads which hand a word to and fro with no call of the kernel: if
 * the kernel lets them run in turns, each of these lasts until the next tick.
 */
static inline void take_turns(atomic_uint *turn, unsigned int mine)
{
	for (unsigned int i = mine; i < TURNS; i += 2) {
		while (*turn != i)
			__asm__ volatile("" : : : "memory");
		++*turn;
	}
}

#endif
