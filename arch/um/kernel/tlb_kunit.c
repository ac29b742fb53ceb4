// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the memory path: the state bits of an entry, and the kernel's
 * own range, whose mappings can be looked at from here. (The pure parts, the
 * batch and the set of ranges, are tested on the host: tests/host/.)
 */

#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <os.h>
#include "tlb_internal.h"

#define RW	(_PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_RW | _PAGE_DIRTY)
#define RO	(_PAGE_PRESENT | _PAGE_ACCESSED)
#define HOST	_PAGE_TLB_HOST
#define STALE	_PAGE_TLB_STALE
#define RIGHTS	_PAGE_TLB_RIGHTS

static unsigned long frame(unsigned long n)
{
	return n << PAGE_SHIFT;
}

/* The state bits after an entry "new" has replaced an entry "old". */
static unsigned long state_after(unsigned long old, unsigned long new)
{
	pte_t entry = __pte(old);

	set_pte(&entry, __pte(new));
	return pte_val(entry) & _PAGE_TLB;
}

static void host_has_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, state_after(0, frame(1) | RW), STALE);
	/* what the host need not map needs no walk */
	KUNIT_EXPECT_EQ(test, state_after(0, 0), 0);
	KUNIT_EXPECT_EQ(test, state_after(0, _PAGE_PROTNONE | _PAGE_ACCESSED), 0);
	/* not young: not mapped until it is used */
	KUNIT_EXPECT_EQ(test, state_after(0, frame(1) | _PAGE_PRESENT), 0);
	KUNIT_EXPECT_EQ(test, state_after(frame(1) | RW | STALE, 0), 0);
}

static void fewer_rights_need_a_protect(struct kunit *test)
{
	unsigned long rw = frame(1) | RW, ro = frame(1) | RO;

	KUNIT_EXPECT_EQ(test, state_after(rw | HOST, ro), HOST | STALE | RIGHTS);
	/* once more, before the walk */
	KUNIT_EXPECT_EQ(test, state_after(ro | HOST | STALE | RIGHTS, ro),
			HOST | STALE | RIGHTS);
	/* clean pages are not writable on the host */
	KUNIT_EXPECT_EQ(test, state_after(rw | HOST, rw & ~_PAGE_DIRTY),
			HOST | STALE | RIGHTS);
	/* no rights at all: unmapped, not protected */
	KUNIT_EXPECT_EQ(test, state_after(rw | HOST, rw & ~_PAGE_ACCESSED),
			HOST | STALE);
}

static void more_rights_need_a_protect(struct kunit *test)
{
	unsigned long rw = frame(1) | RW, ro = frame(1) | RO;

	KUNIT_EXPECT_EQ(test, state_after(ro | HOST, rw),
			HOST | STALE | RIGHTS);
	/* down and up again: it is not known which the host gives now */
	KUNIT_EXPECT_EQ(test, state_after(ro | HOST | STALE | RIGHTS, rw),
			HOST | STALE | RIGHTS);
	/* nor is it known whether the host has this frame */
	KUNIT_EXPECT_EQ(test, state_after(ro | HOST | STALE, rw), HOST | STALE);
}

/* The page of the last write that was not allowed */
#define REFUSED PAGE_SIZE

/* What mprotect does */
static unsigned long state_after_mprotect_at(unsigned long addr,
					     unsigned long old,
					     unsigned long new)
{
	static struct mm_struct mm = { .context.refused = REFUSED };
	static struct vm_area_struct vma = { .vm_mm = &mm };
	pte_t entry = __pte(old);

	ptep_modify_prot_commit(&vma, addr, &entry, entry, __pte(new));
	return pte_val(entry) & _PAGE_TLB;
}

/* Rights go up when they are used. */
static unsigned long state_after_mprotect(unsigned long old, unsigned long new)
{
	return state_after_mprotect_at(2 * REFUSED, old, new);
}

