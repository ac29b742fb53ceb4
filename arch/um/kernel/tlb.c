// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host process is a TLB: this file keeps it in step with the page tables.
 *
 * A changed entry is noted in itself (asm/tlb_state.h), and its address in a
 * set of ranges of its mm (um_tlb_mark()). Before the host process runs guest
 * code again, um_tlb_enter() walks these ranges and puts what the host has to do
 * into a batch: fill, protect, invalidate. What does not fit into
 * one batch is sent on the way, with no lock held; the rest goes out together
 * with the resumption of the guest. When the host refuses, tlb_evict.c goes on.
 *
 * An entry may also be present and not be on the host at all: after a fork, in
 * the child, or after an eviction. Then the guest faults, and um_tlb_refill()
 * has a window of entries filled around the address, as a processor would
 * refill its TLB, without asking the rest of the memory management.
 *
 * The kernel's own range is kept in step by the same walk: tlb_kernel.c.
 *
 * Locks, from the outermost:
 *	turnstile of the mm (mutex)	the batch, and who may sync
 *	    page-table lock		entries, while they are walked
 *		um_tlb.lock		the set of ranges
 *	kernel_tlb_lock (irqs off)	the kernel's batch and who may sync
 *	    um_tlb.lock of init_mm
 * A host process is given work and waited for under the turnstile only. A
 * shootdown (um_tlb_shootdown()) waits under any lock for it to stop, so between
 * um_tlb_enter() and um_tlb_leave() no lock is taken.
 */

#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/rcupdate.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <as-layout.h>
#include <host_process.h>
#include <os.h>
#include <skas.h>
#include <tlb_host.h>
#include "tlb_internal.h"

/* A refill takes this many entries, and more when misses come in sequence. */
#define WINDOW_PAGES_MIN	((unsigned int)(UM_TLB_MARK_BYTES / PAGE_SIZE))
#define WINDOW_PAGES_MAX	256U

/* How long a host process may take to stop before it is killed, in jiffies. */
#define SHOOTDOWN_TIMEOUT	(2 * HZ)

/*
 * What changed
 */

/* Who is told of changes at an address: NULL if no view can map anything. */
static struct um_tlb *tlb_at(struct mm_struct *mm, unsigned long addr)
{
	unsigned int nr = um_vas_slot_of(addr);
	struct um_slot *slot;

	if (!nr)
		return &mm->context.tlb;
	slot = um_slot_of(mm, nr);
	return slot ? &slot->tlb : NULL;
}

/* The range lies in one slot. */
static void record(struct mm_struct *mm, unsigned long start,
		   unsigned long end, bool tables_freed)
{
	struct um_tlb *tlb = tlb_at(mm, start);
	const struct tlb_range *range;

	if (!tlb)
		return;

	guard(spinlock_irqsave)(&tlb->lock);
	range = tlb_ranges_add(&tlb->changed, start, end, tables_freed);
	/* The kernel's entries have no lock that would order this. */
	if (mm != &init_mm)
		WRITE_ONCE(tlb->recorded,
			   um_tlb_recorded(range->start, range->end));
}

/**
 * um_tlb_mark() - record that translations changed
 * @mm:		the mm, or &init_mm
 * @start:	first address, bytes
 * @end:	first address behind
 *
 * Records a little more, so that the changes that mostly follow need no lock.
 *
 * Context: any; takes the um_tlb.lock of @mm.
 */
void um_tlb_mark(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unsigned long next;

	if (start >= end)
		return;

	start = round_down(start, UM_TLB_MARK_BYTES);
	end = round_up(end, UM_TLB_MARK_BYTES);
	if (!um_tlb_several(mm))
		end = min(end, um_vas_slot_end(0));

	for (; start < end; start = next) {
		next = min(end, um_vas_slot_end(start));
		record(mm, start, next, false);
	}
}
EXPORT_SYMBOL_GPL(um_tlb_mark);

