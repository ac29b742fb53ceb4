// SPDX-License-Identifier: GPL-2.0-only
/*
 * vas_clone: a new VAS with the regions of another one. Segments and mapped
 * files are shared, own memory is copied. After SpaceJMP (ASPLOS 2016), where a
 * clone is a snapshot to work on.
 */

#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include "vas.h"

/* What a clone may do with a segment, its maker must be allowed to do. */
static int share_segment(const struct vas_region *region)
{
	int type = region->prot_max & PROT_WRITE ? O_RDWR : O_RDONLY;
	int err;

	err = vas_object_may(&region->segment->object, type);
	return err ? err : vas_segment_share(region->segment);
}

static int copy_region(struct vas *to, struct vas *from,
		       const struct vas_region *region)
{
	struct vas_region copy = *region;
	unsigned long bytes = 0;
	int err;

	if (region->segment) {
		err = share_segment(region);
		if (err)
			return err;
	} else if (region->file == from->file) {
		copy.file = to->file;
		bytes = region->end - region->start;
		err = vas_user_charge(to->object.payer, 0, bytes);
		if (err)
			return err;
		to->bytes += bytes;
	}

	err = vas_region_add(&to->regions, &copy);
	if (!err)
		to->lockable += region->locking;
	else if (region->segment)
		vas_segment_unused(region->segment);
	return err;
}

static int copy_regions(struct vas *to, struct vas *from)
{
	struct vas_region *region;
	unsigned long addr = 0;
	int err = 0;

	if (mutex_lock_killable(&from->lock))
		return -EINTR;
	mt_for_each(&from->regions.tree, region, addr, ULONG_MAX) {
		err = copy_region(to, from, region);
		if (err)
			break;
	}
	mutex_unlock(&from->lock);
	return err;
}

static int copy_one_page(struct file *to, struct file *from, loff_t offset,
			 void *buffer)
{
	loff_t from_pos = offset, to_pos = offset;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (kernel_read(from, buffer, PAGE_SIZE, &from_pos) != PAGE_SIZE ||
	    kernel_write(to, buffer, PAGE_SIZE, &to_pos) != PAGE_SIZE)
		return -ENOMEM;
	cond_resched();
	return 0;
}

/* Copies the pages of a range that exist, in memory or in swap. */
static int copy_range(struct file *to, struct file *from, loff_t start,
		      loff_t end, void *buffer)
{
	loff_t offset = start;
	int err;

	for (;;) {
		offset = vfs_llseek(from, offset, SEEK_DATA);
		if (offset < 0 || offset >= end)
			return 0;
		offset = round_down(offset, PAGE_SIZE);
		err = copy_one_page(to, from, offset, buffer);
		if (err)
			return err;
		offset += PAGE_SIZE;
	}
}

/* The new VAS is not known to anybody yet, so its regions stay as they are. */
static int copy_memory(struct vas *to, struct vas *from)
{
	void *buffer = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	struct vas_region *region;
	unsigned long addr = 0;
	int err = 0;

	if (!buffer)
		return -ENOMEM;
	mt_for_each(&to->regions.tree, region, addr, ULONG_MAX) {
		if (region->file != to->file)
			continue;
		err = copy_range(to->file, from->file,
				 region->start - VAS_WINDOW_START,
				 region->end - VAS_WINDOW_START, buffer);
		if (err)
			break;
	}
	free_page((unsigned long)buffer);
	return err;
}

/**
 * vas_space_clone() - make a VAS like another one
 * @from:	the VAS to be copied
 * @name:	name of the new one, checked by vas_read_name()
 * @mode:	permissions of the new one
 *
 * Context: process; takes vas.lock of @from for as long as it takes to copy its
 * list of regions.
 * Return: the new id; -EACCES if the caller may not use a segment of @from as
 * @from does; -EBUSY if @from has one alone; -EEXIST; -ENOMEM; -ENOSPC; -EINTR.
 */
int vas_space_clone(struct vas *from, const char *name, umode_t mode)
{
	struct vas *to;
	int ret;

	if (vas_object_find(&vas_spaces, name) > 0)
		return -EEXIST;
	to = vas_space_new(name);
	if (!to)
		return -ENOMEM;

	ret = copy_regions(to, from);
	if (!ret)
		ret = copy_memory(to, from);
	if (!ret)
		ret = vas_object_add(&to->object, mode);
	if (!ret)
		ret = to->object.id;
	vas_put(to);
	return ret;
}
