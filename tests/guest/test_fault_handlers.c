// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that take part in their own faults: signal handlers that fault, or
 * that mend the fault they were called for, and userfaultfd.
 */
#include "uffd.h"

#include <sys/time.h>

#define PAGES 32
#define RW (PROT_READ | PROT_WRITE)

enum { SIGNAL_PAGES = 4096 };

static char *signal_area;
static volatile sig_atomic_t signals;

static void on_alarm(int sig)
{
	(void)sig;
	if (signals < SIGNAL_PAGES)
		page_fill(signal_area + signals * PAGE, 0x1000 + signals);
	signals++;
}

/* A timer fires all through a loop of faults, its handler faults too. */
static void signals_in_faults(void)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
	stack_t stack = { .ss_size = 16 * PAGE };
	struct sigaction action = {
		.sa_handler = on_alarm, .sa_flags = SA_ONSTACK | SA_RESTART,
	};
	double end = seconds_now() + 1.5;
	uint32_t round = 0;

	signal_area = map_private(SIGNAL_PAGES);
	stack.ss_sp = map_private(16);
	require_call(sigaltstack(&stack, NULL) == 0);
	require_call(sigaction(SIGALRM, &action, NULL) == 0);
	require_call(setitimer(ITIMER_REAL, &every, NULL) == 0);
	while (seconds_now() < end) {
		char *p = map_private(PAGES);

		fill_pages(p, PAGES, 0x9000 + round);
		check_pages(p, PAGES, 0x9000 + round++);
		unmap(p, PAGES);
		/* The alternate stack anew: its next use faults. */
		if (round % 4 == 0)
			madvise(stack.ss_sp, 8 * PAGE, MADV_DONTNEED);
	}
	every.it_value.tv_usec = 0;
	require_call(setitimer(ITIMER_REAL, &every, NULL) == 0);
	check(signals > 10, "only %d signals", (int)signals);
	check_pages(signal_area, signals < SIGNAL_PAGES ? signals :
		    SIGNAL_PAGES, 0x1000);
}

static char *mended;
static volatile int mendings;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char *page = (char *)((uintptr_t)info->si_addr & ~(PAGE - 1));

	(void)sig;
	(void)context;
	if (page < mended || page >= mended + PAGES * PAGE)
		_exit(97);
	protect(page, 1, RW);
	mendings++;
}

/* A handler gives access, and the access is made again (a common trick). */
static void fault_mended(void)
{
	struct sigaction action = {
		.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO,
	};

	mended = map_private(PAGES);
	fill_pages(mended, PAGES, 0x1000);
	require_call(sigaction(SIGSEGV, &action, NULL) == 0);
	for (int round = 0; round < 20; round++) {
		mendings = 0;
		protect(mended, PAGES, round % 2 ? PROT_NONE : PROT_READ);
		fill_pages(mended, PAGES, 0x1001 + round);
		check(mendings == PAGES, "%d mendings", mendings);
		check_pages(mended, PAGES, 0x1001 + round);
	}
}

static void user_faults(void)
{
	struct page_server server = { .area = map_private(PAGES),
				      .pages = PAGES, .first_tag = 0x7000 };
	uint32_t order[PAGES];

	start_page_server(&server);
	shuffle(order, PAGES);
	for (int i = 0; i < PAGES; i++)
		check_page(server.area + order[i] * PAGE, 0x7000 + order[i]);
	end_page_server(&server);
	check_pages(server.area, PAGES, 0x7000);
	fill_pages(server.area, PAGES, 0x8000);
	check_pages(server.area, PAGES, 0x8000);
}

static char *asked_area;
static int asked_fd;

static void give_it(int sig)
{
	static char page[PAGE] __attribute__((aligned(4096)));

	(void)sig;
	page_fill(page, 0x9000);
	give_page(asked_fd, asked_area, page);
}

/* The page that it waits for comes from the handler of a signal. */
static void signal_ends_wait(void)
{
	asked_area = map_private(1);
	asked_fd = ask_for_pages(asked_area, 1);
	require_call(signal(SIGALRM, give_it) != SIG_ERR);
	alarm(1);
	check_page(asked_area, 0x9000);
}

static const struct ktap_case cases[] = {
	{ "signals in faults", signals_in_faults, 0 },
	{ "fault mended by its handler", fault_mended, 0 },
	{ "userfaultfd", user_faults, 0 },
	{ "a signal ends the wait for a page", signal_ends_wait, 10 },
};

KTAP_TESTS(cases)
