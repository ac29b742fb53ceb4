/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which way a thread touches memory, learnt from its page faults.
 *
 * A run is a range of pages that faults have made longer, one page at an end
 * after the other. A thread has a few of them at a time. When a run has got
 * three pages long, pages ahead of it may be taken along: 2, then 4, 8, ..., up
 * to a limit. A fault elsewhere halves that for all runs and starts a new run in
 * place of the one that has got least far.
 *
 * Pages that were taken ahead are proved right when their run goes on behind
 * them, and wasted when it does not. A thread has a credit: what it touches and
 * what was proved right adds to it, what was wasted is taken off, and nothing is
 * taken ahead without it. So a pattern that only looks like runs does not blow
 * up what is resident.
 *
 * Pure logic, tested by tests/host/. Nothing here locks: a thread asks about
 * its own faults only.
 */

#ifndef __UM_FAULT_RUNS_H
#define __UM_FAULT_RUNS_H

/* How many runs a thread can have: copying needs two, adding three. */
#define FAULT_RUNS		4

/**
 * struct fault_run - pages that were touched in sequence
 * @start:	first page (address in units of pages)
 * @end:	first page behind; equal to @start in a run that is not used
 * @ahead:	how many pages were to be taken ahead when it last went on
 * @unproved:	how many were, and nothing behind them was touched since
 */
struct fault_run {
	unsigned long start;
	unsigned long end;
	int ahead;
	int unproved;
};

/**
 * struct fault_runs - what is known of one thread
 * @run:	its runs
 * @last:	the run that the last fault belongs to
 * @credit:	what it may waste, in parts of a page
 */
struct fault_runs {
	struct fault_run run[FAULT_RUNS];
	unsigned int last;
	int credit;
};

void fault_runs_init(struct fault_runs *runs);
int fault_runs_touch(struct fault_runs *runs, unsigned long page);
void fault_runs_take(struct fault_runs *runs, int pages);

#endif