static void mprotect_raises_later(struct kunit *test)
{
	unsigned long rw = frame(1) | RW, ro = frame(1) | RO;

	KUNIT_EXPECT_EQ(test, state_after_mprotect(ro | HOST, rw),
			HOST | RIGHTS);
	/* the host was never told: it agrees again */
	KUNIT_EXPECT_EQ(test, state_after_mprotect(rw | HOST | RIGHTS, ro),
			HOST);
	KUNIT_EXPECT_EQ(test, state_after(rw | HOST | RIGHTS, ro), HOST);
	/* it may have been told: it is, of what counts now */
	KUNIT_EXPECT_EQ(test, state_after_mprotect(ro | HOST | STALE | RIGHTS,
						   rw), HOST | STALE | RIGHTS);
	/* it is lowered at once */
	KUNIT_EXPECT_EQ(test, state_after_mprotect(rw | HOST, ro),
			HOST | STALE | RIGHTS);
	KUNIT_EXPECT_EQ(test, state_after_mprotect(rw | HOST | RIGHTS,
						   rw & ~_PAGE_ACCESSED),
			HOST | STALE);
	/* nothing there, or another frame: nothing to be raised */
	KUNIT_EXPECT_EQ(test, state_after_mprotect(ro | STALE, rw), STALE);
	KUNIT_EXPECT_EQ(test, state_after(rw | HOST | RIGHTS, frame(2) | RW),
			HOST | STALE);
}

static void a_refused_write_raises_now(struct kunit *test)
{
	unsigned long rw = frame(1) | RW, ro = frame(1) | RO;

	KUNIT_EXPECT_EQ(test, state_after_mprotect_at(REFUSED, ro | HOST, rw),
			HOST | STALE | RIGHTS);
	KUNIT_EXPECT_EQ(test, state_after_mprotect_at(REFUSED, rw | HOST, ro),
			HOST | STALE | RIGHTS);
}

static void another_frame_needs_a_fill(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, state_after(frame(1) | RW | HOST, frame(2) | RO),
			HOST | STALE);
	/* and back, before the walk: the host still may have either */
	KUNIT_EXPECT_EQ(test, state_after(frame(2) | RO | HOST | STALE,
					  frame(2) | RO), HOST | STALE);
}

static void no_change_needs_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, state_after(frame(1) | RW | HOST, frame(1) | RW),
			HOST);
	/* the caller's value may carry bits of the old entry */
	KUNIT_EXPECT_EQ(test, state_after(frame(1) | RW | HOST,
					  frame(1) | RW | STALE | RIGHTS), HOST);
}

static void clearing_remembers_the_host(struct kunit *test)
{
	pte_t entry = __pte(frame(1) | RW | HOST);

	pte_clear_flush_later(&entry);
	KUNIT_EXPECT_EQ(test, pte_val(entry), HOST | STALE);
	KUNIT_EXPECT_TRUE(test, pte_none(entry));

	set_pte(&entry, __pte(frame(1) | RW));
	KUNIT_EXPECT_EQ(test, pte_val(entry), frame(1) | RW | HOST | STALE);

	entry = __pte(frame(1) | RW | STALE);
	pte_clear_flush_later(&entry);
	KUNIT_EXPECT_EQ(test, pte_val(entry), 0UL);
}

static void swap_entries_carry_no_state(struct kunit *test)
{
	pte_t pte = __swp_entry_to_pte(__swp_entry(3, 0x1234));
	swp_entry_t entry;

	set_pte(&pte, __pte(pte_val(pte) | _PAGE_TLB));
	KUNIT_EXPECT_FALSE(test, pte_present(pte));
	KUNIT_EXPECT_FALSE(test, pte_none(pte));

	entry = __pte_to_swp_entry(__pte(pte_val(pte) | HOST | STALE));
	KUNIT_EXPECT_EQ(test, __swp_type(entry), 3);
	KUNIT_EXPECT_EQ(test, __swp_offset(entry), 0x1234);
	KUNIT_EXPECT_TRUE(test, pte_same(pte, __swp_entry_to_pte(entry)));
}

static void a_run_of_entries_advances_by_one(struct kunit *test)
{
	pte_t table[5] = {};
	int i;

	set_ptes(&init_mm, VMALLOC_START, table, __pte(frame(7) | RW), 5);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, pte_pfn(table[i]), 7 + i);
}

