// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of the hand-off (shared/skas/handoff.h): when it pays to
 * spin, and what is done so that no host process can keep a virtual CPU for good.
 * In ptrace mode the host does it; who takes turns is only placed.
 *
 * Waking a thread that sleeps on another host CPU takes some 20 us; one that
 * spins there notices within a tenth of one. So both sides spin, for longer than
 * ordinary kernel work takes, where there is a host CPU for each of them, and the
 * host process is kept off the virtual CPU's (placement.c):
 *
 *  - not if this process is allowed fewer CPUs than virtual CPUs are busy. If it
 *    has one for each, but not two, each virtual CPU and its host processes are
 *    bound to one, and the one that spins yields.
 *  - not for some ticks after hand-overs were seen late again and again: the host
 *    has other work for the CPU. It is tried anew after a pause, which doubles as
 *    long as that goes on, and for which both stay on one CPU.
 *  - a virtual CPU that becomes idle sends the last host process to sleep; before,
 *    both stay awake for a while, if it was soon needed again the last time
 *    (handoff_poll()).
 *
 * With one allowed CPU a spin would only delay the one waited for. There, the one
 * that spins yields: that is one host call and a switch to the other side, where
 * a wake-up and a sleep are two.
 *
 * The tick looks at whom this CPU waits for (handoff_tick()). It repeats a
 * wake-up that another host process was to make, and kills a host process that
 * has not answered for so long that it must have blocked the alarm.
 */

#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include <init.h>
#include <as-layout.h>
#include <host_process.h>
#include <kern_util.h>
#include <os.h>
#include <skas.h>
#include <smp.h>
#include <stub-data.h>
#include <sysdep/stub.h>
#include "../internal.h"
#include "placement.h"

/* Outlasts most kernel work, fork and exec too; a shorter spin is worse than none. */
#define SPIN_NS			300000UL

/* A hand-over that is seen later than this was late; who is needed earlier, soon. */
#define SOON_NS			100000UL

/* How much later a wake-up may be. */
#define LATE_WAKE_UP		4

/* So many late hand-overs in a tick: this thread spins on a CPU that others want. */
#define CONTENDED_LATE		2
#define MAX_PAUSE_TICKS		64

/* For so long others are expected to be busy again that were busy just now. */
#define CROWDED_TICKS		2

/* How often the allowed CPUs are looked at. */
#define AFFINITY_TICKS		128

/* A host process that does not answer for two seconds is killed. */
#define MAX_UNANSWERED_TICKS	(2 * CONFIG_HZ)

/* What can fail here is no error: EAGAIN and EINTR have the caller look again. */
static void futex(unsigned int *word, int op, unsigned int value)
{
	syscall(__NR_futex, word, op, value, NULL, NULL, 0);
}

#define HANDOFF_WAKE(p)			futex(p, FUTEX_WAKE, HANDOFF_ALL)
#define HANDOFF_KERNEL_SLEEP(p, seen)	futex(p, FUTEX_WAIT, seen)
#define HANDOFF_YIELD()			os_yield()
#include <handoff_protocol.h>

/**
 * struct handoff_cpu - what a virtual CPU knows of its hand-offs
 * @last:	the host process that ran last, and may spin; whoever frees that
 *		one clears it (handoff_forget())
 * @waiting:	the host process that is waited for right now
 * @rung_by_last: another host process was told to wake it
 * @ticks:	ticks since @waiting was resumed
 * @late:	how many hand-overs were seen late in this tick
 * @crowded:	ticks for which to leave the other host CPUs to others
 * @pause:	ticks for which not to spin
 * @next_pause:	the pause to be made if the host is found contended again
 * @idle:	this CPU is one of @idle_cpus
 * @idle_since:	when it last became idle, in cycles
 * @soon_needed: the last time it was not idle for long
 */
struct handoff_cpu {
	struct mm_id *last;
	struct mm_id *waiting;
	int rung_by_last;
	unsigned int ticks;
	unsigned int late;
	unsigned int crowded;
	unsigned int pause;
	unsigned int next_pause;
	int idle;
	unsigned int idle_since;
	int soon_needed;
};

static struct handoff_cpu handoff_cpus[CONFIG_NR_CPUS];

unsigned int *handoff_bells;

static unsigned int spin_cycles, soon_cycles;
static int idle_cpus;

/* For one tick now and then the host may move traced processes and their tracer. */
static int roaming;

static struct handoff_cpu *this_cpu(void)
{
	return &handoff_cpus[uml_curr_cpu()];
}

static struct handoff *words_of(struct mm_id *id)
{
	return &((struct stub_data *)id->stack)->handoff;
}

static int __init init_handoff(void)
{
	unsigned long long start_ns = os_nsecs(), ns;
	unsigned long long start = HANDOFF_CYCLES(), cycles;

	do {
		ns = os_nsecs() - start_ns;
		cycles = HANDOFF_CYCLES() - start;
	} while (ns < 1000000);

	spin_cycles = cycles * SPIN_NS / ns;
	soon_cycles = cycles * SOON_NS / ns;
	placement_look();
	return 0;
}

__initcall(init_handoff);

