// SPDX-License-Identifier: GPL-2.0-only
/*
 * On which host CPUs a virtual CPU's thread and its host process run.
 *
 * The host does not know that the two take turns. Left alone, it may have both
 * spin on one CPU, in each other's way, or wake one up on a CPU that is asleep or
 * that others use. So they are placed by how they hand over (handoff.c):
 *
 *	PLACE_APART	both spin: the host process may use all CPUs that are
 *			allowed but the one that the thread is on
 *	PLACE_TOGETHER	the host has other work, or they cannot spin as one traces
 *			the other: both are bound to the CPU that the thread was
 *			on, where a wake-up is but a switch
 *	PLACE_OWN	as many virtual CPUs are busy as there are host CPUs: both
 *			are bound to one that no other virtual CPU uses
 *	PLACE_ANYWHERE	none of these: where the host likes
 *
 * A change is one host call for each of the two. What a user sets from outside is
 * seen by a thread that is not bound.
 */

#include <sched.h>
#include <string.h>
#include <unistd.h>
#include <asm/unistd.h>
#include <cpu_relax.h>
#include <skas.h>
#include <smp.h>
#include "placement.h"

#define MAX_HOST_CPUS		8192
#define BITS_PER_WORD		(8 * (int)sizeof(long))

/* Where one may run: anywhere, on that CPU only, or on all but that one. */
#define ANYWHERE		0
#define ONLY(host_cpu)		((host_cpu) + 1)
#define NOT(host_cpu)		(-1 - (host_cpu))

static unsigned long allowed[MAX_HOST_CPUS / BITS_PER_WORD];
static long allowed_bytes;
static int allowed_count = 1;
static int thread_where[CONFIG_NR_CPUS];

/**
 * placement_look() - read which host CPUs are allowed
 *
 * A thread that is bound to one does not learn it.
 *
 * Context: any.
 */
void placement_look(void)
{
	int i, count = 0;

	if (thread_where[uml_curr_cpu()] != ANYWHERE)
		return;

	allowed_bytes = syscall(__NR_sched_getaffinity, 0, sizeof(allowed),
				allowed);
	/* Fails where the host can have more CPUs than that: many, then. */
	if (allowed_bytes < 0)
		count = MAX_HOST_CPUS;
	for (i = 0; i < allowed_bytes / (long)sizeof(long); i++)
		count += __builtin_popcountl(allowed[i]);
	allowed_count = count;
}

/**
 * um_cpu_relax() - one turn of a loop in which a virtual CPU waits for another
 *
 * The other one may be waiting for this host CPU, where there is not one for each.
 *
 * Context: any.
 */
void um_cpu_relax(void)
{
	if (uml_ncpus > allowed_count)
		sched_yield();
	else
		__builtin_ia32_pause();
}

/**
 * placement_allowed() - how many host CPUs this process may use
 */
int placement_allowed(void)
{
	return allowed_count;
}

/* If the host refuses, its own choice stays. */
static void bind(int pid, int where)
{
	unsigned long mask[MAX_HOST_CPUS / BITS_PER_WORD] = {};
	int host_cpu = where > 0 ? where - 1 : -1 - where;
	unsigned long bit = 1UL << host_cpu % BITS_PER_WORD;

	if (where > 0)
		mask[host_cpu / BITS_PER_WORD] = bit;
	else
		memcpy(mask, allowed, allowed_bytes);
	if (where < 0)
		mask[host_cpu / BITS_PER_WORD] &= ~bit;
	syscall(__NR_sched_setaffinity, pid, allowed_bytes, mask);
}

/* A tick in between must not take one CPU for all that are allowed. */
static void move(int pid, int *at, int where)
{
	if (*at == where)
		return;
	if (where != ANYWHERE)
		*at = where;
	bind(pid, where);
	*at = where;
}

/**
 * placement_inherit() - note where a host process that is being made will run
 * @id:		the host process, which the current thread makes
 */
void placement_inherit(struct mm_id *id)
{
	id->where = thread_where[uml_curr_cpu()];
}

/* The same for all that run on a virtual CPU, another one for each of these. */
static int own_host_cpu(void)
{
	int left = uml_curr_cpu() % allowed_count, i;

	for (i = 0; i < 8 * allowed_bytes; i++)
		if ((allowed[i / BITS_PER_WORD] >> i % BITS_PER_WORD & 1) &&
		    left-- == 0)
			return i;
	return -1;
}

/**
 * placement_set() - place a host process and the current thread
 * @id:		the host process, which waits
 * @placement:	how
 */
void placement_set(struct mm_id *id, enum placement placement)
{
	int *thread = &thread_where[uml_curr_cpu()];
	int cpu, bound;

	if (allowed_count <= 1 || allowed_bytes < 0)
		return;

	/* A thread that is bound finds itself where it was. */
	cpu = placement == PLACE_OWN ? own_host_cpu() : sched_getcpu();
	if (cpu < 0 || cpu >= 8 * allowed_bytes)
		placement = PLACE_ANYWHERE;

	bound = placement == PLACE_TOGETHER || placement == PLACE_OWN;
	move(0, thread, bound ? ONLY(cpu) : ANYWHERE);
	move(id->pid, &id->where,
	     placement == PLACE_APART ? NOT(cpu) : *thread);
}
