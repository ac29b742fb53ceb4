// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tries every interleaving of the hand-off (handoff_protocol.h): no wake-up is
 * lost, nobody runs out of turn, and nobody who has died is waited for.
 *
 * Virtual CPUs and host processes are coroutines (interleave.h). Each access to
 * a shared word, and each host call, is a point at which any other may go on.
 *
 * Built with -DBROKEN=..., one thing that the protocol relies on does not hold;
 * that has to be found (test_host.py).
 */
#include "interleave.h"

static unsigned int shared_load(const void *word);
static void shared_store(unsigned int *word, unsigned int value);
static unsigned int shared_inc(unsigned int *word);
static unsigned int shared_xchg(unsigned int *word, unsigned int value);
static unsigned int shared_cmpxchg(unsigned int *word, unsigned int old,
				   unsigned int value);
static void host_wake(unsigned int *word);
static void host_sleep(unsigned int *word, unsigned int seen);
static unsigned long cycles(void);
static void relax(void);

#define HANDOFF_LOAD(p)			((typeof(*(p) + 0))shared_load(p))
#define HANDOFF_STORE(p, v)		shared_store(p, v)
#define HANDOFF_INC(p)			shared_inc(p)
#define HANDOFF_XCHG(p, v)		shared_xchg(p, v)
#define HANDOFF_CMPXCHG(p, o, v)	shared_cmpxchg(p, o, v)
#define HANDOFF_WAKE(p)			host_wake(p)
#define HANDOFF_STUB_SLEEP(p, seen)	host_sleep(p, seen)
#define HANDOFF_KERNEL_SLEEP(p, seen)	host_sleep(p, seen)
#define HANDOFF_CYCLES()		cycles()
#define HANDOFF_RELAX()			relax()
#define HANDOFF_YIELD()			relax()
#include <handoff_protocol.h>

#define STUBS		3
#define CPUS		2
#define REAPER		(STUBS + CPUS)
#define COROUTINES	(REAPER + 1)
#define SPIN		100

/* In a script, besides host processes */
#define END		(-1)
#define IDLE		(-2)

/* What BROKEN can be */
#define XCHG_IN_TWO_STEPS	1
#define CMPXCHG_IN_TWO_STEPS	2
#define SLEEP_WITHOUT_LOOKING	3
#define SILENT_BELL		4
#define WAKES_NOBODY		5

#ifndef BROKEN
#define BROKEN			0
#endif
static const int broken = BROKEN;

/* All that a state is, but for the contexts. */
static struct {
	struct handoff words[STUBS];
	unsigned int bells[HANDOFF_BELLS];
	int pid[STUBS];
	bool stub_has_turn[STUBS];
	int owner[STUBS];		/* the CPU that uses it, or -1 */
	int interrupts;			/* that may still wake a CPU early */
	int deaths;			/* that may still happen */
	int dead;			/* a stub whose death must be told, or -1 */
	bool rung_by_last[CPUS];
	int waiting[CPUS];
} now;

/* What each coroutine waits for, and how */
static struct wait {
	const void *word;		/* blocked: on this */
	const unsigned int *watched;	/* it looked at this last */
	unsigned int value;		/* and found that */
	bool relaxed;			/* it lets others go on before it looks again */
	bool spun_out;			/* its next look at the time is the last */
	bool loops;			/* it is in one of the two loops */
} waits[COROUTINES];

/* A test: which host processes each CPU runs, one after the other. */
static struct {
	const int *script[CPUS];
	int bell[STUBS];
	int interrupts, deaths;
	bool tick;
	unsigned int spin, linger;
} plan;

static unsigned long ticks;

static uint64_t state_of_all(void)
{
	uint64_t hash = 1;
	int i;

	for (i = 0; i < STUBS; i++) {
		hash = mix(hash, now.words[i].stub);
		hash = mix(hash, now.words[i].kern);
		hash = mix(hash, now.bells[i]);
		hash = mix(hash, now.pid[i]);
		hash = mix(hash, now.stub_has_turn[i]);
		hash = mix(hash, now.owner[i]);
	}
	for (i = 0; i < CPUS; i++) {
		hash = mix(hash, now.rung_by_last[i]);
		hash = mix(hash, now.waiting[i]);
	}
	hash = mix(hash, now.interrupts * 64 + now.deaths * 8 + now.dead);
	for (i = 0; i < COROUTINES; i++) {
		struct wait *w = &waits[i];

		hash = mix(hash, (uintptr_t)w->word);
		hash = mix(hash, w->relaxed * 2 + w->spun_out);
		hash = mix(hash, w->relaxed && *w->watched != w->value);
	}
	return hash;
}

static void block_on(const void *word)
{
	waits[current].word = word;
	block();
}

