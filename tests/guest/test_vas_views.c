// SPDX-License-Identifier: GPL-2.0-only
/*
 * More slots in use than there are host processes for: each process enters all
 * the VASes that it can attach, writes in each, and comes back to each. A view
 * that was taken from one slot for another must show what is in the other.
 *
 *	test_vas_views [PROCESSES [PAUSE]]
 *
 * Three of them want more views than the kernel has for slots. When so many as
 * PAUSE says have been entered, it waits for a line of input, so that the host
 * can be made to give no more.
 */
#include "files.h"
#include "vas_test.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#define VASES		511
#define ROUNDS		3
#define PROCESSES_MAX	8
#define STATS		"/sys/kernel/debug/um_tlb/stats"

static int processes = 3, pause_at = -1;
static int vid[VASES];

static uint64_t value(int vas, int process, int round)
{
	return (uint64_t)round << 32 | process << 16 | (vas + 1);
}

static void visit_all(int process, int round)
{
	unsigned long page = WINDOW + process * PAGE;

	for (int i = 0; i < VASES; i++) {
		if (round == 0 && i == pause_at) {
			ktap_note("waiting\n");
			getchar();
		}
		enter(vid[i]);
		if (round == 0)
			map_here(page, 1);
		else
			check(*word_at(page) == value(i, process, round - 1),
			      "process %d, round %d, VAS %d: %#lx", process,
			      round, i, *word_at(page));
		*word_at(page) = value(i, process, round);
		check(*word_at(page) == value(i, process, round),
		      "VAS %d: what was written is not there", i);
	}
	enter(0);
}

/* The kernel looks for the list at a page for which it has to fault. */
static void *exit_with_a_list_inside(void *where)
{
	struct robust_list_head *list = where;

	enter(vid[0]);
	list->list.next = &list->list;
	require_call(!madvise(where, PAGE, MADV_DONTNEED));
	require_call(!syscall(SYS_set_robust_list, list, sizeof(*list)));
	return NULL;
}

/*
 * The last thing that happens in a space is a fault of the kernel. What it had for
 * that space's view is nothing for the one that gets the view.
 */
static void visit_after_a_fault(int process)
{
	unsigned long page = WINDOW + (PROCESSES_MAX + process) * PAGE;
	pthread_t thread;

	enter(vid[0]);
	map_here(page, 1);
	enter(0);
	require_call(!pthread_create(&thread, NULL, exit_with_a_list_inside,
				     at(page)));
	require_call(!pthread_join(thread, NULL));
	for (int i = 1; i < VASES; i++) {
		enter(vid[i]);
		check(!can_read(at(page)), "VAS %d shows another's page", i);
	}
	enter(0);
}

static void visitor(int process, struct line *parent)
{
	for (int i = 0; i < VASES; i++)
		attach_self(vid[i]);
	for (int round = 0; round < ROUNDS; round++) {
		visit_all(process, round);
		tell(parent);
		hear(parent);
	}
	visit_after_a_fault(process);
	tell(parent);
	hear(parent);
	finish();
}

static void all_attached_vases(void)
{
	struct line line[PROCESSES_MAX];
	pid_t child[PROCESSES_MAX];

	for (int i = 0; i < VASES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "view%d", i);
		vid[i] = new_vas(name);
	}
	for (int p = 0; p < processes; p++) {
		child[p] = fork_with_line(&line[p]);
		if (!child[p])
			visitor(p, &line[p]);
	}
	/* All of them are there, with their views, until the last is done. */
	for (int round = 0; round <= ROUNDS; round++) {
		for (int p = 0; p < processes; p++)
			hear(&line[p]);
		for (int p = 0; p < processes; p++)
			tell(&line[p]);
	}
	for (int p = 0; p < processes; p++)
		wait_for(child[p]);
	for (int i = 0; i < VASES; i++)
		check_call(vas_delete(vid[i]));
	ktap_note("%ld host processes started\n",
		  number_in(STATS, "views_created"));
}

static const struct ktap_case cases[] = {
	{ "all attached VASes", all_attached_vases, 300 },
};

int main(int argc, char **argv)
{
	if (argc > 1)
		processes = atoi(argv[1]);
	if (argc > 2)
		pause_at = atoi(argv[2]);
	if (processes < 1 || processes > PROCESSES_MAX)
		return 1;
	return KTAP_MAIN(cases);
}
