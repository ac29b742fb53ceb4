// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host process is brought up to date before it runs guest code, and stopped
 * on another CPU when translations go: see tlb.c for the locks.
 */

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <host_process.h>
#include <os.h>
#include <skas.h>
#include <tlb_host.h>
#include "tlb_internal.h"

/* How long a host process may take to stop before it is killed, in jiffies. */
#define SHOOTDOWN_TIMEOUT	(2 * HZ)

/**
 * um_tlb_handoff() - note that a host process is about to be resumed
 * @id:		the host process, with the batch that it will run
 */
void um_tlb_handoff(struct mm_id *id)
{
	um_tlb_count(UM_TLB_HANDOFFS, 1);
	if (tlb_batch_empty(&id->batch))
		return;

	um_tlb_count_batch(&id->batch, false);
	um_tlb_inject(&id->batch);
}

static int send_user(struct mm_struct *mm)
{
	return stub_batch_run(current_mm_id());
}

/**
 * um_tlb_expect() - say that the guest is about to use pages
 * @mm:		the mm of the current task
 * @addr:	the first page
 * @pages:	how many; few, as the host does work for each
 *
 * Until the next sync is done: what is mapped there is entered into the host's
 * page table at once. A hint, which is lost when another thread gives one.
 *
 * Context: any.
 */
void um_tlb_expect(struct mm_struct *mm, unsigned long addr,
		   unsigned int pages)
{
	WRITE_ONCE(mm->context.tlb.expected, addr | min(pages, ~PAGE_MASK));
}

static bool is_up_to_date(struct mm_struct *mm, const struct um_tlb *own)
{
	return !READ_ONCE(mm->context.tlb.changed.nr) &&
	       !READ_ONCE(own->changed.nr);
}

/* Leaves the last operations in the batch, to go out with the resumption. */
static int sync_current(struct mm_struct *mm)
{
	struct tlb_walk walk = {
		.mm = mm,
		.batch = &current_mm_id()->batch,
		.send = send_user,
	};
	int err;

	if (um_tlb_several(mm))
		err = um_tlb_sync_slot(&walk);
	else if (READ_ONCE(mm->context.tlb.changed.nr))
		err = um_tlb_walk_changed(&walk, &mm->context.tlb);
	else
		return 0;
	WRITE_ONCE(mm->context.tlb.expected, 0);
	return err;
}

/**
 * um_tlb_enter() - bring a host process up to date; it may run guest code then
 * @mm:		the mm of the current task
 *
 * From here to um_tlb_leave(), a change of translations stops it.
 *
 * Context: process, the turnstile of @mm held, no spinlock.
 * Return: 0, or a negative errno of a host call when the process is to die.
 */
int um_tlb_enter(struct mm_struct *mm)
{
	struct um_tlb *tlb = &mm->context.tlb, *own = um_tlb_of_view(mm);
	int err;

	for (;;) {
		err = sync_current(mm);
		if (err)
			return err;

		WRITE_ONCE(tlb->runner, um_current_view());
		/* pairs with um_tlb_shootdown(), which looks for the runner */
		smp_store_release(&tlb->runs, tlb->runs + 1);
		/* pairs with um_tlb_shootdown(): one sees what the other did */
		smp_mb();
		if (is_up_to_date(mm, own))
			return 0;
		um_tlb_leave(mm);
	}
}

/**
 * um_tlb_leave() - note that a host process runs no guest code any more
 * @mm:		the mm of the current task
 *
 * To be called before any lock is taken that a shootdown may be made under.
 */
void um_tlb_leave(struct mm_struct *mm)
{
	struct um_tlb *tlb = &mm->context.tlb;

	if (!(tlb->runs & 1))
		return;

	/* pairs with um_tlb_shootdown() */
	smp_store_release(&tlb->runs, tlb->runs + 1);
}

/**
 * um_tlb_shootdown() - let no old translation of an mm be in use
 * @mm:		the mm
 *
 * If the host process of @mm runs guest code, on another CPU, it is interrupted
 * and waited for; it syncs before it goes on. A host process that does not stop
 * has blocked the signal by foul means, and is killed.
 *
 * Context: any but interrupt; the changes are recorded.
 */
void um_tlb_shootdown(struct mm_struct *mm)
{
	struct um_tlb *tlb = &mm->context.tlb;
	unsigned long deadline;
	unsigned int runs;

	if (!IS_ENABLED(CONFIG_SMP))
		return;

	/* pairs with um_tlb_enter() */
	smp_mb();
	runs = READ_ONCE(tlb->runs);
	if (likely(!(runs & 1)))
		return;

	um_tlb_count(UM_TLB_SHOOTDOWNS, 1);
	handoff_alarm(&READ_ONCE(tlb->runner)->id);
	deadline = jiffies + SHOOTDOWN_TIMEOUT;
	/* pairs with um_tlb_leave() */
	while (smp_load_acquire(&tlb->runs) == runs) {
		if (time_after(jiffies, deadline)) {
			os_kill_process(READ_ONCE(tlb->runner)->id.pid, 0);
			deadline = jiffies + SHOOTDOWN_TIMEOUT;
		}
		os_yield();
	}
}
