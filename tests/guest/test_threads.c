// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of one process that run at once, or take turns: what one does to the
 * memory of the process holds for the others before its call returns, in their
 * own code and in system calls that they are in.
 */
#include "memory.h"
#include "threads.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#define RW (PROT_READ | PROT_WRITE)
#define RUNNERS 3
#define MANY_THREADS 1000

static atomic_bool stop;

static pthread_t start(void *(*code)(void *), void *argument)
{
	pthread_t thread;

	require_call(!pthread_create(&thread, NULL, code, argument));
	return thread;
}

static void end(pthread_t thread)
{
	stop = true;
	require_call(!pthread_join(thread, NULL));
	stop = false;
}

/* --- memory that changes under a thread --- */

static volatile uint64_t *word;
static atomic_uint_fast64_t turn;	/* odd: the page is being replaced */

static void *look_at_word(void *unused)
{
	while (!stop) {
		uint64_t before = turn, seen;

		if (before % 2)
			continue;
		seen = *word;
		barrier();
		if (turn == before)
			check(seen == before, "saw %lu, not %lu", seen,
			      (uint64_t)before);
	}
	return unused;
}

static void a_replaced_page_is_seen(void)
{
	pthread_t thread;

	word = (uint64_t *)map_private(1);
	*word = 0;
	thread = start(look_at_word, NULL);
	for (int i = 0; i < 3000; i++) {
		turn++;
		require_call(mmap((void *)word, PAGE, RW, MAP_PRIVATE |
				  MAP_ANONYMOUS | MAP_FIXED, -1, 0) == word);
		*word = turn + 1;
		turn++;
		if (i % 64 == 0)
			usleep(1000);
	}
	end(thread);
	finish();
}

/* More than one page of entries translates, and aligned to that */
#define TABLE_BYTES (2ul << 20)

static atomic_int step;

static void wait_for_step(int wanted)
{
	while (step != wanted)
		usleep(100);
}

static void *use_before_and_after(void *unused)
{
	/* With one CPU there is no other. */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		run_on_cpu(1);
	for (int i = 0; i < 20; i++) {
		wait_for_step(2 * i);
		*word = 1;
		step++;
		wait_for_step(2 * i + 2);
		check(*word == 2, "saw %lu in the new page", (uint64_t)*word);
	}
	return unused;
}

/* In one call the table of entries goes, and another one comes. */
static void a_replaced_table_is_seen(void)
{
	char *area = mmap(NULL, 3 * TABLE_BYTES, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	require_call(area != MAP_FAILED);
	area = (char *)(((uintptr_t)area | (TABLE_BYTES - 1)) + 1);
	require_call(!mprotect(area, TABLE_BYTES, RW));
	word = (uint64_t *)area;
	run_on_cpu(0);
	thread = start(use_before_and_after, NULL);
	for (int i = 0; i < 20; i++) {
		wait_for_step(2 * i + 1);
		require_call(mmap(area, TABLE_BYTES, RW, MAP_PRIVATE | MAP_FIXED |
				  MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == area);
		*word = 2;
		step++;
	}
	end(thread);
	finish();
}

static __thread sigjmp_buf refused;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(refused, 1);
}

static void catch_faults(void)
{
	struct sigaction action = { .sa_handler = on_fault,
				    .sa_flags = SA_NODEFER };

	require_call(!sigaction(SIGSEGV, &action, NULL));
}

/* Writes whenever that is allowed. */
static void *write_to_word(void *unused)
{
	sigsetjmp(refused, 0);
	while (!stop)
		++*word;
	return unused;
}

static void a_lowered_page_stays(void)
{
	pthread_t thread;
	uint64_t seen, first;

	catch_faults();
	word = (uint64_t *)map_private(1);
	first = *word;
	thread = start(write_to_word, NULL);
	for (int i = 0; i < 300; i++) {
		usleep(100);
		require_call(!mprotect((void *)word, PAGE, PROT_READ));
		seen = *word;
		for (int n = 0; n < 20000; n++)
			check(*word == seen, "written to while read-only");
		require_call(!mprotect((void *)word, PAGE, RW));
	}
	while (*word == first)
		usleep(1000);
	end(thread);
	finish();
}

#define PATTERN 0x5ca1ab1e0ddba11ul

static void *write_pattern(void *unused)
{
	sigsetjmp(refused, 0);
	while (!stop)
		for (size_t i = 0; i < PAGE_WORDS; i++)
			word[i] = PATTERN;
	return unused;
}

/* The same by system calls, which fail while the page is not there. */
static void *read_pattern(void *argument)
{
	int fd = *(int *)argument;

	while (!stop)
		(void)!pread(fd, (void *)word, PAGE, 0);
	return argument;
}

/* Pages that were given back while others wrote to them are used elsewhere. */
static void given_back_pages_are_not_written(pthread_t writer)
{
	for (int round = 0; round < 300; round++) {
		uint64_t *fresh;

		usleep(100);
		require_call(!munmap((void *)word, PAGE));
		fresh = (uint64_t *)mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE |
					 MAP_ANONYMOUS, -1, 0);
		require_call(fresh != MAP_FAILED);
		for (size_t i = 0; i < 8 * PAGE_WORDS; i++)
			fresh[i] = i;
		for (size_t i = 0; i < 8 * PAGE_WORDS; i++)
			check(fresh[i] == i, "a page of others was written to");
		require_call(!munmap(fresh, 8 * PAGE));
		require_call(mmap((void *)word, PAGE, RW, MAP_PRIVATE |
				  MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)
			     == word);
	}
	end(writer);
	finish();
}