static void a_recorded_range_fits_a_word(struct kunit *test)
{
	const unsigned long unit = UM_TLB_MARK_BYTES, start = 7 * unit;
	unsigned long word = um_tlb_recorded(start, start + 3 * unit);

	KUNIT_EXPECT_TRUE(test, um_tlb_recorded_covers(word, start,
						       start + 3 * unit));
	KUNIT_EXPECT_FALSE(test, um_tlb_recorded_covers(word, start - PAGE_SIZE,
							start));
	KUNIT_EXPECT_FALSE(test, um_tlb_recorded_covers(word, start,
							start + 3 * unit + 1));

	/* nothing is recorded */
	KUNIT_EXPECT_FALSE(test, um_tlb_recorded_covers(0, 0, PAGE_SIZE));

	/* of a range that is too long, the end, and no more than it has */
	word = um_tlb_recorded(0, 2 * unit * unit);
	KUNIT_EXPECT_TRUE(test, um_tlb_recorded_covers(word,
						       2 * unit * unit - unit,
						       2 * unit * unit));
	KUNIT_EXPECT_FALSE(test, um_tlb_recorded_covers(word, 0, PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, um_tlb_recorded_covers(word,
							2 * unit * unit,
							2 * unit * unit + 1));
}

static struct kunit_case entry_cases[] = {
	KUNIT_CASE(host_has_nothing),
	KUNIT_CASE(fewer_rights_need_a_protect),
	KUNIT_CASE(more_rights_need_a_protect),
	KUNIT_CASE(mprotect_raises_later),
	KUNIT_CASE(a_refused_write_raises_now),
	KUNIT_CASE(another_frame_needs_a_fill),
	KUNIT_CASE(no_change_needs_nothing),
	KUNIT_CASE(clearing_remembers_the_host),
	KUNIT_CASE(swap_entries_carry_no_state),
	KUNIT_CASE(a_run_of_entries_advances_by_one),
	KUNIT_CASE(a_recorded_range_fits_a_word),
	{}
};

static struct kunit_suite entry_suite = {
	.name = "um_tlb_entry",
	.test_cases = entry_cases,
};

#define PAGES 1000

static unsigned long counted(enum um_tlb_counter counter)
{
	unsigned long total = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		total += per_cpu(um_tlb_stats, cpu).count[counter];
	return total;
}

static struct page **contiguous_pages(struct kunit *test)
{
	struct page **pages = kunit_kcalloc(test, PAGES, sizeof(*pages),
					    GFP_KERNEL);
	char *mem = alloc_pages_exact(PAGES * PAGE_SIZE, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	for (i = 0; i < PAGES; i++)
		pages[i] = virt_to_page(mem + i * PAGE_SIZE);
	return pages;
}

static void contiguous_pages_take_one_call(struct kunit *test)
{
	struct page **pages = contiguous_pages(test);
	unsigned long fills, invalidates;
	char *addr;
	int i;

	/* let go of what others freed, so that it is not counted here */
	vm_unmap_aliases();
	fills = counted(UM_TLB_KERNEL_FILLS);
	addr = vmap(pages, PAGES, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, counted(UM_TLB_KERNEL_FILLS) - fills, 1);

	for (i = 0; i < PAGES; i++)
		addr[i * PAGE_SIZE] = i;
	for (i = 0; i < PAGES; i++)
		KUNIT_EXPECT_EQ(test, *(char *)page_address(pages[i]), (char)i);

	invalidates = counted(UM_TLB_KERNEL_INVALIDATES);
	vunmap(addr);
	vm_unmap_aliases();
	KUNIT_EXPECT_LE(test, counted(UM_TLB_KERNEL_INVALIDATES) - invalidates,
			2);

	free_pages_exact(page_address(pages[0]), PAGES * PAGE_SIZE);
}

static void scattered_pages_are_all_right(struct kunit *test)
{
	struct page **pages = contiguous_pages(test);
	char *mem = page_address(pages[0]), *addr;
	int i;

	for (i = 0; i < PAGES; i++)
		pages[i] = virt_to_page(mem + (i * 7 % PAGES) * PAGE_SIZE);
	addr = vmap(pages, PAGES, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);

	for (i = 0; i < PAGES; i++)
		*(int *)(addr + i * PAGE_SIZE) = i;
	for (i = 0; i < PAGES; i++)
		KUNIT_EXPECT_EQ(test, *(int *)page_address(pages[i]), i);

	vunmap(addr);
	free_pages_exact(mem, PAGES * PAGE_SIZE);
}

static void an_unmapped_address_is_reported(struct kunit *test)
{
	char *addr = vmalloc(2 * PAGE_SIZE), byte;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, copy_from_kernel_nofault(&byte, addr, 1), 0);
	vfree(addr);
	vm_unmap_aliases();
	KUNIT_EXPECT_EQ(test, copy_from_kernel_nofault(&byte, addr, 1),
			-EFAULT);
}

/* A buffer of vmalloc() in which page i starts with i + 1. */
static int *numbered_buffer(struct kunit *test, int pages)
{
	int *buf = vmalloc(pages * PAGE_SIZE), i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < pages; i++)
		buf[i * PAGE_SIZE / sizeof(*buf)] = i + 1;
	return buf;
}

