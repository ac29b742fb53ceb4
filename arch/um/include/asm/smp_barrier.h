/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Barriers between CPUs, as x86 needs them.
 *
 * UML had only those that devices need, so that each release of a spinlock was
 * an mfence, which costs more than the rest of the critical section. x86 keeps
 * loads and stores in order by itself (total store order), but for a store that
 * is followed by a load of something else.
 *
 * __smp_mb() is not among the prefixes that are dropped with one CPU: it also
 * orders memory shared with other host processes (virt_mb()).
 */

#ifndef __UM_SMP_BARRIER_H
#define __UM_SMP_BARRIER_H

#ifdef CONFIG_X86_64

static __always_inline void um_smp_mb(void)
{
	asm volatile("lock addl $0, -4(%%rsp)" : : : "memory", "cc");
}

#define __smp_mb()	um_smp_mb()
#define __smp_rmb()	barrier()
#define __smp_wmb()	barrier()

#define __smp_store_release(p, v)		\
do {						\
	typeof(p) ___word = (p);		\
						\
	compiletime_assert_atomic_type(*___word);	\
	barrier();				\
	WRITE_ONCE(*___word, v);		\
} while (0)

#define __smp_load_acquire(p)			\
({						\
	typeof(p) ___word = (p);		\
	typeof(*___word) ___loaded = READ_ONCE(*___word);	\
						\
	compiletime_assert_atomic_type(*___word);	\
	barrier();				\
	___loaded;				\
})

/* A locked instruction is a full barrier already. */
#define __smp_mb__before_atomic()	barrier()
#define __smp_mb__after_atomic()	barrier()

#endif

#endif