static unsigned int cycles_since(unsigned int then)
{
	return HANDOFF_CYCLES() - then;
}

/*
 * Was a hand-over seen so late that the host must have run others meanwhile? This
 * side waited from start on, awake for as long as a spin lasts. Once it sleeps, a
 * wake-up may take long on a host that has nothing else to do, too.
 */
static int is_late(const struct handoff *words, unsigned int start)
{
	unsigned int late = cycles_since(words->since);

	if ((int)(words->since - start) > (int)spin_cycles)
		late /= LATE_WAKE_UP;
	return late > soon_cycles;
}

/* Of one that this thread waits for: the wait is over, but not left yet. */
static int has_handed_over(struct mm_id *id)
{
	return HANDOFF_LOAD(&words_of(id)->kern) == HANDOFF_RUN;
}

static enum placement choose_placement(const struct handoff_cpu *cpu,
				       unsigned int spin)
{
	if (spin)
		return cpu->crowded ? PLACE_OWN : PLACE_APART;
	return cpu->pause ? PLACE_TOGETHER : PLACE_ANYWHERE;
}

/* How long both sides may spin for the next hand-off, in cycles. */
static unsigned int spin_limit(struct handoff_cpu *cpu)
{
	int busy = uml_ncpus - __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED);

	if (2 * busy > placement_allowed() && busy > 1)
		cpu->crowded = CROWDED_TICKS;
	if (cpu->pause || busy > placement_allowed())
		return 0;
	return spin_cycles;
}

static int wait_for_stub(struct handoff_cpu *cpu, struct mm_id *id,
			 unsigned int spin, int yield)
{
	struct handoff *words = words_of(id);
	unsigned int start = HANDOFF_CYCLES();
	int handed_over;

	cpu->ticks = 0;
	__atomic_store_n(&cpu->waiting, id, __ATOMIC_RELAXED);
	handed_over = handoff_kernel_wait(words, &id->pid, spin, yield);
	if (spin && is_late(words, start))
		cpu->late++;
	__atomic_store_n(&cpu->waiting, NULL, __ATOMIC_RELAXED);
	cpu->rung_by_last = 0;
	__atomic_store_n(&id->resetting, 0, __ATOMIC_RELAXED);

	if (handed_over)
		return 0;
	printk(UM_KERN_ERR "um_view: the host process was lost\n");
	return -ESRCH;
}

/**
 * handoff_prepare() - set up the words of a host process that is to be started
 * @id:		the host process
 */
void handoff_prepare(struct mm_id *id)
{
	*words_of(id) = (struct handoff) {
		.stub = HANDOFF_RUN,
		.kern = HANDOFF_SPIN,
		.bell = id->bell,
	};
	placement_inherit(id);
}

/**
 * handoff_start() - wait for a host process that was just started
 * @id:		the host process, which runs
 *
 * Return: 0 when it has handed over; -ESRCH if it has died.
 */
int handoff_start(struct mm_id *id)
{
	return wait_for_stub(this_cpu(), id, 0, 0);
}

/**
 * handoff_run() - let a host process run, until it hands over again
 * @id:		the host process, which waits
 *
 * Return: 0; -ESRCH if it has died.
 */
int handoff_run(struct mm_id *id)
{
	struct handoff_cpu *cpu = this_cpu();
	struct mm_id *last = __atomic_load_n(&cpu->last, __ATOMIC_RELAXED);
	struct handoff *words = words_of(id);
	unsigned int spin = spin_limit(cpu);
	int err, yield = placement_allowed() == 1 || cpu->crowded;

	placement_set(id, choose_placement(cpu, spin));

	words->spin = spin;
	words->yield = yield;
	words->bell = id->bell;
	if (last != id)
		words->linger = spin &&
				cycles_since(words->since) < soon_cycles;
	/* One that does not spin sleeps of its own accord, and wakes nobody. */
	if (last == id || !spin)
		last = NULL;
	/* Before the hand-off: a tick may come at once. */
	cpu->rung_by_last = !!last;
	handoff_to_stub(words, id->bell, handoff_bells,
			last ? words_of(last) : NULL);

	err = wait_for_stub(cpu, id, spin, yield);
	__atomic_store_n(&cpu->last, id, __ATOMIC_RELAXED);
	return err;
}

/**
 * handoff_place_traced() - place a host process that is traced
 * @id:		the host process, which is stopped
 *
 * Tracer and traced process wake each other up with each turn. On one host CPU
 * that is but a switch, so both stay on the one that the tracer is on, until the
 * next tick for which the host may find them another.
 */
void handoff_place_traced(struct mm_id *id)
{
	placement_set(id, roaming ? PLACE_ANYWHERE : PLACE_TOGETHER);
}

/**
 * handoff_reset() - have a host process become as new by its next resumption
 * @id:		the host process, which sleeps where it can be trusted
 *
 * Its pages were written anew, but for the words of the hand-off.
 */
void handoff_reset(struct mm_id *id)
{
	*words_of(id) = (struct handoff) {
		.stub = HANDOFF_SLEEP,
		.kern = HANDOFF_RUN,
		.bell = id->bell,
		.reset = HANDOFF_RESET_WANTED,
	};
	id->resetting = 1;
}

