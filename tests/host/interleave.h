/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tries every interleaving of some coroutines.
 *
 * A coroutine calls let_others() before each of its steps that others can tell;
 * any other one may go on there. A run is a sequence of such choices. Choices
 * that were not taken are kept and tried by later runs, which begin anew. What a
 * coroutine does next depends on nothing but what it has read, and says by
 * note(), so a state that was seen before (what the coroutines share, and what
 * each has read since a point where it knew nothing) is not followed again.
 *
 * Steps are tried one after the other, which is enough for what x86 orders:
 * atomic operations, and loads and stores whose order is kept.
 */

#ifndef INTERLEAVE_H
#define INTERLEAVE_H

#include <stdint.h>
#include <string.h>

#include "check.h"

#define MAX_COROUTINES	8
#define MAX_CHOICES	4000
#define STACK_BYTES	65536
#define SEEN_SLOTS	(1u << 22)

/* Two kinds of note, next to those of values, which are 32 bits wide */
#define NOTE_STEP	(1ull << 32)
#define NOTE_FORGOT	(2ull << 32)

/* What the coroutines share */
struct model {
	void (*start)(void);	/* to its first state, with its coroutines */
	uint64_t (*hash)(void);	/* of its state */
	bool (*stuck)(void);	/* nobody can go on; whether somebody can now */
};

struct coroutine {
	void *stack;
	enum { UNUSED, RUNNABLE, BLOCKED, DONE } status;
	uint64_t base, history;	/* what it knows; of what it did since */
};

static struct coroutine coroutines[MAX_COROUTINES];
static unsigned char stacks[MAX_COROUTINES][STACK_BYTES]
	__attribute__((aligned(16)));
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
static unsigned long states, runs;

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
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

/* For a model's start: coroutine @i runs @run, which ends by finish(). */
static void start_coroutine(int i, void (*run)(void))
{
	uintptr_t *frame;

	/* Six registers, the function, and an end that keeps it aligned */
	frame = (uintptr_t *)(stacks[i] + STACK_BYTES) - 8;
	memset(frame, 0, 8 * sizeof(*frame));
	frame[6] = (uintptr_t)run;
	coroutines[i] = (struct coroutine){ .stack = frame, .status = RUNNABLE };
}

/* Lets any other coroutine go on first. */
static void let_others(void)
{
	struct coroutine *c = &coroutines[current];

	c->history = mix(c->history, NOTE_STEP);
	switch_stack(&c->stack, scheduler);
}

/* Lets others go on until one of them calls unblock(). */
static void block(void)
{
	coroutines[current].status = BLOCKED;
	let_others();
}

static void unblock(int i)
{
	coroutines[i].status = RUNNABLE;
}

static void finish(void)
{
	coroutines[current].status = DONE;
	let_others();
}

/* From here on the current coroutine knows @base and nothing else. */
static void know(uint64_t base)
{
	coroutines[current].base = base;
	coroutines[current].history = base;
}

/* As if it had done nothing since. */
static void forget(void)
{
	struct coroutine *c = &coroutines[current];

	c->history = mix(c->base, NOTE_FORGOT);
}

/* It has read @value. */
static unsigned int note(unsigned int value)
{
	struct coroutine *c = &coroutines[current];

	c->history = mix(c->history, value);
	return value;
}

/* One of @count; the others are left to later runs. */
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

static uint64_t state_hash(const struct model *model)
{
	uint64_t hash = model->hash();
	int i;

	for (i = 0; i < MAX_COROUTINES; i++) {
		hash = mix(hash, coroutines[i].status);
		hash = mix(hash, coroutines[i].history);
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

static void one_run(const struct model *model)
{
	int ready[MAX_COROUTINES], count, i;

	memset(coroutines, 0, sizeof(coroutines));
	model->start();
	choices = 0;
	while (!failures) {
		for (count = i = 0; i < MAX_COROUTINES; i++)
			if (coroutines[i].status == RUNNABLE)
				ready[count++] = i;
		if (count == 0) {
			if (model->stuck())
				continue;
			return;
		}
		if (choices >= given && was_seen(state_hash(model)))
			return;

		current = ready[choose(count)];
		switch_stack(&scheduler, coroutines[current].stack);
	}
}

/* Tries all, or until a CHECK() fails. */
static void explore(const struct model *model)
{
	struct todo *run;

	memset(seen_states, 0, sizeof(seen_states));
	states = 0;
	runs = 0;
	given = 0;
	do {
		runs++;
		one_run(model);
		run = todo;
		if (run) {
			todo = run->next;
			memcpy(choice, run->choice, run->length);
			given = run->length;
			free(run);
		}
	} while (run);
	printf("# %lu states, %lu runs\n", states, runs);
}

#endif