/**
 * um_tlb_mark_tables_freed() - record that a table of entries is given back
 * @mm:		the mm
 * @addr:	an address that the table translated
 *
 * The notes in its entries go with it, so the next sync unmaps whatever the
 * guest does not map in the whole span of the table.
 *
 * Context: any; takes the um_tlb.lock of @mm.
 */
void um_tlb_mark_tables_freed(struct mm_struct *mm, unsigned long addr)
{
	unsigned long start = addr & PMD_MASK;

	record(mm, start, start + PMD_SIZE, true);
}

/**
 * um_tlb_take_changed() - take over what was recorded
 * @tlb:	where it was recorded
 * @changed:	set to the ranges; the caller answers for them now
 *
 * Context: any; takes the um_tlb.lock.
 */
void um_tlb_take_changed(struct um_tlb *tlb, struct tlb_ranges *changed)
{
	guard(spinlock_irqsave)(&tlb->lock);
	*changed = tlb->changed;
	tlb->changed.nr = 0;
	WRITE_ONCE(tlb->recorded, 0);
}

/**
 * um_tlb_start_empty() - leave a forked mm's host process as empty as it is
 * @mm:		the new mm, which does not run yet
 *
 * Its entries are filled when the child faults on them.
 */
void um_tlb_start_empty(struct mm_struct *mm)
{
	struct tlb_ranges dropped;

	um_tlb_take_changed(&mm->context.tlb, &dropped);
}

/*
 * The walk
 */

/**
 * um_tlb_find_table() - find the table of entries that translates an address
 * @mm:		the mm, or &init_mm
 * @addr:	the address
 * @next:	set to the first address behind the table, or behind the span
 *		that is known to be empty
 *
 * Context: rcu_read_lock() for a user's mm, or its tables could go.
 * Return: the pmd entry that points to the table; NULL where there is none.
 */
