// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tries every interleaving of the hand-off (handoff_protocol.h): no wake-up is
 * lost, nobody runs out of turn, and nobody who has died is waited for.
 *
 * Virtual CPUs and host processes are coroutines. Each access to a shared word,
 * and each host call, is a point at which any other one may go on. A run is a
 * sequence of such choices. Choices
 * that were not taken are kept and tried by later runs, which begin anew. What a
 * coroutine does next depends on nothing but what it has read, so a state that
 * was seen before (the words, and what each has read since a point where it knew
 * nothing) is not followed again.
 *
 * x86 orders all these accesses (they are atomic operations, or loads and stores
 * whose order is kept), so trying them one after the other is enough.
 *
 * Built with -DBROKEN=..., one thing that the protocol relies on does not hold;
 * that has to be found (test_host.py).
 */
#include <stdint.h>
#include <string.h>

#include "check.h"

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
#define COROUTINES	(STUBS + CPUS + 1)
#define MAX_CHOICES	4000
#define STACK_BYTES	65536
#define SEEN_SLOTS	(1u << 22)
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

enum status { RUNNABLE, ASLEEP, RELAXED, LOCKED_OUT, DONE };

struct coroutine {
	void *stack;
	enum status status;
	const unsigned int *word;	/* ASLEEP: on this */
	const unsigned int *watched;	/* RELAXED: it looked at this */
	unsigned int value;		/* and found that */
	int lock;			/* LOCKED_OUT: of this */
	bool spun_out;			/* its next look at the time is the last */
	bool waits;			/* it is in one of the two loops */
	uint64_t base, history;		/* what it knows; of what it did since */
};

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

/* A test: which host processes each CPU runs, one after the other. */
static struct {
	const int *script[CPUS];
	int bell[STUBS];
	int interrupts, deaths;
	bool tick;
	unsigned int spin, linger;
} plan;

static struct coroutine coroutines[COROUTINES];
static unsigned char stacks[COROUTINES][STACK_BYTES] __attribute__((aligned(16)));
static void *scheduler;
static int current;

/* The choices of this run, and how many of them are given. */
static unsigned char choice[MAX_CHOICES];
static int choices, given;

/* Runs yet to be made. */
static struct todo {
	struct todo *next;
	int length;
	unsigned char choice[];
} *todo;

static uint64_t seen_states[SEEN_SLOTS];
static unsigned long states, runs, ticks;

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

static uint64_t state_hash(void)
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
		struct coroutine *c = &coroutines[i];

		hash = mix(hash, c->status * 8 + c->spun_out);
		hash = mix(hash, c->status == RELAXED && *c->watched != c->value);
		hash = mix(hash, c->history);
	}
	return hash ? hash : 1;
}

/* Whether it was there already; then it is now. */
static bool was_seen(uint64_t hash)
{
	unsigned int slot = hash % SEEN_SLOTS;

	while (seen_states[slot] && seen_states[slot] != hash)
		slot = (slot + 1) % SEEN_SLOTS;
	if (seen_states[slot])
		return true;
	seen_states[slot] = hash;
	if (++states > SEEN_SLOTS / 2) {
		printf("# too many states\n");
		exit(EXIT_FAILURE);
	}
	return false;
}

/* One of count; the others are left to later runs. */
static int choose(int count)
{
	int i;

	if (count == 1)
		return 0;
	if (choices < given)
		return choice[choices++];
	if (choices == MAX_CHOICES) {
		printf("# too many choices\n");
		exit(EXIT_FAILURE);
	}
	for (i = 1; i < count; i++) {
		struct todo *run = malloc(sizeof(*run) + choices + 1);

		memcpy(run->choice, choice, choices);
		run->choice[choices] = i;
		run->length = choices + 1;
		run->next = todo;
		todo = run;
	}
	choice[choices++] = 0;
	return 0;
}

/*
 * Goes on with another stack. Unlike swapcontext() this makes no system call,
 * and there are hundreds of millions of switches.
 */
void switch_stack(void **old, void *new);
asm(".globl switch_stack\n"
	"switch_stack:\n"
	"	pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp\n"
	"	ret\n");

/* Lets any other coroutine go on first. */
static void let_others(void)
{
	struct coroutine *c = &coroutines[current];

	c->history = mix(c->history, 1);
	switch_stack(&c->stack, scheduler);
}

/* Both loops that wait begin anew after a pause, and know nothing then. */
static void forget(void)
{
	struct coroutine *c = &coroutines[current];

	c->history = mix(c->base, 2);
}

static unsigned int note(unsigned int value)
{
	struct coroutine *c = &coroutines[current];

	c->history = mix(c->history, value + 3);
	return value;
}

/* Only what others can change is worth letting them go first. */
static bool is_constant(const void *word)
{
	return !plan.deaths && word >= (void *)now.pid &&
	       word < (void *)(now.pid + STUBS);
}

