// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many delay loops a tick lasts, measured with the host's clock in less than a
 * millisecond. The generic code waits for ticks, a dozen of them: most of a boot.
 */

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <os.h>

#define LOOPS		200000UL
#define TRIES		10

/**
 * calibrate_delay_is_known() - how many delay loops fit into a tick
 *
 * The host may have run others during a try, so the fastest one counts: a delay is
 * never shorter than asked for.
 *
 * Return: the loops per jiffy, which init/calibrate.c then takes for known.
 */
unsigned long calibrate_delay_is_known(void)
{
	u64 fastest = U64_MAX;
	int i;

	for (i = 0; i < TRIES; i++) {
		u64 start = os_nsecs();

		__delay(LOOPS);
		fastest = min(fastest, os_nsecs() - start);
	}
	return div64_u64((u64)LOOPS * TICK_NSEC, max(fastest, 1ULL));
}
