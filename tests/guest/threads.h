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

#endif
