// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking pages along that a thread will touch next.
 *
 * A page fault costs a way into the kernel and back, and a host call, many
 * times what the page itself costs. So when a thread writes to private memory
 * in sequence (skas/fault_runs.c tells), a fault is followed by doing the same
 * for the next pages:
 *
 *  - memory that was never touched gets pages. They come in blocks that are
 *    contiguous in physical memory where there are any, so that one host
 *    mapping covers many;
 *  - pages that are write-protected since a fork are copied, or made writable
 *    where nobody else has them, by the generic fault handler, one by one.
 *
 * That is a guess, and must not cost anything that matters if it is wrong. So
 * it ends where the VMA or the page table ends, or at the first page that is in
 * another state than the one which faulted; it never waits for memory, reclaims
 * any or exceeds a limit; and it leaves alone all regions whose owner wants to
 * know or to decide what becomes resident. A read never takes anything along:
 * it would get the zero page, which costs nobody memory, or a file's pages, for
 * which the generic handler does the same (do_fault_around()).
 *
 * The pages that were taken are entered into the host's page table at once
 * (um_tlb_expect()): the guest writes to them next, and each would else cost a
 * fault in the host. (For one page alone this does not pay.)
 *
 * Locks: called with the VMA locked, by the mmap lock or by its own; takes the
 * page-table lock.
 */

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/oom.h>
#include <linux/pgtable.h>
#include <linux/rmap.h>
#include <linux/userfaultfd_k.h>
#include <asm/fault_around.h>
#include <asm/tlb_stats.h>
#include <asm/tlbflush.h>

/* Regions in which only the pages become resident that were touched. */
#define NEVER_AHEAD	(VM_SHARED | VM_LOCKONFAULT | VM_RAND_READ | \
			 VM_DROPPABLE | VM_SPECIAL)

/* What a page is given without reclaiming another, or it is not given. */
#define AHEAD_GFP	((GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM) | \
			 __GFP_ZERO | __GFP_NOWARN)

/* The states of an entry in which a page can be taken along. */
enum entry_state {
	ENTRY_UNTOUCHED,	/* anonymous memory without a page */
	ENTRY_PROTECTED,	/* an anonymous page which is not writable */
	ENTRY_OTHER,		/* anything else: not to be taken */
};

/* Pages to be taken: @nr from @addr on, upwards or (@down) downwards. */
struct ahead {
	struct vm_area_struct *vma;
	unsigned long addr;
	unsigned int nr;
	bool down;
};

static unsigned long page_address_of(const struct ahead *ahead, unsigned int i)
{
	return ahead->down ? ahead->addr - i * PAGE_SIZE :
			     ahead->addr + i * PAGE_SIZE;
}

/*
 * The handler of a file's pages gives the VMA's lock back when it has to call the
 * file system; it does not keep it, as it does the mmap lock.
 */
static bool may_take_ahead(const struct vm_area_struct *vma, unsigned int flags)
{
	if ((flags & FAULT_FLAG_VMA_LOCK) && !vma_is_anonymous(vma))
		return false;
	return !(vma->vm_flags & NEVER_AHEAD) && vma->anon_vma &&
	       !userfaultfd_armed((struct vm_area_struct *)vma);
}

/* Limits what is to be taken to the VMA and to one table of entries. */
static void clip(struct ahead *ahead)
{
	const struct vm_area_struct *vma = ahead->vma;
	unsigned long addr = ahead->addr, table, start, end;

	/* the page that faulted is in the table that is there for sure */
	table = (ahead->down ? addr + PAGE_SIZE : addr - PAGE_SIZE) & PMD_MASK;
	start = max(vma->vm_start, table);
	end = min(vma->vm_end, table + PMD_SIZE);

	if (addr < start || addr >= end)
		ahead->nr = 0;
	else if (ahead->down)
		ahead->nr = min(ahead->nr, (addr - start) / PAGE_SIZE + 1);
	else
		ahead->nr = min(ahead->nr, (end - addr) / PAGE_SIZE);
}

/* The page-table lock keeps the page of the entry. */
static enum entry_state state_of(struct vm_area_struct *vma,
				 unsigned long addr, pte_t pte)
{
	struct folio *folio;

	if (pte_none(pte))
		return vma_is_anonymous(vma) ? ENTRY_UNTOUCHED : ENTRY_OTHER;
	if (!pte_present(pte) || pte_write(pte))
		return ENTRY_OTHER;
	if (is_zero_pfn(pte_pfn(pte)))
		return vma_is_anonymous(vma) ? ENTRY_PROTECTED : ENTRY_OTHER;

	folio = vm_normal_folio(vma, addr, pte);
	if (folio && folio_test_anon(folio) && !folio_test_ksm(folio))
		return ENTRY_PROTECTED;
	return ENTRY_OTHER;
}