/* A host process can be killed at any time; we do it when it looks at a word. */
static void maybe_die(void)
{
	if (current >= STUBS || !now.deaths || !choose(2))
		return;
	now.deaths--;
	now.dead = current;
	coroutines[current].status = DONE;
	let_others();
}

static unsigned int shared_load(const void *word)
{
	if (is_constant(word))
		return *(const unsigned int *)word;
	let_others();
	maybe_die();
	if (word < (void *)now.pid || word >= (void *)(now.pid + STUBS)) {
		coroutines[current].watched = word;
		coroutines[current].value = *(const unsigned int *)word;
	}
	return note(*(const unsigned int *)word);
}

static void shared_store(unsigned int *word, unsigned int value)
{
	let_others();
	*word = value;
	note(0);
}

static unsigned int shared_inc(unsigned int *word)
{
	let_others();
	note(0);
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
	if (coroutines[current].waits)
		forget();
	return found;
}

static void host_wake(unsigned int *word)
{
	int i;

	let_others();
	note(0);
	for (i = 0; i < COROUTINES; i++)
		if (coroutines[i].status == ASLEEP &&
		    coroutines[i].word == word && broken != WAKES_NOBODY)
			coroutines[i].status = RUNNABLE;
}

/* The host compares and sleeps in one step. */
static void host_sleep(unsigned int *word, unsigned int seen)
{
	struct coroutine *c = &coroutines[current];

	let_others();
	forget();
	if (*word != seen && broken != SLEEP_WITHOUT_LOOKING)
		return;
	if (current >= STUBS && now.interrupts && choose(2)) {
		now.interrupts--;
		return;
	}
	c->status = ASLEEP;
	c->word = word;
	let_others();
	forget();
}

/* Asked once at the beginning of a wait, and then each time around. */
static unsigned long cycles(void)
{
	struct coroutine *c = &coroutines[current];
	bool over;

	if (!c->waits) {
		c->waits = true;
		forget();
		return 0;
	}
	over = c->spun_out;
	c->spun_out = false;
	note(over);
	return over ? SPIN : 0;
}

/*
 * Spins. To go on when nothing has changed means that the time is over: how long
 * a spin lasts is a matter of who goes on first.
 */
static void relax(void)
{
	struct coroutine *c = &coroutines[current];

	c->status = RELAXED;
	let_others();
	c->spun_out = *c->watched == c->value;
	forget();
}

/* A host process: guest code, between one wait and the next. */
static void stub(void)
{
	int me = current;

	for (;;) {
		coroutines[current].history = 0;
		coroutines[current].waits = false;
		handoff_stub_wait(&now.words[me], now.bells);
		CHECK(now.stub_has_turn[me]);
		now.stub_has_turn[me] = false;
		handoff_to_kernel(&now.words[me]);
	}
}

static void lock(int cpu, int stub)
{
	struct coroutine *c = &coroutines[current];

	if (plan.script[1])
		let_others();
	while (now.owner[stub] >= 0) {
		c->status = LOCKED_OUT;
		c->lock = stub;
		let_others();
	}
	note(0);
	now.owner[stub] = cpu;
}

static void unlock(int stub)
{
	int i;

	now.owner[stub] = -1;
	for (i = 0; i < COROUTINES; i++)
		if (coroutines[i].status == LOCKED_OUT &&
		    coroutines[i].lock == stub)
			coroutines[i].status = RUNNABLE;
}