/* Whether there were any. */
static bool unblock_all(const void *word)
{
	bool any = false;
	int i;

	for (i = 0; i < COROUTINES; i++) {
		if (waits[i].word == word) {
			waits[i].word = NULL;
			unblock(i);
			any = true;
		}
	}
	return any;
}

static bool is_a_pid(const void *word)
{
	return word >= (void *)now.pid && word < (void *)(now.pid + STUBS);
}

/* A host process can be killed at any time; we do it when it looks at a word. */
static void maybe_die(void)
{
	if (current >= STUBS || !now.deaths || !choose(2))
		return;
	now.deaths--;
	now.dead = current;
	unblock_all(&now.dead);
	finish();
}

static unsigned int shared_load(const void *word)
{
	/* Only what others can change is worth letting them go first. */
	if (is_a_pid(word) && !plan.deaths)
		return *(const unsigned int *)word;
	let_others();
	maybe_die();
	if (!is_a_pid(word)) {
		waits[current].watched = word;
		waits[current].value = *(const unsigned int *)word;
	}
	return note(*(const unsigned int *)word);
}

static void shared_store(unsigned int *word, unsigned int value)
{
	let_others();
	*word = value;
}

static unsigned int shared_inc(unsigned int *word)
{
	let_others();
	*word += broken != SILENT_BELL;
	return *word;
}

static unsigned int shared_xchg(unsigned int *word, unsigned int value)
{
	unsigned int old;

	let_others();
	old = note(*word);
	if (broken == XCHG_IN_TWO_STEPS)
		let_others();
	*word = value;
	return old;
}

static unsigned int shared_cmpxchg(unsigned int *word, unsigned int old,
				   unsigned int value)
{
	unsigned int found;

	let_others();
	found = note(*word);
	if (broken == CMPXCHG_IN_TWO_STEPS)
		let_others();
	if (found == old)
		*word = value;
	/* Neither loop cares; both look again. */
	if (waits[current].loops)
		forget();
	return found;
}

static void host_wake(unsigned int *word)
{
	let_others();
	if (broken != WAKES_NOBODY)
		unblock_all(word);
}

/* The host compares and sleeps in one step. */
static void host_sleep(unsigned int *word, unsigned int seen)
{
	let_others();
	forget();
	if (*word != seen && broken != SLEEP_WITHOUT_LOOKING)
		return;
	if (current >= STUBS && now.interrupts && choose(2)) {
		now.interrupts--;
		return;
	}
	block_on(word);
	forget();
}

/* Asked once at the beginning of a wait, and then each time around. */
static unsigned long cycles(void)
{
	struct wait *w = &waits[current];
	bool over;

	if (!w->loops) {
		w->loops = true;
		forget();
		return 0;
	}
	over = w->spun_out;
	w->spun_out = false;
	note(over);
	return over ? SPIN : 0;
}

/*
 * Spins. To go on when nothing has changed means that the time is over: how long
 * a spin lasts is a matter of who goes on first.
 */
static void relax(void)
{
	struct wait *w = &waits[current];

	w->relaxed = true;
	let_others();
	w->relaxed = false;
	w->spun_out = *w->watched == w->value;
	forget();
}

/* A host process: guest code, between one wait and the next. */
static void stub(void)
{
	int me = current;

	for (;;) {
		know(0);
		waits[me].loops = false;
		handoff_stub_wait(&now.words[me], now.bells);
		CHECK(now.stub_has_turn[me]);
		now.stub_has_turn[me] = false;
		handoff_to_kernel(&now.words[me]);
	}
}

static void lock(int cpu, int stub)
{
	if (plan.script[1])
		let_others();
	while (now.owner[stub] >= 0)
		block_on(&now.owner[stub]);
	now.owner[stub] = cpu;
}

static void unlock(int stub)
{
	now.owner[stub] = -1;
	unblock_all(&now.owner[stub]);
}

/* A virtual CPU: what handoff_run() or handoff_idle() does for its script's entries. */
static void cpu(void)
{
	int me = current - STUBS, last = -1;
	const int *next;

	for (next = plan.script[me]; *next != END; next++) {
		struct handoff *words;
		bool alive;

		know(mix(last + 1, next - plan.script[me]));
		if (*next == IDLE) {
			handoff_rest(&now.words[last]);
			continue;
		}
		words = &now.words[*next];
		lock(me, *next);
		if (now.pid[*next] > 0) {
			waits[current].loops = false;
			now.rung_by_last[me] = last >= 0 && last != *next;
			now.stub_has_turn[*next] = true;
			now.waiting[me] = *next;
			handoff_to_stub(words, plan.bell[*next], now.bells,
					last >= 0 && last != *next ?
					&now.words[last] : NULL);
			alive = handoff_kernel_wait(words, &now.pid[*next],
						    plan.spin, false);
			now.waiting[me] = -1;
			CHECK(!alive || !now.stub_has_turn[*next]);
			last = *next;
		}
		unlock(*next);
	}
	finish();
}

