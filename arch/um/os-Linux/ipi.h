/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IPIs that come while interrupts are off: see ipi.c.
 */

#ifndef __UM_OS_LINUX_IPI_H
#define __UM_OS_LINUX_IPI_H

#include <signal.h>
#include <cpu_tls.h>

#if IS_ENABLED(CONFIG_SMP)
void ipi_sig_handler(int sig, siginfo_t *si, void *uc);
void deliver_ipis(void);
#else
static inline void deliver_ipis(void) { }
#endif

/* Whether any came to this CPU that have not been handled */
static inline int ipis_pending(void)
{
	return um_cpu_tls.pending_ipis != 0;
}

#endif
