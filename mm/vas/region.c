// SPDX-License-Identifier: GPL-2.0-only
/*
 * The regions of a VAS: ranges of the window that do not overlap, each with the
 * file that is its memory. Neighbours which continue each other in the same
 * file are one region, so a heap that grows by small steps stays one.
 *
 * Nothing here locks (vas.lock does) and nothing here knows of mms: a region is
 * mapped in the processes that have the VAS by attach.c. Tested by KUnit.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "vas.h"

/**
 * vas_regions_init() - start with no region
 * @regions:	the regions of a new VAS
 */
void vas_regions_init(struct vas_regions *regions)
{
	mt_init_flags(&regions->tree, MT_FLAGS_ALLOC_RANGE);
	regions->generation = 0;
}

static struct vas_region *new_region(const struct vas_region *from)
{
	struct vas_region *region = kmemdup(from, sizeof(*from),
					    GFP_KERNEL_ACCOUNT);

	if (!region)
		return NULL;
	get_file(region->file);
	if (region->segment)
		vas_object_get_ref(&region->segment->object);
	return region;
}

static void free_region(struct vas_region *region)
{
	fput(region->file);
	if (region->segment)
		vas_object_put(&region->segment->object);
	kfree(region);
}

static int store(struct vas_regions *regions, unsigned long start,
		 unsigned long end, struct vas_region *region)
{
	return mtree_store_range(&regions->tree, start, end - 1, region,
				 GFP_KERNEL_ACCOUNT);
}

/* The offset in the file, in pages, that an address of the region has. */
static pgoff_t pgoff_at(const struct vas_region *region, unsigned long addr)
{
	return region->pgoff + ((addr - region->start) >> PAGE_SHIFT);
}

static bool continues(const struct vas_region *left,
		      const struct vas_region *right)
{
	return left->end == right->start && left->file == right->file &&
	       !left->segment && !right->segment &&
	       left->prot == right->prot && left->prot_max == right->prot_max &&
	       pgoff_at(left, right->start) == right->pgoff;
}

/**
 * vas_region_next() - the first region that reaches into a range
 * @regions:	the regions
 * @addr:	first address of the range
 * @end:	first address behind
 *
 * Return: the region; NULL if the range is empty.
 */
struct vas_region *vas_region_next(struct vas_regions *regions,
				   unsigned long addr, unsigned long end)
{
	if (addr >= end)
		return NULL;
	return mt_find(&regions->tree, &addr, end - 1);
}

/**
 * vas_region_add() - add a region
 * @regions:	the regions
 * @new:	what to add; file and segment get a reference more
 *
 * Return: 0; -EEXIST if something is there already; -ENOMEM.
 */
int vas_region_add(struct vas_regions *regions, const struct vas_region *new)
{
	struct vas_region *left, *region;
	int err;

	if (vas_region_next(regions, new->start, new->end))
		return -EEXIST;

	left = mtree_load(&regions->tree, new->start - 1);
	if (left && continues(left, new)) {
		err = store(regions, left->start, new->end, left);
		if (err)
			return err;
		left->end = new->end;
		left->generation = ++regions->generation;
		return 0;
	}

	region = new_region(new);
	if (!region)
		return -ENOMEM;
	err = store(regions, region->start, region->end, region);
	if (err) {
		free_region(region);
		return err;
	}
	region->generation = ++regions->generation;
	return 0;
}

/* Makes a region end at addr, and another one of what lay behind. */
static int split(struct vas_regions *regions, struct vas_region *region,
		 unsigned long addr)
{
	struct vas_region *behind = new_region(region);
	int err;

	if (!behind)
		return -ENOMEM;
	behind->pgoff = pgoff_at(region, addr);
	behind->start = addr;
	err = store(regions, addr, behind->end, behind);
	if (err) {
		free_region(behind);
		return err;
	}
	region->end = addr;
	return 0;
}

static int split_at(struct vas_regions *regions, unsigned long addr)
{
	struct vas_region *region = mtree_load(&regions->tree, addr);

	if (!region || region->start == addr)
		return 0;
	return split(regions, region, addr);
}

/**
 * vas_region_remove() - remove all regions of a range, and parts of regions
 * @regions:	the regions
 * @start:	first address
 * @end:	first address behind
 *
 * Return: 0; -ENOMEM, and then nothing is removed.
 */
int vas_region_remove(struct vas_regions *regions, unsigned long start,
		      unsigned long end)
{
	struct vas_region *region;
	int err;

	err = split_at(regions, start);
	if (!err)
		err = split_at(regions, end);
	if (err)
		return err;

	/* Erasing does not fail: the maple tree waits for memory. */
	while ((region = vas_region_next(regions, start, end))) {
		mtree_erase(&regions->tree, region->start);
		free_region(region);
	}
	return 0;
}

/**
 * vas_regions_remove_all() - remove all regions and the tree
 * @regions:	the regions of a VAS that goes
 */
void vas_regions_remove_all(struct vas_regions *regions)
{
	struct vas_region *region;
	unsigned long addr = 0;

	mt_for_each(&regions->tree, region, addr, ULONG_MAX)
		free_region(region);
	mtree_destroy(&regions->tree);
}

/**
 * vas_region_gap() - find room for a new region
 * @regions:	the regions
 * @hint:	the address that is liked best, page aligned, or 0
 * @len:	how much room, in bytes, whole pages
 *
 * Return: @hint if there is room; else the lowest address with room; 0 if
 * there is none.
 */
unsigned long vas_region_gap(struct vas_regions *regions, unsigned long hint,
			     unsigned long len)
{
	MA_STATE(mas, &regions->tree, 0, 0);
	unsigned long addr = 0;

	if (len > VAS_WINDOW_END - VAS_WINDOW_START)
		return 0;
	if (vas_in_window(hint) && hint <= VAS_WINDOW_END - len &&
	    !vas_region_next(regions, hint, hint + len))
		return hint;

	mas_lock(&mas);
	if (!mas_empty_area(&mas, VAS_WINDOW_START, VAS_WINDOW_END - 1, len))
		addr = mas.index;
	mas_unlock(&mas);
	return addr;
}