/* Learns of a death, as the handler of SIGCHLD does. */
static void reaper(void)
{
	while (now.dead < 0)
		block_on(&now.dead);
	now.pid[now.dead] = -1;
	handoff_died(&now.words[now.dead]);
	finish();
}

/* What handoff_tick() does; only where the test says that it may be needed. */
static bool tick(void)
{
	bool any = false;
	int i;

	for (i = 0; plan.tick && i < CPUS; i++)
		if (now.waiting[i] >= 0 && now.rung_by_last[i])
			any |= unblock_all(&now.bells[plan.bell[now.waiting[i]]]);
	ticks += any;
	return any;
}

static bool all_scripts_done(void)
{
	int i;

	for (i = 0; i < CPUS; i++)
		if (plan.script[i] && coroutines[STUBS + i].status != DONE)
			return false;
	return true;
}

/* Nobody can go on: all is done, or a wake-up was lost. */
static bool stuck(void)
{
	if (tick())
		return true;
	CHECK(all_scripts_done());
	return false;
}

static void start(void)
{
	const int *next;
	int i;

	memset(&now, 0, sizeof(now));
	memset(waits, 0, sizeof(waits));
	for (i = 0; i < STUBS; i++) {
		now.words[i] = (struct handoff) { .stub = HANDOFF_SPIN,
			.kern = HANDOFF_RUN, .bell = plan.bell[i],
			.spin = plan.spin, .linger = plan.linger };
		now.pid[i] = 1;
		now.owner[i] = -1;
	}
	now.interrupts = plan.interrupts;
	now.deaths = plan.deaths;
	now.dead = -1;

	for (i = 0; i < CPUS; i++) {
		now.waiting[i] = -1;
		if (!plan.script[i])
			continue;
		start_coroutine(STUBS + i, cpu);
		for (next = plan.script[i]; *next != END; next++)
			if (*next != IDLE)
				start_coroutine(*next, stub);
	}
	if (plan.deaths)
		start_coroutine(REAPER, reaper);
}

static void explore_all(void)
{
	static const struct model model = { start, state_of_all, stuck };

	ticks = 0;
	explore(&model);
	printf("# %lu ticks needed\n", ticks);
}

static void explore_also_lingering(void)
{
	for (plan.linger = 0; plan.linger < 2; plan.linger++) {
		explore_all();
		CHECK(ticks == 0);
	}
}

static void one_host_process(void)
{
	static const int script[] = { 0, 0, 0, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.interrupts = 1, .spin = SPIN };
	explore_all();
	CHECK(ticks == 0);
}

static void switching(void)
{
	static const int script[] = { 0, 1, 0, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.interrupts = 1, .spin = SPIN };
	explore_all();
	CHECK(ticks == 0);
}

static void lingering(void)
{
	static const int script[] = { 0, 1, 0, 1, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.interrupts = 1, .spin = SPIN, .linger = 1 };
	explore_all();
	CHECK(ticks == 0);
}

static void idle_between(void)
{
	static const int script[] = { 0, 1, IDLE, 0, IDLE, 1, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.spin = SPIN };
	explore_also_lingering();
}

static void a_shared_bell(void)
{
	static const int script[] = { 0, 1, 0, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 0, 0 },
				.spin = SPIN };
	explore_all();
	CHECK(ticks == 0);
}

static void three_in_turn(void)
{
	static const int script[] = { 0, 1, 2, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.spin = SPIN };
	explore_all();
	CHECK(ticks == 0);
}

static void two_cpus(void)
{
	static const int first[] = { 0, 1, END }, second[] = { 0, END };

	plan = (typeof(plan)) { .script = { first, second },
				.bell = { 0, 1, 2 }, .spin = SPIN };
	explore_also_lingering();
}

static void without_spin(void)
{
	static const int first[] = { 0, 1, END }, second[] = { 0, END };

	plan = (typeof(plan)) { .script = { first, second },
				.bell = { 0, 1, 2 } };
	explore_all();
	CHECK(ticks == 0);
}

/* A trampoline that dies takes a wake-up with it, which the tick makes good. */
static void a_death(void)
{
	static const int script[] = { 0, 1, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.deaths = 1, .tick = true, .spin = SPIN };
	explore_all();
	CHECK(ticks > 0);
}

static const struct test tests[] = {
	{ "one host process, with an interrupt", one_host_process },
	{ "switching between two, with an interrupt", switching },
	{ "switching between two that linger", lingering },
	{ "idle between", idle_between },
	{ "two on one bell", a_shared_bell },
	{ "three in turn", three_in_turn },
	{ "two virtual CPUs", two_cpus },
	{ "without spinning", without_spin },
	{ "a death", a_death },
};

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