static void an_unmapped_page_is_left_alone(void)
{
	catch_faults();
	word = (uint64_t *)map_private(1);
	given_back_pages_are_not_written(start(write_pattern, NULL));
}

static void an_unmapped_page_is_left_alone_by_calls(void)
{
	uint64_t page[PAGE_WORDS];
	int fd = memfd_create("pattern", 0);

	for (size_t i = 0; i < PAGE_WORDS; i++)
		page[i] = PATTERN;
	require_call(fd >= 0 && write(fd, page, PAGE) == PAGE);
	word = (uint64_t *)map_private(1);
	given_back_pages_are_not_written(start(read_pattern, &fd));
}

/* --- words that threads and the kernel change --- */

#define ADDITIONS 200000

static atomic_uint sum;

static void *add_in_code(void *unused)
{
	for (int i = 0; i < ADDITIONS; i++)
		sum++;
	return unused;
}

static void *add_by_calls(void *argument)
{
	static unsigned int nobody;

	for (int i = 0; i < ADDITIONS / 20; i++)
		require_call(syscall(SYS_futex, &nobody, FUTEX_WAKE_OP, 0, 0,
				     &sum, FUTEX_OP(FUTEX_OP_ADD, 1,
						    FUTEX_OP_CMP_EQ, 0)) >= 0);
	return argument;
}

static void futex_operations_are_atomic(void)
{
	pthread_t code = start(add_in_code, NULL);
	pthread_t calls = start(add_by_calls, NULL);

	pthread_join(code, NULL);
	pthread_join(calls, NULL);
	check(sum == ADDITIONS + ADDITIONS / 20, "%u additions are lost",
	      ADDITIONS + ADDITIONS / 20 - sum);
	finish();
}

static pthread_mutex_t lock;
static unsigned int locked_sum;

static void *add_under_lock(void *unused)
{
	for (int i = 0; i < 5000; i++) {
		require_call(!pthread_mutex_lock(&lock));
		locked_sum++;
		require_call(!pthread_mutex_unlock(&lock));
	}
	return unused;
}

static void add_with(int protocol)
{
	pthread_mutexattr_t attributes;
	pthread_t thread[RUNNERS];

	pthread_mutexattr_init(&attributes);
	require_call(!pthread_mutexattr_setprotocol(&attributes, protocol));
	require_call(!pthread_mutex_init(&lock, &attributes));
	locked_sum = 0;
	for (int i = 0; i < RUNNERS; i++)
		thread[i] = start(add_under_lock, NULL);
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(thread[i], NULL);
	check(locked_sum == RUNNERS * 5000, "%u under lock", locked_sum);
}

static void mutexes(void)
{
	add_with(PTHREAD_PRIO_NONE);
	add_with(PTHREAD_PRIO_INHERIT);
	finish();
}

static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static pthread_cond_t emptied = PTHREAD_COND_INITIALIZER;
static unsigned int slots_in_use, taken;

static void *take_things(void *unused)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&lock);
		while (!slots_in_use)
			pthread_cond_wait(&filled, &lock);
		slots_in_use--;
		taken++;
		pthread_cond_signal(&emptied);
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static void condition_variables(void)
{
	pthread_t thread[RUNNERS];

	pthread_mutex_init(&lock, NULL);
	for (int i = 0; i < RUNNERS; i++)
		thread[i] = start(take_things, NULL);
	for (int i = 0; i < RUNNERS * 2000; i++) {
		pthread_mutex_lock(&lock);
		while (slots_in_use == 4)
			pthread_cond_wait(&emptied, &lock);
		slots_in_use++;
		pthread_cond_broadcast(&filled);
		pthread_mutex_unlock(&lock);
	}
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(thread[i], NULL);
	check(taken == RUNNERS * 2000, "%u taken", taken);
	finish();
}

