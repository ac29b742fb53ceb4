/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts are host signals, which are not blocked but noted while they are
 * off: see shared/cpu_tls.h.
 */

#ifndef __UM_IRQFLAGS_H
#define __UM_IRQFLAGS_H

#include <cpu_tls.h>

#define ARCH_IRQ_DISABLED	0

#define arch_local_save_flags arch_local_save_flags
static __always_inline unsigned long arch_local_save_flags(void)
{
	return um_irqs_on();
}

#define arch_local_irq_disable arch_local_irq_disable
static __always_inline void arch_local_irq_disable(void)
{
	um_irqs_disable();
}

#define arch_local_irq_enable arch_local_irq_enable
static __always_inline void arch_local_irq_enable(void)
{
	um_irqs_enable();
}

#define arch_local_irq_restore arch_local_irq_restore
static __always_inline void arch_local_irq_restore(unsigned long flags)
{
	if (flags == ARCH_IRQ_DISABLED)
		um_irqs_disable();
	else
		um_irqs_enable();
}

#include <asm-generic/irqflags.h>

#endif
