// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments: memory with a name at a fixed range of the window, which any number
 * of VASes can have. Its memory is a shmem file, or a regular file that the
 * creator has open; then it outlives the segment, and a reboot.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include "vas.h"

/**
 * vas_segment_get() - look up a segment
 * @sid:	its id
 *
 * Return: the segment, with a reference, or NULL.
 */
struct vas_segment *vas_segment_get(int sid)
{
	struct vas_object *object = vas_object_get(&vas_segments, sid);

	return object ? to_segment(object) : NULL;
}

static int retire_segment(struct vas_object *object, bool force)
{
	struct vas_segment *segment = to_segment(object);

	guard(mutex)(&segment->lock);
	if (segment->attached && !force)
		return -EBUSY;
	segment->deleted = true;
	return 0;
}

struct vas_kind vas_segments = {
	.ids = XARRAY_INIT(vas_segments.ids, XA_FLAGS_ALLOC1),
	.type = &vas_segment_type,
	.retire = retire_segment,
};

/**
 * vas_segment_free() - free a segment that nobody refers to
 * @kobj:	its kobject
 */
void vas_segment_free(struct kobject *kobj)
{
	struct vas_segment *segment = container_of(kobj, struct vas_segment,
						   object.kobj);

	if (segment->file) {
		vas_user_uncharge(segment->object.payer, 0,
				  segment->end - segment->start);
		fput(segment->file);
	}
	vas_object_freed(&segment->object);
	kfree(segment);
}

static bool writable_file(struct file *file)
{
	vma_flags_t flags = mk_vma_flags(VMA_SHARED_BIT, VMA_WRITE_BIT);

	return (file->f_mode & FMODE_WRITE) &&
	       !IS_SWAPFILE(file->f_mapping->host) &&
	       !memfd_check_seals_mmap(file, &flags);
}

/**
 * vas_file_prot() - what a file that is to be memory of a VAS allows
 * @file:	the file
 * @pgoff:	from where on it is wanted, in pages
 * @len:	how much of it, in bytes
 *
 * The rules are those of mmap() with MAP_SHARED.
 *
 * Return: PROT_*; -EINVAL if it is no regular file; -EACCES if it is not open
 * for reading, or open for writing and to be appended to only; -ENODEV if it
 * cannot be mapped; -EOVERFLOW if no file is as large.
 */
long vas_file_prot(struct file *file, pgoff_t pgoff, unsigned long len)
{
	struct inode *inode = file_inode(file);
	pgoff_t end = inode->i_sb->s_maxbytes >> PAGE_SHIFT;
	long prot = PROT_READ;

	if (!S_ISREG(inode->i_mode) || is_file_hugepages(file))
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ) ||
	    (IS_APPEND(inode) && (file->f_mode & FMODE_WRITE)))
		return -EACCES;
	if (!can_mmap_file(file))
		return -ENODEV;
	if (pgoff > end || len >> PAGE_SHIFT > end - pgoff)
		return -EOVERFLOW;
	if (writable_file(file))
		prot |= PROT_WRITE;
	if (!path_noexec(&file->f_path))
		prot |= PROT_EXEC;
	return prot;
}

/* Charges the owner, and finds or makes the memory. */
static int give_memory(struct vas_segment *segment, struct file *file)
{
	unsigned long len = segment->end - segment->start;
	long prot;
	int err;

	if (file) {
		prot = vas_file_prot(file, 0, len);
		if (prot < 0)
			return prot;
		segment->prot_max = prot;
		get_file(file);
	} else {
		segment->prot_max = PROT_READ | PROT_WRITE | PROT_EXEC;
		file = shmem_kernel_file_setup(segment->object.name, len,
					       mk_vma_flags(VMA_NORESERVE_BIT));
		if (IS_ERR(file))
			return -ENOMEM;
	}

	err = vas_user_charge(segment->object.payer, 0, len);
	if (err)
		fput(file);
	else
		segment->file = file;
	return err;
}

/**
 * vas_segment_create() - make a segment
 * @name:	its name, checked by vas_read_name()
 * @start:	first address, page aligned
 * @end:	first address behind, page aligned, above @start
 * @mode:	permissions
 * @file:	its memory, or NULL for a new shmem file
 *
 * Return: the new id; -EEXIST if the name is taken; -ENOMEM; -ENOSPC if the
 * user owns too many objects; -EFAULT if the range is not all in the window;
 * for @file also the errors of vas_file_prot().
 */