/* --- what belongs to one thread --- */

static __thread volatile sig_atomic_t signals;
static atomic_uint got_all;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

/* Makes no call: the signal has to come while its code runs. */
static void *wait_for_signals(void *unused)
{
	while (signals < 50)
		barrier();
	got_all++;
	return unused;
}

static void signals_reach_running_threads(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread[RUNNERS];

	require_call(!sigaction(SIGUSR1, &action, NULL));
	for (int i = 0; i < RUNNERS; i++)
		thread[i] = start(wait_for_signals, NULL);
	while (got_all < RUNNERS) {
		for (int i = 0; i < RUNNERS; i++)
			pthread_kill(thread[i], SIGUSR1);
		usleep(1000);
	}
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(thread[i], NULL);
	finish();
}

static __thread uintptr_t own;

/* The sum needs the floating point registers of one thread, over many calls. */
static void *keep_own_state(void *argument)
{
	uintptr_t me = (uintptr_t)argument;
	double sum_of_steps = 0, step = 1.0 / (1 << me);

	own = me;
	for (int i = 0; i < 20000; i++) {
		sum_of_steps += step;
		if (i % 64 == 0)
			sched_yield();
		if (i % 1024 == 0)
			usleep(10);
		check(own == me, "storage of another thread");
	}
	check(sum_of_steps == 20000 * step, "registers of another thread");
	return argument;
}

static void state_of_threads(void)
{
	pthread_t thread[2 * RUNNERS];

	for (uintptr_t i = 0; i < 2 * RUNNERS; i++)
		thread[i] = start(keep_own_state, (void *)(i + 1));
	for (int i = 0; i < 2 * RUNNERS; i++)
		pthread_join(thread[i], NULL);
	finish();
}

/* --- many, and their end --- */

static atomic_uint begun;

static void *begin(void *unused)
{
	begun++;
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return unused;
}

static void a_thousand_threads(void)
{
	static pthread_t thread[MANY_THREADS];
	pthread_attr_t attributes;

	pthread_mutex_init(&lock, NULL);
	pthread_mutex_lock(&lock);
	pthread_attr_init(&attributes);
	require_call(!pthread_attr_setstacksize(&attributes, 64 * 1024));
	for (int i = 0; i < MANY_THREADS; i++)
		require_call(!pthread_create(&thread[i], &attributes, begin,
					     NULL));
	while (begun < MANY_THREADS)
		usleep(1000);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < MANY_THREADS; i++)
		require_call(!pthread_join(thread[i], NULL));
	finish();
}

static void *run_on(void *unused)
{
	for (;;)
		barrier();
	return unused;
}

static pid_t process_with_runners(void)
{
	pid_t child = fork_or_fail();

	if (child)
		return child;
	for (int i = 0; i < RUNNERS; i++)
		start(run_on, NULL);
	usleep(20000);
	return 0;
}

static void exit_under_runners(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t child = process_with_runners();

		if (child == 0)
			_exit(0);
		check(wait_for(child), "did not exit");
	}
	finish();
}

static void exec_under_runners(void)
{
	for (int i = 0; i < 10; i++) {
		pid_t child = process_with_runners();

		if (child == 0) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		check(wait_for(child), "did not exec");
	}
	finish();
}

static const struct ktap_case cases[] = {
	{ "a replaced page is seen", a_replaced_page_is_seen, 0 },
	{ "a replaced table is seen", a_replaced_table_is_seen, 0 },
	{ "a lowered page stays as it is", a_lowered_page_stays, 0 },
	{ "an unmapped page is left alone", an_unmapped_page_is_left_alone, 0 },
	{ "an unmapped page is left alone by calls",
	  an_unmapped_page_is_left_alone_by_calls, 0 },
	{ "futex operations are atomic", futex_operations_are_atomic, 0 },
	{ "mutexes", mutexes, 0 },
	{ "condition variables", condition_variables, 0 },
	{ "signals reach running threads", signals_reach_running_threads, 0 },
	{ "state of threads", state_of_threads, 0 },
	{ "a thousand threads", a_thousand_threads, 0 },
	{ "exit under running threads", exit_under_runners, 0 },
	{ "exec under running threads", exec_under_runners, 0 },
};

KTAP_TESTS(cases)
