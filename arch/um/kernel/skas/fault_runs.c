// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which way a thread touches memory: see fault_runs.h.
 */

#include <fault_runs.h>

/* Pages that are taken ahead at most */
#define AHEAD_MAX	64

/*
 * The credit: a page that is taken costs CREDIT_PAGE, which it gives back with
 * a gain when it is proved right. Random touches waste at most a 16th of what
 * they use.
 */
#define CREDIT_PAGE	16
#define CREDIT_TOUCHED	1
#define CREDIT_PROVED	4
#define CREDIT_START	(64 * CREDIT_PAGE)
#define CREDIT_MAX	(128 * CREDIT_PAGE)

/**
 * fault_runs_init() - nothing is known yet
 * @runs:	what is known of a thread
 */
void fault_runs_init(struct fault_runs *runs)
{
	*runs = (struct fault_runs) { .credit = CREDIT_START };
}

static void earn(struct fault_runs *runs, int credit)
{
	runs->credit += credit;
	if (runs->credit > CREDIT_MAX)
		runs->credit = CREDIT_MAX;
}

/* A run that has not gone on often is the least loss. */
static unsigned int least_run(const struct fault_runs *runs)
{
	unsigned int i, best = (runs->last + 1) % FAULT_RUNS;

	for (i = 0; i < FAULT_RUNS; i++)
		if (runs->run[i].ahead < runs->run[best].ahead)
			best = i;
	return best;
}

static void start_run(struct fault_runs *runs, unsigned int i,
		      unsigned long page)
{
	struct fault_run *run = &runs->run[i];
	unsigned int j;

	for (j = 0; j < FAULT_RUNS; j++)
		runs->run[j].ahead /= 2;

	run->start = page;
	run->end = page + 1;
	run->ahead = 0;
	run->unproved = 0;
	runs->last = i;
}

static int continue_run(struct fault_runs *runs, unsigned int i)
{
	struct fault_run *run = &runs->run[i];
	int limit;

	earn(runs, (CREDIT_PAGE + CREDIT_PROVED) * run->unproved);
	run->unproved = 0;
	runs->last = i;

	/* Two pages side by side are no run yet: objects may lie across them. */
	if (!run->ahead) {
		run->ahead = 1;
		return 0;
	}

	run->ahead *= 2;
	if (run->ahead > AHEAD_MAX)
		run->ahead = AHEAD_MAX;
	/* Less and less when credit gets short, not all of what is left. */
	limit = runs->credit / (2 * CREDIT_PAGE);
	return run->ahead < limit ? run->ahead : limit;
}

/**
 * fault_runs_touch() - learn of a fault
 * @runs:	what is known of the thread
 * @page:	the page that it faulted on (address in units of pages)
 *
 * Return: how many pages behind @page are worth being taken with it; if
 * negative, how many before it.
 */
int fault_runs_touch(struct fault_runs *runs, unsigned long page)
{
	unsigned int i;

	earn(runs, CREDIT_TOUCHED);

	for (i = 0; i < FAULT_RUNS; i++) {
		struct fault_run *run = &runs->run[i];

		if (run->start == run->end)
			continue;
		if (page == run->end) {
			run->end++;
			return continue_run(runs, i);
		}
		if (page + 1 == run->start) {
			run->start--;
			return -continue_run(runs, i);
		}
		/* Pages that were touched in sequence start to be so again. */
		if (page >= run->start && page < run->end)
			break;
	}

	start_run(runs, i < FAULT_RUNS ? i : least_run(runs), page);
	return 0;
}

/**
 * fault_runs_take() - learn that pages were taken with the last fault
 * @runs:	what is known of the thread
 * @pages:	how many pages behind the one that it faulted on; if negative,
 *		how many before it
 */
void fault_runs_take(struct fault_runs *runs, int pages)
{
	struct fault_run *run = &runs->run[runs->last];

	if (pages > 0)
		run->end += pages;
	else
		run->start += pages;
	run->unproved = pages > 0 ? pages : -pages;
	runs->credit -= CREDIT_PAGE * run->unproved;
}