pmd_t *um_tlb_find_table(struct mm_struct *mm, unsigned long addr,
			 unsigned long *next)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	*next = (addr & PGDIR_MASK) + PGDIR_SIZE;
	if (!pgd_present(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	*next = (addr & P4D_MASK) + P4D_SIZE;
	if (!p4d_present(*p4d))
		return NULL;

	pud = pud_offset(p4d, addr);
	*next = (addr & PUD_MASK) + PUD_SIZE;
	if (!pud_present(*pud))
		return NULL;

	pmd = pmd_offset(pud, addr);
	*next = (addr & PMD_MASK) + PMD_SIZE;
	if (!pmd_present(*pmd))
		return NULL;
	return pmd;
}

/**
 * um_tlb_lock_entry() - find the entry of an address
 * @mm:		the mm, or &init_mm
 * @addr:	the address
 * @ptl:	set to what um_tlb_unlock_table() needs
 *
 * Context: as um_tlb_find_table(); takes the page-table lock of a user's mm.
 * Return: the entry, locked; NULL, and nothing is locked, where there is none.
 */
pte_t *um_tlb_lock_entry(struct mm_struct *mm, unsigned long addr,
			 spinlock_t **ptl)
{
	unsigned long next;
	pmd_t *pmd = um_tlb_find_table(mm, addr, &next);

	return pmd ? um_tlb_lock_table(mm, pmd, addr, ptl) : NULL;
}

/*
 * Where the walk is: what it walks, and what it adds to. An mm with slots has
 * several views, and a note in a common entry tells what any of them may map:
 * this view may map less (@several), and other views may map what this one is
 * told to drop or replace (@removed is set). @again sends entries that are noted
 * as mapped, because this view does not map them.
 */
struct tlb_walk {
	struct mm_struct *mm;
	struct tlb_batch *batch;
	int (*send)(struct mm_struct *mm);
	bool tables_freed;
	bool several;
	bool again;
	bool removed;
};

static void sync_absent(struct tlb_walk *walk, unsigned long addr,
			unsigned long len, bool on_host)
{
	if (!on_host && !walk->tables_freed) {
		tlb_batch_pass_absent(walk->batch, um_vas_strip(addr), len);
		return;
	}
	tlb_batch_invalidate(walk->batch, um_vas_strip(addr), len);
	walk->removed = true;
}

static int populate(struct mm_struct *mm, unsigned long addr)
{
	unsigned long expected = READ_ONCE(mm->context.tlb.expected);
	unsigned long start = expected & PAGE_MASK;
	unsigned long pages = expected & ~PAGE_MASK;

	return addr >= start && addr - start < pages * PAGE_SIZE ?
	       TLB_POPULATE : 0;
}

static void sync_fill(struct tlb_walk *walk, unsigned long addr, pte_t pte,
		      int prot)
{
	tlb_batch_fill(walk->batch, um_vas_strip(addr), PAGE_SIZE,
		       pte_val(pte) & PAGE_MASK,
		       prot | populate(walk->mm, addr));
}

/*
 * The host maps the frame with other rights. Protect does not work where a view
 * maps nothing, as one of several might: it is filled if it may do all, which
 * leaves the others with less, and else unmapped, to be filled again on demand.
 */
static void sync_rights(struct tlb_walk *walk, unsigned long addr, pte_t *ptep,
			pte_t pte)
{
	int prot = pte_host_prot(pte);
	unsigned long state = _PAGE_TLB_HOST;

	if (!walk->several) {
		tlb_batch_protect(walk->batch, um_vas_strip(addr), PAGE_SIZE,
				  prot);
	} else if (prot & TLB_WRITE) {
		sync_fill(walk, addr, pte, prot);
	} else {
		sync_absent(walk, addr, PAGE_SIZE, true);
		state = _PAGE_TLB_STALE;
	}
	um_tlb_set_state(walk->mm, ptep, pte, state);
}

static void sync_entry(struct tlb_walk *walk, unsigned long addr, pte_t *ptep)
{
	pte_t pte = READ_ONCE(*ptep);
	int prot = pte_host_prot(pte);

	if (pte_tlb_synced(pte)) {
		if (!prot)
			sync_absent(walk, addr, PAGE_SIZE, false);
		else if (walk->again)
			sync_fill(walk, addr, pte, pte_synced_prot(pte));
		else
			tlb_batch_pass_held(walk->batch, um_vas_strip(addr),
					    PAGE_SIZE, pte_synced_prot(pte));
		return;
	}

	if (!prot) {
		sync_absent(walk, addr, PAGE_SIZE, pte_on_host(pte));
		um_tlb_set_state(walk->mm, ptep, pte, 0);
		return;
	}

	if (pte_get_bits(pte, _PAGE_TLB_RIGHTS)) {
		sync_rights(walk, addr, ptep, pte);
		return;
	}
	walk->removed |= pte_on_host(pte);
	sync_fill(walk, addr, pte, prot);
	um_tlb_set_state(walk->mm, ptep, pte, _PAGE_TLB_HOST);
}

/* Returns how far it came: end, or less when the batch is full. */
static unsigned long sync_table(struct tlb_walk *walk, pmd_t *pmd,
				unsigned long addr, unsigned long end)
{
	spinlock_t *ptl;
	pte_t *table, *ptep;

	table = um_tlb_lock_table(walk->mm, pmd, addr, &ptl);
	if (!table) {
		/* It went away just now; whoever took it records that. */
		sync_absent(walk, addr, end - addr, false);
		return end;
	}

	for (ptep = table; addr < end && !tlb_batch_full(walk->batch);
	     ptep++, addr += PAGE_SIZE)
		sync_entry(walk, addr, ptep);

	um_tlb_unlock_table(table, ptl);
	return addr;
}

/* Returns how far it came: end, or less when the batch is full. */
static unsigned long sync_range(struct tlb_walk *walk, unsigned long addr,
				unsigned long end)
{
	unsigned long next;
	pmd_t *pmd;

	guard(rcu)();

	while (addr < end && !tlb_batch_full(walk->batch)) {
		pmd = um_tlb_find_table(walk->mm, addr, &next);
		next = min(next, end);
		if (pmd) {
			addr = sync_table(walk, pmd, addr, next);
		} else {
			sync_absent(walk, addr, next - addr, false);
			addr = next;
		}
	}
	return addr;
}

/*
 * From addr to end. Sends the batch each time that it is full, with no locks,
 * and leaves the rest in it. Stops when that fails.
 */
static int sync_and_send(struct tlb_walk *walk, unsigned long addr,
			 unsigned long end)
{
	int err;

	while (addr < end) {
		addr = sync_range(walk, addr, end);
		if (addr >= end)
			break;
		err = walk->send(walk->mm);
		if (err)
			return err;
	}
	return 0;
}

static int sync_changed(struct tlb_walk *walk, struct um_tlb *tlb)
{
	struct tlb_ranges changed;
	unsigned int i;
	int err = 0;

	um_tlb_take_changed(tlb, &changed);

	for (i = 0; i < changed.nr && !err; i++) {
		unsigned long start = changed.range[i].start;

		walk->tables_freed = changed.range[i].tables_freed;
		err = sync_and_send(walk, start, min(changed.range[i].end,
						     um_vas_user_end(start)));
	}
	walk->tables_freed = false;
	return err;
}

/**
 * um_tlb_sync_changed() - put what changed into a batch
 * @mm:		an mm with one view, or &init_mm
 * @batch:	its batch
 * @send:	called, without locks, each time that the batch is full
 *
 * Leaves the last operations in the batch.
 *
 * Context: the owner of @batch.
 * Return: 0, or what send() returned when it failed; the walk is left then.
 */
int um_tlb_sync_changed(struct mm_struct *mm, struct tlb_batch *batch,
			int (*send)(struct mm_struct *mm))
{
	struct tlb_walk walk = { .mm = mm, .batch = batch, .send = send };

	return sync_changed(&walk, &mm->context.tlb);
}

/*
 * Host processes
 */

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

/**
 * um_tlb_of_view() - where that is noted which belongs to the current view
 * @mm:		the mm of the current task
 */
struct um_tlb *um_tlb_of_view(struct mm_struct *mm)
{
	return um_vas_slot() ? tlb_at(mm, arch_vas_address(um_vas_slot(), 0))
			     : &mm->context.tlb;
}

/*
 * The views of an mm with slots. Common changes are walked by the view that
 * runs next. If it dropped or replaced anything, the others, which do not run
 * and may still map that, are emptied before they do; what is only added they
 * get by misses. Changes in a slot concern its own view alone.
 */
static int sync_one_of_several(struct mm_struct *mm, struct mm_id *id)
{
	struct tlb_walk walk = { .mm = mm, .batch = &id->batch,
				 .send = send_user, .several = true };
	struct um_tlb *common = &mm->context.tlb, *tlb = um_tlb_of_view(mm);
	unsigned long start, end;
	int err = 0;

	if (tlb->seen != common->removals) {
		tlb->seen = common->removals;
		tlb_batch_reset(&id->batch);
		tlb_batch_empty_space(&id->batch, 0, STUB_START);
	}

	/* What changes from here on is seen by um_tlb_enter(). */
	if (READ_ONCE(common->changed.nr))
		err = sync_changed(&walk, common);
	/* Also on failure: it may have been one of those that were sent. */
	if (walk.removed)
		tlb->seen = ++common->removals;
	if (!err && tlb != common && READ_ONCE(tlb->changed.nr))
		err = sync_changed(&walk, tlb);

	walk.again = true;
	walk.removed = false;
	start = tlb->again_start;
	end = min(tlb->again_end, start + WINDOW_PAGES_MAX * PAGE_SIZE);
	tlb->again_end = 0;
	if (!err)
		err = sync_and_send(&walk, start, end);
	if (walk.removed)
		tlb->seen = ++common->removals;
	return err;
}

static bool is_up_to_date(struct mm_struct *mm, const struct um_tlb *own)
{
	return !READ_ONCE(mm->context.tlb.changed.nr) &&
	       !READ_ONCE(own->changed.nr);
}

/* Leaves the last operations in the batch, to go out with the resumption. */
static int um_tlb_sync(struct mm_struct *mm)
{
	struct mm_id *id = current_mm_id();
	int err;

	if (um_tlb_several(mm))
		err = sync_one_of_several(mm, id);
	else if (READ_ONCE(mm->context.tlb.changed.nr))
		err = um_tlb_sync_changed(mm, &id->batch, send_user);
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
		err = um_tlb_sync(mm);
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

/*
 * Misses
 */

/*
 * Chooses what to fill after a miss at addr: more when misses are sequential.
 * Returns where that begins; it ends at next_miss.
 */
static unsigned long mark_window(struct mm_struct *mm, unsigned long addr)
{
	struct um_tlb *tlb = um_tlb_of_view(mm);
	unsigned int pages = WINDOW_PAGES_MIN;
	unsigned long start;

	addr &= PAGE_MASK;
	if (addr == tlb->next_miss) {
		pages = min(tlb->window_pages * 2, WINDOW_PAGES_MAX);
		start = addr;
	} else {
		start = round_down(addr, UM_TLB_MARK_BYTES);
	}
	tlb->window_pages = pages;
	tlb->next_miss = start + pages * PAGE_SIZE;
	if (um_tlb_several(mm)) {
		tlb->again_start = start;
		WRITE_ONCE(tlb->again_end,
			   min(tlb->next_miss, um_vas_slot_end(start)));
	} else {
		um_tlb_mark(mm, start, tlb->next_miss);
	}
	return start;
}

/*
 * The guest has begun to write where mprotect has raised rights: so that the next
 * sync makes the rest of the window writable, too, as far as this table goes.
 */
static void raise_window(struct mm_struct *mm, unsigned long addr)
{
	unsigned long end = min(um_tlb_of_view(mm)->next_miss,
				(addr & PMD_MASK) + PMD_SIZE);
	pte_t *table, *ptep;
	spinlock_t *ptl;

	guard(rcu)();
	table = um_tlb_lock_entry(mm, addr, &ptl);
	if (!table)
		return;
	for (ptep = table; addr < end; ptep++, addr += PAGE_SIZE) {
		pte_t pte = *ptep;

		if (pte_raised_later(pte))
			um_tlb_set_state(mm, ptep, pte, _PAGE_TLB);
	}
	um_tlb_unlock_table(table, ptl);
}

/**
 * um_tlb_refill() - handle a fault for which the page table has the answer
 * @mm:		the mm of the current task
 * @addr:	the address that faulted
 * @is_write:	whether it was written
 *
 * If the entry of @addr allows the access, it and a window of present entries
 * around it will be filled by the next sync. The entry itself is sent again
 * even if it is noted as mapped: the guest would fault for ever if the host had
 * lost it.
 *
 * Context: process; takes the page-table lock. No mmap lock is needed: like a
 * processor, this uses present entries only and changes none.
 * Return: true if the fault is handled.
 */
bool um_tlb_refill(struct mm_struct *mm, unsigned long addr, bool is_write)
{
	spinlock_t *ptl;
	unsigned long start;
	pte_t *ptep, pte;
	bool hit;

	if (addr >= TASK_SIZE)
		return false;

	scoped_guard(rcu) {
		ptep = um_tlb_lock_entry(mm, addr, &ptl);
		if (!ptep)
			return false;

		pte = *ptep;
		hit = pte_host_allows(pte, is_write);
		if (hit && !pte_raised_later(pte) && !um_tlb_several(mm))
			um_tlb_send_again(mm, ptep, pte);
		um_tlb_unlock_table(ptep, ptl);
	}

	if (hit) {
		um_tlb_count(UM_TLB_MISSES, 1);
		start = mark_window(mm, addr);
		if (pte_raised_later(pte))
			raise_window(mm, start);
	}
	return hit;
}
