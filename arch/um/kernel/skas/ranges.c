// SPDX-License-Identifier: GPL-2.0-only
/*
 * The set of changed ranges: see tlb_ranges.h.
 *
 * Changes mostly come in ascending order (fork, mprotect and munmap walk the
 * page tables upwards), so the search starts at the last range.
 */

#include <tlb_ranges.h>

/* a lies below b with a gap that is too wide to merge them */
static bool far_below(unsigned long a_end, unsigned long b_start)
{
	return b_start > a_end && b_start - a_end > TLB_RANGES_CLOSE;
}

static void remove_at(struct tlb_ranges *set, unsigned int i)
{
	set->nr--;
	for (; i < set->nr; i++)
		set->range[i] = set->range[i + 1];
}

/* Takes range i + 1 into range i. */
static void merge_with_next(struct tlb_ranges *set, unsigned int i)
{
	struct tlb_range *r = &set->range[i], *next = r + 1;

	if (next->end > r->end)
		r->end = next->end;
	r->tables_freed |= next->tables_freed;
	remove_at(set, i + 1);
}

static void merge_closest_pair(struct tlb_ranges *set)
{
	unsigned long gap, smallest = -1UL;
	unsigned int i, best = 0;

	for (i = 0; i + 1 < set->nr; i++) {
		gap = set->range[i + 1].start - set->range[i].end;
		if (gap < smallest) {
			smallest = gap;
			best = i;
		}
	}
	merge_with_next(set, best);
}

static void insert_at(struct tlb_ranges *set, unsigned int i,
		      struct tlb_range new)
{
	unsigned int j;

	for (j = set->nr; j > i; j--)
		set->range[j] = set->range[j - 1];
	set->range[i] = new;
	set->nr++;
}

/**
 * tlb_ranges_add() - note that translations changed
 * @set:		the set
 * @start:		first address
 * @end:		first address behind, above @start
 * @tables_freed:	page tables were freed in the range
 *
 * Return: the range of the set that now covers it.
 */
struct tlb_range *tlb_ranges_add(struct tlb_ranges *set, unsigned long start,
				 unsigned long end, bool tables_freed)
{
	struct tlb_range new = { start, end, tables_freed };
	struct tlb_range *r;
	unsigned int i;

	/* Find the place behind everything that lies far below. */
	for (i = set->nr; i > 0; i--)
		if (far_below(set->range[i - 1].end, start))
			break;

	if (i == set->nr || far_below(end, set->range[i].start)) {
		if (set->nr == TLB_RANGES_MAX) {
			merge_closest_pair(set);
			return tlb_ranges_add(set, start, end, tables_freed);
		}
		insert_at(set, i, new);
		return &set->range[i];
	}

	r = &set->range[i];
	if (start < r->start)
		r->start = start;
	if (end > r->end)
		r->end = end;
	r->tables_freed |= tables_freed;

	while (i + 1 < set->nr && !far_below(r->end, r[1].start))
		merge_with_next(set, i);
	return r;
}