/* Ends what is to be taken where the state of the first entry does. */
static enum entry_state same_state(struct ahead *ahead, pmd_t *pmd)
{
	enum entry_state first = ENTRY_OTHER, state;
	unsigned int i;
	spinlock_t *ptl;
	pte_t *ptep;

	ptep = pte_offset_map_lock(ahead->vma->vm_mm, pmd, ahead->addr, &ptl);
	if (!ptep)
		return ENTRY_OTHER;

	for (i = 0; i < ahead->nr; i++) {
		int offset = ahead->down ? -(int)i : (int)i;

		state = state_of(ahead->vma, page_address_of(ahead, i),
				 ptep_get(ptep + offset));
		if (i == 0)
			first = state;
		if (state == ENTRY_OTHER || state != first)
			break;
	}
	pte_unmap_unlock(ptep, ptl);

	ahead->nr = i;
	return first;
}

#ifdef CONFIG_MEMCG
static bool memcg_has_room(struct mm_struct *mm, unsigned long pages)
{
	struct mem_cgroup *first, *memcg;
	bool room = true;

	if (mem_cgroup_disabled())
		return true;

	/* charges are made for so many at once */
	pages += MEMCG_CHARGE_BATCH;
	first = get_mem_cgroup_from_mm(mm);
	for (memcg = first; memcg && room; memcg = parent_mem_cgroup(memcg)) {
		unsigned long limit = min(READ_ONCE(memcg->memory.max),
					  READ_ONCE(memcg->memory.high));

		room = page_counter_read(&memcg->memory) + pages <= limit;
	}
	mem_cgroup_put(first);
	return room;
}
#else
static bool memcg_has_room(struct mm_struct *mm, unsigned long pages)
{
	return true;
}
#endif

/**
 * um_memory_has_room() - can pages be had with nothing being reclaimed for them?
 * @mm:		the mm that they are for
 * @pages:	how many
 *
 * Context: any but interrupt.
 */
bool um_memory_has_room(struct mm_struct *mm, unsigned long pages)
{
	unsigned long free = 0, needed = pages;
	struct zone *zone;

	for_each_populated_zone(zone) {
		free += zone_page_state(zone, NR_FREE_PAGES);
		needed += high_wmark_pages(zone);
	}
	return free > needed && memcg_has_room(mm, pages);
}

/*
 * Maps single pages, in ascending order of their addresses, from addr on, until
 * an entry has got something meanwhile. Returns how many.
 */
static unsigned int map_pages(struct vm_area_struct *vma, pmd_t *pmd,
			      unsigned long addr, struct page *page,
			      unsigned int nr)
{
	struct mm_struct *mm = vma->vm_mm;
	unsigned int i;
	spinlock_t *ptl;
	pte_t *ptep;

	ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return 0;

	/* the OOM killer takes what is here, and nothing may be added */
	if (check_stable_address_space(mm))
		nr = 0;
	for (i = 0; i < nr; i++) {
		if (!pte_none(ptep_get(ptep + i)))
			break;
		map_anon_folio_pte_nopf(page_folio(page + i), ptep + i, vma,
					addr + i * PAGE_SIZE, false);
	}
	add_mm_counter(mm, MM_ANONPAGES, i);
	pte_unmap_unlock(ptep, ptl);
	return i;
}

/* Charges single pages until that fails; returns how many. */
static unsigned int charge_pages(struct mm_struct *mm, struct page *page,
				 unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct folio *folio = page_folio(page + i);

		if (mem_cgroup_charge(folio, mm, AHEAD_GFP))
			break;
		__folio_mark_uptodate(folio);
	}
	return i;
}

/*
 * Takes a block of 1 << order contiguous pages. Returns how many of them were
 * mapped; fewer than all only if it is no use to go on.
 */
static unsigned int take_block(const struct ahead *ahead, pmd_t *pmd,
			       unsigned int done, unsigned int order)
{
	struct vm_area_struct *vma = ahead->vma;
	unsigned int nr = 1U << order, charged, mapped, i;
	unsigned long addr;
	struct page *page;

	page = alloc_pages(AHEAD_GFP, order);
	if (!page)
		return 0;
	split_page(page, order);

	addr = page_address_of(ahead, ahead->down ? done + nr - 1 : done);
	charged = charge_pages(vma->vm_mm, page, nr);
	/* downwards, pages that are not next to those that are there are no use */
	mapped = ahead->down && charged < nr ? 0 :
		 map_pages(vma, pmd, addr, page, charged);
	for (i = mapped; i < nr; i++)
		put_page(page + i);
	return mapped;
}