static void expect_numbered(struct kunit *test, const int *buf, int pages)
{
	int i;

	for (i = 0; i < pages; i++)
		KUNIT_EXPECT_EQ(test, buf[i * PAGE_SIZE / sizeof(*buf)], i + 1);
}

static void evicted_pages_come_back(struct kunit *test)
{
	int *buf = numbered_buffer(test, PAGES);
	unsigned long misses, evictions = counted(UM_TLB_EVICTIONS);

	KUNIT_EXPECT_EQ(test, um_tlb_evict_kernel(), 0);
	KUNIT_EXPECT_EQ(test, counted(UM_TLB_EVICTIONS) - evictions, 1);

	misses = counted(UM_TLB_MISSES);
	expect_numbered(test, buf, PAGES);
	KUNIT_EXPECT_GE(test, counted(UM_TLB_MISSES) - misses, PAGES / 16);
	vfree(buf);
}

/* At the end of the range, far from all others. */
static void evicted_percpu_data_comes_back(struct kunit *test)
{
	/* More than is left where the kernel was loaded */
	const size_t size = 16 * 1024;
	int __percpu *data[4];
	int i;

	for (i = 0; i < ARRAY_SIZE(data); i++) {
		data[i] = __alloc_percpu(size, sizeof(int));
		KUNIT_ASSERT_TRUE(test, data[i]);
		*per_cpu_ptr(data[i], 0) = i + 1;
	}
	KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(per_cpu_ptr(data[3], 0)));

	KUNIT_EXPECT_EQ(test, um_tlb_evict_kernel(), 0);
	for (i = 0; i < ARRAY_SIZE(data); i++) {
		KUNIT_EXPECT_EQ(test, *per_cpu_ptr(data[i], 0), i + 1);
		free_percpu(data[i]);
	}
}

static void host_calls_find_evicted_buffers(struct kunit *test)
{
	const int pages = 8, len = pages * PAGE_SIZE;
	int *buf = numbered_buffer(test, pages), *copy = vzalloc(len);
	int fds[2];

	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_ASSERT_EQ(test, os_pipe(fds, 0, 0), 0);

	KUNIT_EXPECT_EQ(test, um_tlb_evict_kernel(), 0);
	KUNIT_EXPECT_EQ(test, os_write_file(fds[1], buf, len), len);
	KUNIT_EXPECT_EQ(test, um_tlb_evict_kernel(), 0);
	KUNIT_EXPECT_EQ(test, os_read_file(fds[0], copy, len), len);
	expect_numbered(test, copy, pages);

	os_close_file(fds[0]);
	os_close_file(fds[1]);
	vfree(copy);
	vfree(buf);
}

static void no_room_for_the_kernel_evicts(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION
	int *buf = numbered_buffer(test, PAGES), *more;
	unsigned long evictions = counted(UM_TLB_EVICTIONS);

	atomic_set(&um_tlb_fail_kernel_fill.times, 1);
	um_tlb_fail_kernel_fill.probability = 100;
	more = numbered_buffer(test, PAGES);
	um_tlb_fail_kernel_fill.probability = 0;

	KUNIT_EXPECT_EQ(test, counted(UM_TLB_EVICTIONS) - evictions, 1);
	expect_numbered(test, buf, PAGES);
	expect_numbered(test, more, PAGES);
	vfree(more);
	vfree(buf);
#else
	kunit_skip(test, "needs a kernel with CONFIG_FAULT_INJECTION");
#endif
}

static struct kunit_case kernel_cases[] = {
	KUNIT_CASE(contiguous_pages_take_one_call),
	KUNIT_CASE(scattered_pages_are_all_right),
	KUNIT_CASE(an_unmapped_address_is_reported),
	KUNIT_CASE(evicted_pages_come_back),
	KUNIT_CASE(evicted_percpu_data_comes_back),
	KUNIT_CASE(host_calls_find_evicted_buffers),
	KUNIT_CASE(no_room_for_the_kernel_evicts),
	{}
};

static struct kunit_suite kernel_suite = {
	.name = "um_tlb_kernel",
	.test_cases = kernel_cases,
};

kunit_test_suites(&entry_suite, &kernel_suite);
