/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host maps, noted in the page-table entry.
 *
 * The page table is the truth; the host address space caches it. Three bits of
 * an entry, which mean nothing to the rest of the kernel, say what is cached:
 *
 *   HOST  STALE  RIGHTS
 *    0     0       0    the host maps nothing here, and need not
 *    0     1       0    the host maps nothing here yet: filled when a range
 *                       with this page is walked, or on a fault
 *    1     0       0    the host maps what the entry says
 *    1     1       0    the host maps something else: fill or invalidate
 *    1     1       1    the host maps the entry's own frame, with other rights
 *                       than the entry gives now: protect is enough
 *    1     0       1    the host maps the entry's own frame, but not writable as
 *                       the entry is: protected when the guest writes to it
 *
 * The last is what mprotect leaves where it raises rights. Most of its callers
 * take them away again before they have used them on many pages. One that answers
 * a refused write (a garbage collector's barrier) uses them on that page at once.
 *
 * They change in two places only: set_pte() and pte_clear() below, which carry
 * HOST over from the old entry to the new one, and the walk in
 * arch/um/kernel/tlb.c, which makes the host agree with the entry (or an
 * eviction, tlb_evict.c, which empties both). An entry with HOST and STALE lies
 * in a recorded range (um_tlb_mark()), or its change comes from an mmu_gather
 * or from a kernel unmapping whose flush will record it.
 *
 * The bits are ignored by pte_same() and pte_none(), and are not part of a
 * swap entry's value.
 */

#ifndef __UM_TLB_STATE_H
#define __UM_TLB_STATE_H

#include <linux/minmax.h>
#include <tlb_batch.h>
#include <asm/vas_slot.h>

void um_tlb_mark(struct mm_struct *mm, unsigned long start, unsigned long end);

/* Changes are recorded in units of this: as many entries as a refill takes. */
#define UM_TLB_MARK_BYTES	(16 * PAGE_SIZE)

/**
 * um_tlb_recorded() - put a recorded range into one word
 * @start:	first address, a multiple of UM_TLB_MARK_BYTES
 * @end:	first address behind, too
 *
 * The count of units is in the bits that @start leaves free. So the range is
 * never seen half old and half new, which would cover what is not recorded.
 *
 * Return: the range, or its end if it has too many units; never 0.
 */
static inline unsigned long um_tlb_recorded(unsigned long start,
					    unsigned long end)
{
	unsigned long units = (end - start) / UM_TLB_MARK_BYTES;

	units = min(units, UM_TLB_MARK_BYTES - 1);
	return (end - units * UM_TLB_MARK_BYTES) | units;
}

/* Whether all from start to end is in what um_tlb_recorded() made. */
static inline bool um_tlb_recorded_covers(unsigned long recorded,
					  unsigned long start,
					  unsigned long end)
{
	unsigned long from = round_down(recorded, UM_TLB_MARK_BYTES);
	unsigned long units = recorded - from;

	return start >= from && end <= from + units * UM_TLB_MARK_BYTES;
}

/*
 * um_tlb_mark() under the page-table lock of the addresses (or for init_mm).
 * Most changes lie close behind the one before and are recorded already.
 */
static inline void um_tlb_mark_entries(struct mm_struct *mm,
				       unsigned long start, unsigned long end)
{
	unsigned long recorded = READ_ONCE(mm->context.tlb.recorded);

	if (um_vas_slot_of(start) ||
	    !um_tlb_recorded_covers(recorded, start, end))
		um_tlb_mark(mm, start, end);
}

/**
 * pte_host_prot() - the rights that the host mapping of an entry has
 * @pte:	the entry
 *
 * A clean page is not writable on the host and a page that is not young is not
 * mapped at all, so that a fault tells when it is written or used.
 *
 * Return: TLB_READ, TLB_WRITE, TLB_EXEC, or 0 where the host maps nothing.
 */
static inline int pte_host_prot(pte_t pte)
{
	const unsigned long readable = _PAGE_PRESENT | _PAGE_ACCESSED;
	const unsigned long writable = _PAGE_RW | _PAGE_DIRTY;

	if (pte_get_bits(pte, readable) != readable)
		return 0;
	if (pte_get_bits(pte, writable) != writable)
		return TLB_READ | TLB_EXEC;
	return TLB_READ | TLB_WRITE | TLB_EXEC;
}

/* Whether an access needs no page fault, only that the host maps the page. */
static inline bool pte_host_allows(pte_t pte, bool is_write)
{
	return pte_host_prot(pte) & (is_write ? TLB_WRITE : TLB_READ);
}

/* Is this writable, but not on the host until the guest does write? */
static inline bool pte_raised_later(pte_t pte)
{
	return pte_get_bits(pte, _PAGE_TLB) ==
	       (_PAGE_TLB_HOST | _PAGE_TLB_RIGHTS);
}

/* The rights that the host gives now, for an entry that needs no walk. */
static inline int pte_synced_prot(pte_t pte)
{
	return pte_raised_later(pte) ? TLB_READ | TLB_EXEC : pte_host_prot(pte);
}

/**
 * pte_tlb_state() - the state bits of an entry that replaces another
 * @old:	the entry so far, with its state bits
 * @new:	the entry that replaces it; its state bits do not matter
 * @later:	whether rights may be raised when they are used
 *
 * Return: the state bits for @new.
 */
static inline unsigned long pte_tlb_state(pte_t old, pte_t new, bool later)
{
	unsigned long state = pte_get_bits(old, _PAGE_TLB);
	int had = pte_synced_prot(old), want = pte_host_prot(new);

	if (!(state & _PAGE_TLB_HOST))
		return want ? _PAGE_TLB_STALE : 0;

	/* Is it known what the host maps, and is it this very frame? */
	if (want && had && pte_pfn(old) == pte_pfn(new) &&
	    (state & (_PAGE_TLB_STALE | _PAGE_TLB_RIGHTS)) != _PAGE_TLB_STALE) {
		if (state & _PAGE_TLB_STALE)
			return _PAGE_TLB;
		if (want == had)
			return _PAGE_TLB_HOST;
		return later && (want & TLB_WRITE) ?
		       _PAGE_TLB_HOST | _PAGE_TLB_RIGHTS : _PAGE_TLB;
	}

	return _PAGE_TLB_HOST | _PAGE_TLB_STALE;
}

static inline pte_t pte_without_tlb_state(pte_t pte)
{
	return __pte(pte_val(pte) & ~_PAGE_TLB);
}

/* Nothing to do for the walk: the host agrees with the entry. */
static inline bool pte_tlb_synced(pte_t pte)
{
	return !pte_get_bits(pte, _PAGE_TLB_STALE);
}

static inline bool pte_on_host(pte_t pte)
{
	return pte_get_bits(pte, _PAGE_TLB_HOST);
}

static inline void set_pte(pte_t *ptep, pte_t pte)
{
	unsigned long state = pte_tlb_state(*ptep, pte, false);

	*ptep = __pte(pte_val(pte_without_tlb_state(pte)) | state);
}

#define set_ptes set_ptes
static inline void set_ptes(struct mm_struct *mm, unsigned long addr,
			    pte_t *ptep, pte_t pte, unsigned int nr)
{
	unsigned long end = addr + nr * PAGE_SIZE;
	bool stale = false;

	for (; nr; nr--, ptep++) {
		set_pte(ptep, pte);
		stale |= !pte_tlb_synced(*ptep);
		pte = __pte(pte_val(pte) + PAGE_SIZE);
	}

	if (stale)
		um_tlb_mark_entries(mm, addr, end);
}

/* Clears without recording: only where a flush of the address follows. */
static inline void pte_clear_flush_later(pte_t *ptep)
{
	*ptep = __pte(pte_on_host(*ptep) ? _PAGE_TLB_HOST | _PAGE_TLB_STALE : 0);
}

static inline void pte_clear(struct mm_struct *mm, unsigned long addr,
			     pte_t *ptep)
{
	pte_clear_flush_later(ptep);

	/* Kernel unmappings are flushed late, many at once. */
	if (mm != &init_mm && pte_on_host(*ptep))
		um_tlb_mark_entries(mm, addr, addr + PAGE_SIZE);
}

/* Used by the callers of an mmu_gather or of flush_tlb_range(). */
#define __HAVE_ARCH_PTEP_GET_AND_CLEAR_FULL
static inline pte_t ptep_get_and_clear_full(struct mm_struct *mm,
					    unsigned long addr, pte_t *ptep,
					    int full)
{
	pte_t pte = *ptep;

	pte_clear_flush_later(ptep);
	return pte;
}

/*
 * mprotect: no hardware changes an entry behind the kernel's back, so it need
 * not be cleared meanwhile, and set_pte() can see that only the rights change.
 * The mmu_gather of the caller records the change.
 */
#define __HAVE_ARCH_PTEP_MODIFY_PROT_TRANSACTION
static inline pte_t ptep_modify_prot_start(struct vm_area_struct *vma,
					   unsigned long addr, pte_t *ptep)
{
	return *ptep;
}

static inline void ptep_modify_prot_commit(struct vm_area_struct *vma,
					   unsigned long addr, pte_t *ptep,
					   pte_t old_pte, pte_t pte)
{
	bool later = addr != READ_ONCE(vma->vm_mm->context.refused);
	unsigned long state = pte_tlb_state(*ptep, pte, later);

	*ptep = __pte(pte_val(pte_without_tlb_state(pte)) | state);
}

#define __HAVE_ARCH_PTE_SAME
static inline int pte_same(pte_t a, pte_t b)
{
	return !((pte_val(a) ^ pte_val(b)) & ~_PAGE_TLB);
}

#endif