/* Gives pages to memory without any. Returns how many. */
static unsigned int take_untouched(const struct ahead *ahead, pmd_t *pmd)
{
	unsigned int done = 0, order = MAX_PAGE_ORDER, taken;

	while (done < ahead->nr) {
		order = min_t(unsigned int, order, ilog2(ahead->nr - done));
		taken = take_block(ahead, pmd, done, order);
		done += taken;
		if (taken == 1U << order)
			continue;
		if (taken || order == 0)
			break;
		order--;
	}
	um_tlb_count(UM_TLB_AHEAD_PAGES, done);
	return done;
}

/* Copies pages or makes them writable. Returns how many. */
static unsigned int take_protected(const struct ahead *ahead,
				   unsigned int flags)
{
	unsigned int i;

	/* not FAULT_FLAG_ALLOW_RETRY: the lock has to be kept */
	flags = FAULT_FLAG_WRITE | (flags & FAULT_FLAG_VMA_LOCK);
	for (i = 0; i < ahead->nr; i++)
		if (handle_mm_fault(ahead->vma, page_address_of(ahead, i),
				    flags, NULL) &
		    (VM_FAULT_ERROR | VM_FAULT_RETRY | VM_FAULT_COMPLETED))
			break;
	um_tlb_count(UM_TLB_AHEAD_COPIES, i);
	return i;
}

static unsigned int take(struct ahead *ahead, unsigned int flags)
{
	struct mm_struct *mm = ahead->vma->vm_mm;
	pmd_t *pmd = pmd_off(mm, ahead->addr);

	switch (same_state(ahead, pmd)) {
	case ENTRY_UNTOUCHED:
		if (um_memory_has_room(mm, ahead->nr))
			return take_untouched(ahead, pmd);
		break;
	case ENTRY_PROTECTED:
		if (um_memory_has_room(mm, ahead->nr))
			return take_protected(ahead, flags);
		break;
	case ENTRY_OTHER:
		break;
	}
	return 0;
}

/*
 * Takes what is likely to be touched next. Returns how many pages behind addr;
 * if negative, how many before it.
 */
static int take_along(struct vm_area_struct *vma, unsigned long addr,
		      unsigned int flags)
{
	struct um_fault_history *history = &current->thread.fault_history;
	struct ahead ahead = { .vma = vma };
	int wanted, taken;

	if (history->mm != vma->vm_mm) {
		history->mm = vma->vm_mm;
		fault_runs_init(&history->runs);
	}
	wanted = fault_runs_touch(&history->runs, addr >> PAGE_SHIFT);
	if (!wanted)
		return 0;

	ahead.down = wanted < 0;
	ahead.nr = abs(wanted);
	ahead.addr = ahead.down ? addr - PAGE_SIZE : addr + PAGE_SIZE;
	clip(&ahead);
	if (!ahead.nr)
		return 0;

	taken = take(&ahead, flags);
	if (ahead.down)
		taken = -taken;
	fault_runs_take(&history->runs, taken);
	return taken;
}

/**
 * um_fault_around() - after a fault, do the same for the pages to come
 * @vma:	where the fault was; locked
 * @addr:	the address that faulted, which is mapped now
 * @flags:	FAULT_FLAG_... with which it was handled
 *
 * Context: process, of the mm of @vma; the lock of @vma is kept. Does not
 * sleep for memory.
 */
void um_fault_around(struct vm_area_struct *vma, unsigned long addr,
		     unsigned int flags)
{
	unsigned long start = addr & PAGE_MASK;
	unsigned int pages = 1;

	if (flags & FAULT_FLAG_WRITE) {
		int taken = may_take_ahead(vma, flags) ?
			    take_along(vma, start, flags) : 0;

		start += min(taken, 0) * PAGE_SIZE;
		pages += abs(taken);
	} else if (!vma_is_anonymous(vma)) {
		/* The generic handler has mapped others around it. */
		start = round_down(addr, UM_TLB_MARK_BYTES);
		pages = UM_TLB_MARK_BYTES / PAGE_SIZE;
	}
	um_tlb_expect(vma->vm_mm, start, pages, flags & FAULT_FLAG_WRITE);
}