int vas_segment_create(const char *name, unsigned long start,
		       unsigned long end, umode_t mode, struct file *file)
{
	struct vas_segment *segment;
	int ret;

	if (vas_object_find(&vas_segments, name) > 0)
		return -EEXIST;

	segment = kzalloc_obj(*segment, GFP_KERNEL_ACCOUNT);
	if (!segment)
		return -ENOMEM;
	vas_object_init(&segment->object, &vas_segments);
	mutex_init(&segment->lock);
	vas_segment_lock_init(segment);
	segment->start = start;
	segment->end = end;

	ret = -EFAULT;
	if (!vas_in_window(start) || end > VAS_WINDOW_END)
		goto out;

	vas_object_name(&segment->object, name);
	ret = give_memory(segment, file);
	if (!ret)
		ret = vas_object_add(&segment->object, mode);
	if (!ret)
		ret = segment->object.id;
out:
	vas_segment_put(segment);
	return ret;
}

static struct vas_region *find_region(struct vas *vas,
				      struct vas_segment *segment)
{
	struct vas_region *region;

	region = vas_region_next(&vas->regions, segment->start, segment->end);
	return region && region->segment == segment ? region : NULL;
}

static int attach_locked(struct vas *vas, struct vas_segment *segment,
			 int type)
{
	struct vas_region region = {
		.start = segment->start,
		.end = segment->end,
		.file = segment->file,
		.prot = PROT_READ,
		.prot_max = segment->prot_max,
		.segment = segment,
		.locking = type & VAS_SEG_LOCK,
	};
	int err;

	if (vas->deleted || segment->deleted)
		return -EINVAL;
	if (find_region(vas, segment))
		return 0;
	if (segment->sole || ((type & O_EXCL) && segment->attached))
		return -EBUSY;

	if (!vas_type_writes(type))
		region.prot_max &= ~PROT_WRITE;
	else if (region.prot_max & PROT_WRITE)
		region.prot |= PROT_WRITE;
	else
		return -EACCES;

	err = vas_region_add(&vas->regions, &region);
	if (err)
		return err == -EEXIST ? -EFAULT : err;
	segment->attached++;
	segment->sole = type & O_EXCL;
	WRITE_ONCE(vas->lockable, vas->lockable + region.locking);
	return 0;
}

/**
 * vas_segment_attach() - let a VAS have a segment
 * @vas:	the VAS, which the caller may write
 * @segment:	the segment, which the caller may use in this way
 * @type:	O_RDONLY, O_WRONLY, O_RDWR; with O_EXCL to have it alone; with
 *		VAS_SEG_LOCK to take its lock on entry
 *
 * Processes inside of the VAS have it from their next access on.
 *
 * Context: process; takes vas.lock and vas_segment.lock.
 * Return: 0, also if it has it already; -EINVAL if one of them is deleted;
 * -EBUSY if another VAS has it and one of the two wants it alone; -EACCES if
 * its file is not open for writing; -EFAULT if something else is at its
 * addresses; -ENOMEM.
 */
int vas_segment_attach(struct vas *vas, struct vas_segment *segment, int type)
{
	guard(mutex)(&vas->lock);
	guard(mutex)(&segment->lock);
	return attach_locked(vas, segment, type);
}

/**
 * vas_segment_share() - let one more VAS have a segment that another one has
 * @segment:	the segment
 *
 * Return: 0; -EBUSY if the other one has it alone.
 */
int vas_segment_share(struct vas_segment *segment)
{
	guard(mutex)(&segment->lock);
	if (segment->sole)
		return -EBUSY;
	segment->attached++;
	return 0;
}

/**
 * vas_segment_unused() - note that a VAS has a segment no more
 * @segment:	the segment
 */
void vas_segment_unused(struct vas_segment *segment)
{
	guard(mutex)(&segment->lock);
	segment->attached--;
	segment->sole = false;
}

/**
 * vas_segment_detach() - take a segment away from a VAS
 * @vas:	the VAS, which the caller may write
 * @segment:	the segment
 *
 * When this returns, no process can access the segment through the VAS.
 *
 * Context: process; takes vas.lock and the mmap_lock of those who have the VAS.
 * Return: 0; -EINVAL if the VAS does not have it; -EBUSY if it has the segment
 * with its lock, and a thread holds that; -ENOMEM.
 */
int vas_segment_detach(struct vas *vas, struct vas_segment *segment)
{
	struct vas_region *region;
	bool locking;
	int err;

	guard(mutex)(&vas->lock);
	region = find_region(vas, segment);
	if (!region)
		return -EINVAL;
	locking = region->locking;
	if (locking && READ_ONCE(segment->holders))
		return -EBUSY;

	err = vas_unmap_everywhere(vas, segment->start, segment->end);
	if (!err)
		err = vas_region_remove(&vas->regions, segment->start,
					segment->end);
	if (err) {
		vas_map_again(vas, segment->start, segment->end);
		return err;
	}
	WRITE_ONCE(vas->lockable, vas->lockable - locking);
	vas_segment_unused(segment);
	return 0;
}
