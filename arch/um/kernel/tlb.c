// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host process is a TLB: this file keeps it in step with the page tables.
 *
 * A changed entry is noted in itself (asm/tlb_state.h), and its address in a
 * set of ranges of its mm (um_tlb_mark()). Before the host process runs guest
 * code again, um_tlb_enter() has these ranges walked, which puts what the host
 * has to do into a batch: fill, protect, invalidate. What does not fit into
 * one batch is sent on the way, with no lock held; the rest goes out together
 * with the resumption of the guest. When the host refuses, tlb_evict.c goes on.
 *
 * An entry may also be present and not be on the host at all: after a fork, in
 * the child, or after an eviction. Then the guest faults: tlb_miss.c.
 *
 * Locks, from the outermost:
 *	turnstile of the view (mutex)	the batch, and who may sync
 *	    mm_context.walk (mutex)		who walks common changes, of several views
 *		page-table lock		entries, while they are walked
 *		    um_tlb.lock		the set of ranges, the log
 *	kernel_tlb_lock (irqs off)	the kernel's batch and who may sync
 *	    um_tlb.lock of init_mm
 * A host process is given work and waited for under the turnstile only. A
 * shootdown (um_tlb_shootdown()) waits under any lock for it to stop, so between
 * um_tlb_enter() and um_tlb_leave() no lock is taken.
 */

#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include "tlb_internal.h"

/*
 * What changed
 */

/**
 * um_tlb_at() - where changes at an address are recorded
 * @mm:		the mm, or &init_mm
 * @addr:	the address
 *
 * Return: NULL if no view can map anything there.
 */
struct um_tlb *um_tlb_at(struct mm_struct *mm, unsigned long addr)
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
	struct um_tlb *tlb = um_tlb_at(mm, start);
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
	if (!um_has_slots(mm))
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

/* Other views may map it, too. */
static void note_removed(struct tlb_walk *walk, unsigned long addr,
			 unsigned long len)
{
	if (walk->several)
		tlb_ranges_add(&walk->removed, addr, addr + len, false);
}

static void sync_absent(struct tlb_walk *walk, unsigned long addr,
			unsigned long len, bool on_host)
{
	if (!on_host && !walk->tables_freed) {
		tlb_batch_pass_absent(walk->batch, um_vas_strip(addr), len);
		return;
	}
	note_removed(walk, addr, len);
	if (!walk->several || um_view_may_map(walk->view, addr, addr + len))
		tlb_batch_invalidate(walk->batch, um_vas_strip(addr), len);
}

static int populate(struct mm_struct *mm, unsigned long addr)
{
	unsigned long expected = READ_ONCE(mm->context.expected);
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
 * One of several views, whose guest code has not asked for the page. Protect does
 * not work where a view maps nothing, as this one might: it is unmapped, to be
 * filled again on demand. Raised rights leave the views with less, until then.
 */
static void sync_unasked(struct tlb_walk *walk, unsigned long addr, pte_t *ptep,
			 pte_t pte)
{
	if (!pte_on_host(pte))
		return;
	if (pte_get_bits(pte, _PAGE_TLB_RIGHTS) &&
	    (pte_host_prot(pte) & TLB_WRITE)) {
		/* A view may even have these rights from before they were lowered. */
		um_tlb_set_state(walk->mm, ptep, pte, _PAGE_TLB_HOST);
		return;
	}
	sync_absent(walk, addr, PAGE_SIZE, true);
	um_tlb_set_state(walk->mm, ptep, pte, _PAGE_TLB_STALE);
}

static void sync_entry(struct tlb_walk *walk, unsigned long addr, pte_t *ptep)
{
	pte_t pte = READ_ONCE(*ptep);
	int prot = pte_host_prot(pte);
	bool rights;

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

	if (walk->several && !walk->again) {
		sync_unasked(walk, addr, ptep, pte);
		return;
	}
	rights = pte_get_bits(pte, _PAGE_TLB_RIGHTS);
	if (pte_on_host(pte) && !(rights && (prot & TLB_WRITE)))
		note_removed(walk, addr, PAGE_SIZE);
	if (rights && !walk->several)
		tlb_batch_protect(walk->batch, um_vas_strip(addr), PAGE_SIZE,
				  prot);
	else
		sync_fill(walk, addr, pte, prot);
	um_tlb_set_state(walk->mm, ptep, pte, _PAGE_TLB_HOST);
}

/* Under the page-table lock, before an entry is read: see um_tlb_shootdown(). */
static void note_place(struct tlb_walk *walk, unsigned long addr)
{
	unsigned int place = um_view_place(addr);

	if (walk->view && (!walk->several || walk->again) &&
	    !test_bit(place, walk->view->places))
		set_bit(place, walk->view->places);
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

	note_place(walk, addr);
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

/**
 * um_tlb_walk_range() - put into a batch what the host has to do for a range
 * @walk:	who walks, and for whom
 * @addr:	first address
 * @end:	first address behind
 *
 * Sends the batch each time that it is full, with no locks, and leaves the last
 * operations in it.
 *
 * Context: the owner of the batch.
 * Return: 0, or what @walk's send() returned when it failed; the walk is left
 * then.
 */
int um_tlb_walk_range(struct tlb_walk *walk, unsigned long addr,
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

/*
 * Where a table was freed, no note tells what several views map: all drop it, also
 * where another table has come since, whose entries know nothing of that.
 */
static int drop_freed(struct tlb_walk *walk, unsigned long start,
		      unsigned long end)
{
	int err = tlb_batch_full(walk->batch) ? walk->send(walk->mm) : 0;

	if (!err)
		sync_absent(walk, start, end - start, true);
	walk->tables_freed = false;
	return err;
}

/**
 * um_tlb_walk_changed() - walk what was recorded
 * @walk:	who walks, and for whom
 * @tlb:	where it was recorded; empty now, also when the walk fails
 *
 * Context and return: as um_tlb_walk_range().
 */
int um_tlb_walk_changed(struct tlb_walk *walk, struct um_tlb *tlb)
{
	struct tlb_ranges changed;
	unsigned int i;
	int err = 0;

	um_tlb_take_changed(tlb, &changed);

	for (i = 0; i < changed.nr && !err; i++) {
		unsigned long start = changed.range[i].start;
		unsigned long end = min(changed.range[i].end,
					um_vas_user_end(start));

		walk->tables_freed = changed.range[i].tables_freed;
		if (walk->tables_freed && walk->several)
			err = drop_freed(walk, start, end);
		if (!err)
			err = um_tlb_walk_range(walk, start, end);
	}
	walk->tables_freed = false;
	return err;
}
