// SPDX-License-Identifier: GPL-2.0-only
/*
 * One process walks more data than one address space holds: each of eight VASes
 * has a segment as large as the whole window, 32 TiB, so that the data of two
 * could not be mapped side by side. (Only some pages of each exist.)
 *
 *	./uml run -- vas_walk
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "vas.h"

#define SPACES	8
#define STEPS	64
#define STEP	((VAS_WINDOW_END - VAS_WINDOW_START) / STEPS)

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static volatile uint64_t *record(int step)
{
	return (volatile uint64_t *)(VAS_WINDOW_START + step * STEP);
}

int main(void)
{
	int vid[SPACES], sid[SPACES];
	uint64_t sum = 0;
	char name[32];

	for (int i = 0; i < SPACES; i++) {
		snprintf(name, sizeof(name), "example.walk%d", i);
		vid[i] = vas_open(name, O_RDWR | O_CREAT, 0600);
		sid[i] = vas_seg_create(name, VAS_WINDOW_START, VAS_WINDOW_END,
					0600);
		if (vid[i] < 0 || sid[i] < 0 ||
		    vas_seg_attach(vid[i], sid[i], O_RDWR))
			fail(name);
	}
	for (int i = 0; i < SPACES; i++) {
		if (vas_switch(vid[i]))
			fail("vas_switch");
		for (int step = 0; step < STEPS; step++)
			*record(step) = i * STEPS + step;
	}
	for (int step = 0; step < STEPS; step++)
		for (int i = 0; i < SPACES; i++) {
			if (vas_switch(vid[i]))
				fail("vas_switch");
			sum += *record(step);
		}
	vas_switch(0);
	printf("%d records in %d x 32 TiB: sum %lu\n", SPACES * STEPS, SPACES,
	       sum);
	for (int i = 0; i < SPACES; i++)
		if (vas_detach(0, vid[i]) || vas_delete(vid[i]) ||
		    vas_seg_delete(sid[i]))
			fail("cleaning up");
	return sum == (uint64_t)SPACES * STEPS * (SPACES * STEPS - 1) / 2 ? 0 : 1;
}