/**
 * handoff_alarm() - have a host process that runs guest code hand over
 * @id:		the host process
 *
 * One that is just becoming as new may not have blocked signals yet, and must
 * not be sent one before it has. It looks at the word after it has.
 *
 * Context: any.
 */
void handoff_alarm(struct mm_id *id)
{
	struct handoff *words = words_of(id);

	if (__atomic_load_n(&this_cpu()->waiting, __ATOMIC_RELAXED) == id &&
	    has_handed_over(id))
		return;
	if (__atomic_load_n(&id->resetting, __ATOMIC_RELAXED)) {
		HANDOFF_XCHG(&words->alarm, 1);
		if (HANDOFF_LOAD(&words->reset) == HANDOFF_RESET_WANTED)
			return;
	}
	os_alarm_process(id->pid);
}

/**
 * handoff_lost() - note that a host process has died
 * @id:		the host process
 *
 * Whoever waits for it stops to.
 */
void handoff_lost(struct mm_id *id)
{
	__atomic_store_n(&id->pid, -1, __ATOMIC_SEQ_CST);
	handoff_died(words_of(id));
}

/**
 * handoff_forget() - let no virtual CPU begin to touch a host process any more
 * @id:		the host process
 *
 * Its memory can be freed after an RCU grace period.
 */
void handoff_forget(struct mm_id *id)
{
	int i;

	for (i = 0; i < CONFIG_NR_CPUS; i++)
		(void)HANDOFF_CMPXCHG(&handoff_cpus[i].last, id, NULL);
}

/**
 * handoff_settle() - have a host process that waits go to sleep
 * @id:		the host process, which nobody is to run soon
 */
void handoff_settle(struct mm_id *id)
{
	handoff_rest(words_of(id));
}

/**
 * handoff_poll() - wait awake for a virtual CPU to be needed again
 *
 * To wake its thread takes the host longer than most of what another CPU wakes it
 * for. It yields, as the host may have given the CPU it is on to others, too.
 *
 * Context: the virtual CPU is about to be idle; interrupts are enabled.
 */
void handoff_poll(void)
{
	struct handoff_cpu *cpu = this_cpu();

	cpu->idle_since = HANDOFF_CYCLES();
	if (!cpu->soon_needed || cpu->pause || uml_ncpus > placement_allowed())
		return;
	while (!uml_need_resched() && cycles_since(cpu->idle_since) < soon_cycles)
		HANDOFF_YIELD();
}

/**
 * handoff_idle() - note that a virtual CPU goes to sleep
 *
 * The host process that ran last on it stops to spin.
 */
void handoff_idle(void)
{
	struct handoff_cpu *cpu = this_cpu();

	cpu->idle = 1;
	__atomic_add_fetch(&idle_cpus, 1, __ATOMIC_RELAXED);
	if (cpu->last)
		handoff_settle(cpu->last);
}

/**
 * handoff_busy() - note that a virtual CPU is idle no more
 */
void handoff_busy(void)
{
	struct handoff_cpu *cpu = this_cpu();

	cpu->soon_needed = cycles_since(cpu->idle_since) < soon_cycles;
	if (cpu->idle)
		__atomic_sub_fetch(&idle_cpus, 1, __ATOMIC_RELAXED);
	cpu->idle = 0;
}

/* Is the host short of CPUs? Once a tick. */
static void judge_contention(struct handoff_cpu *cpu)
{
	unsigned int late = cpu->late;

	cpu->late = 0;
	if (cpu->crowded)
		cpu->crowded--;
	if (cpu->pause) {
		cpu->pause--;
		return;
	}

	if (late < CONTENDED_LATE) {
		cpu->next_pause /= 2;
		return;
	}
	cpu->next_pause = cpu->next_pause * 2 + 2;
	if (cpu->next_pause > MAX_PAUSE_TICKS)
		cpu->next_pause = MAX_PAUSE_TICKS;
	cpu->pause = cpu->next_pause;
}

static void look_after_waiting(struct handoff_cpu *cpu, struct mm_id *id)
{
	/* Then it is this thread that does not come to see it, for interrupts. */
	if (has_handed_over(id))
		return;
	cpu->ticks++;
	if (cpu->rung_by_last)
		HANDOFF_WAKE(&handoff_bells[id->bell]);

	if (cpu->ticks > MAX_UNANSWERED_TICKS && id->pid > 0) {
		printk(UM_KERN_ERR "um_view: host process %d does not stop: killed\n",
		       id->pid);
		os_view_kill(id);
		cpu->ticks = 0;
	}
}

/**
 * handoff_tick() - the timer has interrupted this virtual CPU
 *
 * Context: signal handler of the virtual CPU's thread.
 */
void handoff_tick(void)
{
	struct handoff_cpu *cpu = this_cpu();
	struct mm_id *id = __atomic_load_n(&cpu->waiting, __ATOMIC_RELAXED);
	static unsigned int ticks;

	if (roaming)
		placement_look();
	roaming = ++ticks % AFFINITY_TICKS == 0;
	judge_contention(cpu);
	if (id)
		look_after_waiting(cpu, id);
}