/* A virtual CPU: what handoff_run() or handoff_idle() does for its script's entries. */
static void cpu(void)
{
	int me = current - STUBS, last = -1;
	const int *next;

	for (next = plan.script[me]; next && *next != END; next++) {
		struct handoff *words;
		bool alive;

		/* All that it knows here */
		coroutines[current].base =
			mix(last + 1, next - plan.script[me]);
		coroutines[current].history = coroutines[current].base;
		if (*next == IDLE) {
			handoff_rest(&now.words[last]);
			continue;
		}
		words = &now.words[*next];
		lock(me, *next);
		if (now.pid[*next] > 0) {
			coroutines[current].waits = false;
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
	coroutines[current].status = DONE;
	let_others();
}

/* Learns of a death, as the handler of SIGCHLD does. */
static void reaper(void)
{
	while (now.dead < 0) {
		coroutines[current].status = ASLEEP;
		coroutines[current].word = NULL;
		let_others();
	}
	note(0);
	now.pid[now.dead] = -1;
	handoff_died(&now.words[now.dead]);
	coroutines[current].status = DONE;
	let_others();
}

static bool can_run(const struct coroutine *c)
{
	return c->status == RUNNABLE || c->status == RELAXED;
}

/* What handoff_tick() does; only where the test says that it may be needed. */
static bool tick(void)
{
	bool any = false;
	int i, j;

	for (i = 0; plan.tick && i < CPUS; i++) {
		if (now.waiting[i] < 0 || !now.rung_by_last[i])
			continue;
		for (j = 0; j < COROUTINES; j++) {
			if (coroutines[j].status == ASLEEP &&
			    coroutines[j].word ==
			    &now.bells[plan.bell[now.waiting[i]]]) {
				coroutines[j].status = RUNNABLE;
				any = true;
			}
		}
	}
	ticks += any;
	return any;
}

static bool all_scripts_done(void)
{
	int i;

	for (i = 0; i < CPUS; i++)
		if (coroutines[STUBS + i].status != DONE)
			return false;
	return true;
}

static bool in_a_script(int stub)
{
	const int *next;
	int i;

	for (i = 0; i < CPUS; i++)
		for (next = plan.script[i]; next && *next != END; next++)
			if (*next == stub)
				return true;
	return false;
}

static void start_coroutine(int i)
{
	struct coroutine *c = &coroutines[i];
	uintptr_t *frame;

	memset(c, 0, sizeof(*c));
	/* Six registers, the function, and an end that keeps it aligned */
	frame = (uintptr_t *)(stacks[i] + STACK_BYTES) - 8;
	memset(frame, 0, 8 * sizeof(*frame));
	frame[6] = (uintptr_t)(i < STUBS ? stub :
			       i < STUBS + CPUS ? cpu : reaper);
	c->stack = frame;
	if (i < STUBS ? !in_a_script(i) : i < STUBS + CPUS ?
	    !plan.script[i - STUBS] : !plan.deaths)
		c->status = DONE;
}

static void start_run(void)
{
	int i;

	memset(&now, 0, sizeof(now));
	for (i = 0; i < STUBS; i++) {
		now.words[i] = (struct handoff) { .stub = HANDOFF_SPIN,
			.kern = HANDOFF_RUN, .bell = plan.bell[i],
			.spin = plan.spin, .linger = plan.linger };
		now.pid[i] = 1;
		now.owner[i] = -1;
	}
	now.waiting[0] = -1;
	now.waiting[1] = -1;
	now.interrupts = plan.interrupts;
	now.deaths = plan.deaths;
	now.dead = -1;
	choices = 0;

	for (i = 0; i < COROUTINES; i++)
		start_coroutine(i);
}

static void one_run(void)
{
	int ready[COROUTINES], count, i;

	start_run();
	while (!failures) {
		if (now.dead >= 0 && coroutines[COROUTINES - 1].status == ASLEEP)
			coroutines[COROUTINES - 1].status = RUNNABLE;

		for (count = i = 0; i < COROUTINES; i++)
			if (can_run(&coroutines[i]))
				ready[count++] = i;
		if (count == 0) {
			if (tick())
				continue;
			CHECK(all_scripts_done());
			return;
		}
		if (choices >= given && was_seen(state_hash()))
			return;

		current = ready[choose(count)];
		coroutines[current].status = RUNNABLE;
		switch_stack(&scheduler, coroutines[current].stack);
	}
}

static void explore(void)
{
	memset(seen_states, 0, sizeof(seen_states));
	states = 0;
	runs = 0;
	ticks = 0;
	given = 0;
	for (;;) {
		struct todo *run;

		runs++;
		one_run();
		run = todo;
		if (!run)
			break;
		todo = run->next;
		memcpy(choice, run->choice, run->length);
		given = run->length;
		free(run);
	}
	printf("# %lu states, %lu runs, %lu ticks needed\n", states, runs,
	       ticks);
}

static void explore_also_lingering(void)
{
	for (plan.linger = 0; plan.linger < 2; plan.linger++) {
		explore();
		CHECK(ticks == 0);
	}
}

static void one_host_process(void)
{
	static const int script[] = { 0, 0, 0, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.interrupts = 1, .spin = SPIN };
	explore();
	CHECK(ticks == 0);
}

static void switching(void)
{
	static const int script[] = { 0, 1, 0, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.interrupts = 1, .spin = SPIN };
	explore();
	CHECK(ticks == 0);
}

static void lingering(void)
{
	static const int script[] = { 0, 1, 0, 1, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.interrupts = 1, .spin = SPIN, .linger = 1 };
	explore();
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
	explore();
	CHECK(ticks == 0);
}

static void three_in_turn(void)
{
	static const int script[] = { 0, 1, 2, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.spin = SPIN };
	explore();
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
	explore();
	CHECK(ticks == 0);
}

/* A trampoline that dies takes a wake-up with it, which the tick makes good. */
static void a_death(void)
{
	static const int script[] = { 0, 1, END };

	plan = (typeof(plan)) { .script = { script }, .bell = { 0, 1, 2 },
				.deaths = 1, .tick = true, .spin = SPIN };
	explore();
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
