/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The smallest harness that the guest tests need: a program lists its cases,
 * and KTAP_TESTS(cases) is its main(), which prints KTAP and gives the exit
 * status.
 *
 * Each case runs in a child of its own, so that one that crashes or hangs is
 * one "not ok" and the next case starts from a clean address space. A case may
 * start further processes; whatever happens in them reaches the case as an
 * exit status (wait_for()). No case is skipped: what cannot be tested here
 * fails. Only a whole program may say that this kernel is not for it
 * (ktap_skip_all()), where the table in tests/test_guest.py lets it.
 *
 * Two ways to state an expectation: check() records a failure and goes on,
 * require() ends the process at once. Both print file, line and a message.
 */
#ifndef KTAP_H
#define KTAP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct ktap_case {
	const char *name;
	void (*run)(void);
	unsigned int limit_s;		/* 0: KTAP_LIMIT_S */
};

/* Wall clock for one case, unless it says otherwise. */
#define KTAP_LIMIT_S 60

/* More messages than this from one process say nothing new. */
#define KTAP_MESSAGES 5

static __attribute__((unused)) int ktap_failures;

#define ktap_note(...) dprintf(STDOUT_FILENO, "# " __VA_ARGS__)

#define check(condition, message, ...)					\
	((condition) ? true :						\
	 (ktap_failures++ < KTAP_MESSAGES ?				\
	  (void)dprintf(STDOUT_FILENO, "# %s:%d: " message "\n",	\
			__FILE__, __LINE__, ##__VA_ARGS__) : (void)0,	\
	  false))

#define require(condition, message, ...)				\
	do {								\
		if (!check(condition, message, ##__VA_ARGS__))		\
			_exit(1);					\
	} while (0)

/* For results of library calls: the message carries errno's text. */
#define require_call(condition)						\
	require(condition, "%s: %s", #condition, strerror(errno))

/* Every process of a case ends here, or in require(), or by a signal. */
static inline __attribute__((noreturn)) void finish(void)
{
	_exit(ktap_failures ? 1 : 0);
}

static inline int wait_for_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		require_call(errno == EINTR);
	return status;
}

/* Wait for a process of the test that a signal is to end; true if that one did. */
static inline bool wait_for_signal(pid_t pid, int sig)
{
	int status = wait_for_status(pid);

	return check(WIFSIGNALED(status) && WTERMSIG(status) == sig,
		     "process %d: status 0x%x, not signal %d", (int)pid, status,
		     sig);
}

/* Wait for a process of the test; true if it ended with status 0. */
static inline bool wait_for(pid_t pid)
{
	int status = wait_for_status(pid);

	if (WIFSIGNALED(status))
		return check(false, "process %d: signal %d (%s)", (int)pid,
			     WTERMSIG(status), strsignal(WTERMSIG(status)));
	return check(WEXITSTATUS(status) == 0, "process %d: status %d",
		     (int)pid, WEXITSTATUS(status));
}

static inline pid_t fork_or_fail(void)
{
	pid_t pid = fork();

	require_call(pid >= 0);
	if (pid == 0)
		ktap_failures = 0;
	return pid;
}

static inline double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/*
 * The case has a process group of its own: its leftovers, if it died half
 * way, go with it and cannot disturb the next one.
 */
static inline bool ktap_run_case(const struct ktap_case *c)
{
	double end = seconds_now() + (c->limit_s ? c->limit_s : KTAP_LIMIT_S);
	int status = -1;
	pid_t pid = fork();
	pid_t got;

	if (pid == 0) {
		setpgid(0, 0);
		c->run();
		finish();
	}
	if (pid < 0)
		return false;
	setpgid(pid, pid);
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 &&
	       seconds_now() < end)
		usleep(2000);
	if (got == 0)
		ktap_note("%s: no end after %u s\n", c->name,
			  c->limit_s ? c->limit_s : KTAP_LIMIT_S);
	kill(-pid, SIGKILL);
	if (got == 0)
		waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		ktap_note("%s: signal %d (%s)\n", c->name, WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static inline int ktap_main(const struct ktap_case *cases,
			    int count)
{
	int bad = 0;

	dprintf(STDOUT_FILENO, "KTAP version 1\n1..%d\n", count);
	for (int i = 0; i < count; i++) {
		bool good = ktap_run_case(&cases[i]);

		dprintf(STDOUT_FILENO, "%s %d %s\n", good ? "ok" : "not ok",
			i + 1, cases[i].name);
		bad += !good;
	}
	return bad ? 1 : 0;
}

#define KTAP_MAIN(cases) \
	ktap_main(cases, (int)(sizeof(cases) / sizeof((cases)[0])))

/* The main() of a program that takes no arguments. */
#define KTAP_TESTS(cases) int main(void) { exit(KTAP_MAIN(cases)); }

/* Instead of the cases: what is tested is not in this kernel. */
static inline int ktap_skip_all(const char *reason)
{
	dprintf(STDOUT_FILENO, "KTAP version 1\n1..0 # SKIP %s\n", reason);
	return 0;
}

#endif /* KTAP_H */
