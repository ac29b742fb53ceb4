/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a virtual CPU keeps in the thread-local storage of its host thread: its
 * number, and whether interrupts are on.
 *
 * The kernel looks at these more often than at anything else, so it does so in
 * line. Each access is one instruction with its own segment prefix: a task can
 * move to another virtual CPU, and thereby to another host thread, whenever it
 * sleeps, so that neither the values nor their addresses may be kept.
 *
 * Modules are loaded too far away for this and call functions instead.
 */

#ifndef __UM_CPU_TLS_H
#define __UM_CPU_TLS_H

/**
 * struct um_cpu_tls - state of the virtual CPU that this host thread is
 * @cpu:		its number
 * @irqs_on:		1 while the signals that stand for interrupts are
 *			handled as they come, 0 while they are noted below
 * @pending_signals:	signals that came with interrupts off (signal.c)
 * @pending_ipis:	vectors of IPIs that did, a bit for each (ipi.c)
 *
 * The pending ones are written by signal handlers while @irqs_on is 0, and by
 * this thread otherwise.
 */
struct um_cpu_tls {
	int cpu;
	int irqs_on;
	unsigned int pending_signals;
	unsigned int pending_ipis;
} __attribute__((aligned(16)));

extern __thread struct um_cpu_tls um_cpu_tls;

/* The same as functions, for modules. */
#if IS_ENABLED(CONFIG_SMP)
int uml_curr_cpu(void);
#else
#define uml_curr_cpu() 0
#define um_cpu_number() 0
#endif
int um_get_signals(void);
void block_signals(void);
void unblock_signals(void);

/* Handle what came with interrupts off. They are on before and after. */
void um_deliver_pending(void);

#if !defined(MODULE) && !IS_ENABLED(CONFIG_UML_TIME_TRAVEL_SUPPORT)

#if IS_ENABLED(CONFIG_SMP)

/**
 * um_cpu_number() - number of the virtual CPU that runs this
 */
static inline __attribute__((always_inline)) int um_cpu_number(void)
{
	int cpu;

	asm volatile("movl %%fs:um_cpu_tls@tpoff+%c1, %0"
		     : "=r" (cpu)
		     : "i" (__builtin_offsetof(struct um_cpu_tls, cpu)));
	return cpu;
}
#endif

/**
 * um_irqs_on() - whether this virtual CPU takes interrupts, 1 or 0
 */
static inline __attribute__((always_inline)) int um_irqs_on(void)
{
	int on;

	asm volatile("movl %%fs:um_cpu_tls@tpoff+%c1, %0"
		     : "=r" (on)
		     : "i" (__builtin_offsetof(struct um_cpu_tls, irqs_on))
		     : "memory");
	return on;
}

/**
 * um_irqs_disable() - have interrupts noted instead of handled
 */
static inline __attribute__((always_inline)) void um_irqs_disable(void)
{
	asm volatile("movl $0, %%fs:um_cpu_tls@tpoff+%c0"
		     :
		     : "i" (__builtin_offsetof(struct um_cpu_tls, irqs_on))
		     : "memory");
}

/**
 * um_irqs_enable() - have interrupts handled, first those that came meanwhile
 *
 * One that comes between the two instructions is handled at once.
 */
static inline __attribute__((always_inline)) void um_irqs_enable(void)
{
	_Bool idle;

	if (um_irqs_on())
		return;
	asm volatile("movl $1, %%fs:um_cpu_tls@tpoff+%c1\n\t"
		     "cmpq $0, %%fs:um_cpu_tls@tpoff+%c2"
		     : "=@ccz" (idle)
		     : "i" (__builtin_offsetof(struct um_cpu_tls, irqs_on)),
		       "i" (__builtin_offsetof(struct um_cpu_tls,
					       pending_signals))
		     : "memory");
	if (__builtin_expect(!idle, 0))
		um_deliver_pending();
}

#else

#if IS_ENABLED(CONFIG_SMP)
static inline int um_cpu_number(void)
{
	return uml_curr_cpu();
}
#endif

static inline int um_irqs_on(void)
{
	return um_get_signals();
}

static inline void um_irqs_disable(void)
{
	block_signals();
}

static inline void um_irqs_enable(void)
{
	unblock_signals();
}

#endif

#endif
