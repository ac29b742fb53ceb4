// SPDX-License-Identifier: GPL-2.0-only
/*
 * IPIs are signals to the thread of a virtual CPU. Those that come while its
 * interrupts are off are noted, a bit for each vector, as the other signals are.
 * To block their signal instead would cost two host calls for each critical
 * section.
 */

#include <errno.h>
#include <signal.h>
#include <kern_util.h>
#include <os.h>
#include <smp.h>
#include "internal.h"

/**
 * deliver_ipis() - handle the IPIs that have been noted
 *
 * Context: interrupts off.
 */
void deliver_ipis(void)
{
	unsigned int vectors = __atomic_exchange_n(&um_cpu_tls.pending_ipis,
						   0, __ATOMIC_RELAXED);
	int vector;

	for (vector = 0; vectors >> vector; vector++)
		if (vectors & (1U << vector))
			uml_ipi_handler(vector);
}

/**
 * ipi_sig_handler() - an IPI has come: handle it, or note it
 * @sig:	IPI_SIGNAL
 * @si:		has the vector
 * @uc:		unused
 */
void ipi_sig_handler(int sig, siginfo_t *si, void *uc)
{
	int save_errno = errno;

	if (!signals_enabled) {
		um_cpu_tls.pending_ipis |= 1U << si->si_value.sival_int;
		return;
	}

	signals_enabled = 0;
	um_trace_signals_off();

	uml_ipi_handler(si->si_value.sival_int);

	um_trace_signals_on();
	signals_enabled = 1;

	errno = save_errno;
}
