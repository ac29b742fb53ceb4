// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a virtual address space, and what is done in all processes that have
 * one attached.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>
#include "vas.h"

/**
 * vas_get() - look up a VAS
 * @vid:	its id
 *
 * Return: the VAS, with a reference, or NULL.
 */
struct vas *vas_get(int vid)
{
	struct vas_object *object = vas_object_get(&vas_spaces, vid);

	return object ? to_vas(object) : NULL;
}

static void drop_segments(struct vas *vas)
{
	struct vas_region *region;
	unsigned long addr = 0;

	mt_for_each(&vas->regions.tree, region, addr, ULONG_MAX)
		if (region->segment)
			vas_segment_unused(region->segment);
	vas_regions_remove_all(&vas->regions);
	vas_regions_init(&vas->regions);
	vas->lockable = 0;
}

static int retire_vas(struct vas_object *object, bool force)
{
	struct vas *vas = to_vas(object);

	guard(mutex)(&vas->lock);
	if (list_empty(&vas->attachments))
		drop_segments(vas);
	else if (!force)
		return -EBUSY;
	vas->deleted = true;
	return 0;
}

struct vas_kind vas_spaces = {
	.ids = XARRAY_INIT(vas_spaces.ids, XA_FLAGS_ALLOC1),
	.type = &vas_space_type,
	.retire = retire_vas,
};

/**
 * vas_space_free() - free a VAS that nobody refers to
 * @kobj:	its kobject
 */
void vas_space_free(struct kobject *kobj)
{
	struct vas *vas = container_of(kobj, struct vas, object.kobj);

	drop_segments(vas);
	if (vas->file)
		fput(vas->file);
	vas_user_uncharge(vas->object.payer, 0, vas->bytes);
	vas_object_freed(&vas->object);
	kfree(vas);
}

/**
 * vas_space_new() - make an empty VAS that nobody can find yet
 * @name:	its name, checked by vas_read_name()
 *
 * Return: the VAS, with a reference; NULL without memory.
 */
struct vas *vas_space_new(const char *name)
{
	struct vas *vas = kzalloc_obj(*vas, GFP_KERNEL_ACCOUNT);
	struct file *file;

	if (!vas)
		return NULL;
	vas_object_init(&vas->object, &vas_spaces);
	vas_object_name(&vas->object, name);
	mutex_init(&vas->lock);
	vas_regions_init(&vas->regions);
	INIT_LIST_HEAD(&vas->attachments);

	file = shmem_kernel_file_setup(name, VAS_WINDOW_END - VAS_WINDOW_START,
				       mk_vma_flags(VMA_NORESERVE_BIT));
	if (IS_ERR(file)) {
		vas_put(vas);
		return NULL;
	}
	vas->file = file;
	return vas;
}

/**
 * vas_space_create() - make a VAS
 * @name:	its name, checked by vas_read_name()
 * @mode:	permissions
 *
 * Return: the new id; -EEXIST if the name is taken; -ENOMEM; -ENOSPC if the
 * user owns too many objects.
 */
int vas_space_create(const char *name, umode_t mode)
{
	struct vas *vas = vas_space_new(name);
	int ret;

	if (!vas)
		return -ENOMEM;
	ret = vas_object_add(&vas->object, mode);
	if (!ret)
		ret = vas->object.id;
	vas_put(vas);
	return ret;
}

static int unmap_in(struct mm_struct *mm, unsigned long start,
		    unsigned long len)
{
	LIST_HEAD(uf);
	int err;

	mmap_write_lock(mm);
	err = do_munmap(mm, start, len, &uf);
	mmap_write_unlock(mm);
	userfaultfd_unmap_complete(mm, &uf);
	return err;
}

/**
 * vas_unmap_everywhere() - unmap a range in all processes that have a VAS
 * @vas:	the VAS
 * @start:	first address
 * @end:	first address behind
 *
 * An mm that is on the list has not been taken down: vas_exit_mm() comes first
 * and needs vas.lock.
 *
 * Context: process, vas.lock held; takes the mmap_lock of one mm after another.
 * Return: 0; -ENOMEM, and then some have it unmapped: see vas_map_again().
 */
int vas_unmap_everywhere(struct vas *vas, unsigned long start,
			 unsigned long end)
{
	struct vas_attachment *attachment;
	int err;

	lockdep_assert_held(&vas->lock);
	list_for_each_entry(attachment, &vas->attachments, node) {
		err = unmap_in(attachment->mm,
			       arch_vas_address(attachment->slot, start),
			       end - start);
		if (err)
			return err;
	}
	return 0;
}

/**
 * vas_map_again() - have regions mapped again where they are missing
 * @vas:	the VAS
 * @start:	first address
 * @end:	first address behind
 *
 * Each process does so when it next accesses them.
 *
 * Context: vas.lock held.
 */
void vas_map_again(struct vas *vas, unsigned long start, unsigned long end)
{
	struct vas_region *region;

	lockdep_assert_held(&vas->lock);
	WRITE_ONCE(vas->regions.generation, vas->regions.generation + 1);
	while ((region = vas_region_next(&vas->regions, start, end))) {
		region->generation = vas->regions.generation;
		start = region->end;
	}
}
