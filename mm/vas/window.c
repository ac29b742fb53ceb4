// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap(), munmap() and mremap() on window addresses, by a thread inside of a
 * VAS: they make and remove memory of the VAS, for all who have it attached.
 *
 * Anonymous memory is a part of the VAS's own file; where in the file follows
 * from the address, so it cannot move. What is removed is gone for good, also
 * for a later mapping at the same address.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include "../internal.h"
#include "vas.h"

static pgoff_t own_pgoff(unsigned long addr)
{
	return (addr - VAS_WINDOW_START) >> PAGE_SHIFT;
}

static bool range_in_window(unsigned long addr, unsigned long len)
{
	return vas_in_window(addr) && len <= VAS_WINDOW_END - addr;
}

/**
 * vas_mmap_inside() - does mmap() with no address make memory of the VAS?
 */
bool vas_mmap_inside(void)
{
	struct vas_attachment *attachment = vas_current();

	return attachment && (attachment->type & VAS_MMAP_INSIDE);
}

/* Counts own memory between start and end; -EBUSY if there is a segment. */
static long own_bytes(struct vas *vas, unsigned long start, unsigned long end)
{
	struct vas_region *region;
	unsigned long addr = start;
	long bytes = 0;

	while ((region = vas_region_next(&vas->regions, addr, end))) {
		if (region->segment)
			return -EBUSY;
		if (region->file == vas->file)
			bytes += min(end, region->end) -
				 max(start, region->start);
		addr = region->end;
	}
	return bytes;
}

static int remove_locked(struct vas *vas, unsigned long start,
			 unsigned long end)
{
	long bytes = own_bytes(vas, start, end);
	loff_t offset = start - VAS_WINDOW_START;
	int err;

	if (bytes < 0)
		return bytes;

	err = vas_unmap_everywhere(vas, start, end);
	if (!err)
		err = vas_region_remove(&vas->regions, start, end);
	if (err) {
		vas_map_again(vas, start, end);
		return err;
	}

	if (bytes) {
		shmem_truncate_range(file_inode(vas->file), offset,
				     offset + (end - start) - 1);
		vas->bytes -= bytes;
		vas_user_uncharge(vas->object.payer, 0, bytes);
	}
	return 0;
}

/* Finds the address and makes room there. */
static unsigned long choose_address(struct vas *vas, unsigned long addr,
				    unsigned long len, unsigned long flags)
{
	int err;

	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		addr = vas_region_gap(&vas->regions, addr, len);
		return addr ? addr : -ENOMEM;
	}

	if (!range_in_window(addr, len))
		return -ENOMEM;
	if (!vas_region_next(&vas->regions, addr, addr + len))
		return addr;
	if (flags & MAP_FIXED_NOREPLACE)
		return -EEXIST;
	err = remove_locked(vas, addr, addr + len);
	return err ? err : addr;
}

static int add_locked(struct vas *vas, struct vas_region *region)
{
	unsigned long bytes = 0;
	int err;

	if (region->file == vas->file) {
		bytes = region->end - region->start;
		err = vas_user_charge(vas->object.payer, 0, bytes);
		if (err)
			return err;
	}

	err = vas_region_add(&vas->regions, region);
	if (err)
		vas_user_uncharge(vas->object.payer, 0, bytes);
	else
		vas->bytes += bytes;
	return err;
}

static int file_region(struct vas_region *region, struct file *file,
		       unsigned long len, unsigned long flags,
		       unsigned long offset)
{
	long prot_max;

	switch (flags & MAP_TYPE) {
	case MAP_SHARED:
	case MAP_SHARED_VALIDATE:
		break;
	default:
		return -EOPNOTSUPP;	/* memory of a VAS is shared */
	}
	if (offset & ~PAGE_MASK)
		return -EINVAL;
	prot_max = vas_file_prot(file, offset >> PAGE_SHIFT, len);
	if (prot_max < 0)
		return prot_max == -EINVAL ? -ENODEV : prot_max;
	region->prot_max = prot_max;
	if (region->prot & ~region->prot_max)
		return -EACCES;
	region->file = file;
	region->pgoff = offset >> PAGE_SHIFT;
	return 0;
}

static unsigned long mmap_region_locked(struct vas *vas,
					struct vas_region *region,
					unsigned long addr, unsigned long len,
					unsigned long flags)
{
	int err;

	guard(mutex)(&vas->lock);
	addr = choose_address(vas, addr, len, flags);
	if (IS_ERR_VALUE(addr))
		return addr;

	region->start = addr;
	region->end = addr + len;
	if (region->file == vas->file)
		region->pgoff = own_pgoff(addr);
	err = add_locked(vas, region);
	return err ? err : addr;
}

/*
 * Has what was added mapped in the current process, or removes it: there may be no
 * room for it, or a file may refuse.
 */
static int map_or_remove(const struct vas_attachment *attachment,
			 unsigned long addr, unsigned long len)
{
	struct mm_struct *mm = attachment->mm;
	int err = vas_catch_up();
	bool mapped;

	mmap_read_lock(mm);
	mapped = vma_lookup(mm, arch_vas_address(attachment->slot, addr));
	mmap_read_unlock(mm);
	if (mapped)
		return 0;
	vas_munmap(addr, len);
	return err ?: -ENODEV;
}

/* Locks memory that has just been made, as it is for MAP_LOCKED; or removes it. */
static int lock_or_remove(const struct vas_attachment *attachment,
			  unsigned long addr, unsigned long len,
			  vma_flags_t flags)
{
	int err = do_mlock(arch_vas_address(attachment->slot, addr), len,
			   &flags);

	if (err)
		vas_munmap(addr, len);
	return err ? -EAGAIN : 0;
}

/**
 * vas_mmap() - mmap() by a thread inside of a VAS that is to make VAS memory
 * @addr:	address or hint, in the window; or 0
 * @len:	length, bytes
 * @prot:	PROT_*
 * @flags:	MAP_*; anonymous memory is shared whatever they say
 * @fd:		file descriptor, unless MAP_ANONYMOUS
 * @offset:	offset in the file, bytes
 *
 * Context: process, inside of a VAS.
 * Return: the address; -EINVAL if a length or alignment is wrong; -EACCES if the
 * VAS is attached read-only, or the file is not open in a way that allows it;
 * -EEXIST for MAP_FIXED_NOREPLACE if something is there; -EBUSY if a segment is;
 * -EBADF; -ENODEV if the file cannot be mapped; -EOVERFLOW if no file is as
 * large; -EOPNOTSUPP for a private mapping of a file; -ENOMEM, also if the
 * range is not all in the window or a limit of the owner's or the process's is
 * reached; -EINTR if the thread was killed. With MAP_LOCKED: -EPERM if the process
 * may lock nothing; -EAGAIN if not as much.
 */
unsigned long vas_mmap(unsigned long addr, unsigned long len,
		       unsigned long prot, unsigned long flags,
		       unsigned long fd, unsigned long offset)
{
	struct vas_attachment *attachment = vas_current();
	struct vas *vas = attachment->vas;
	struct vas_region region = {
		.file = vas->file,
		.prot = prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
		.prot_max = PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	struct file *file = NULL;
	unsigned long ret;
	int err;

	if (!vas_type_writes(attachment->type))
		return -EACCES;
	if (!len || (flags & (MAP_GROWSDOWN | MAP_HUGETLB)))
		return -EINVAL;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (addr & ~PAGE_MASK)
			return -EINVAL;
	} else {
		addr = PAGE_ALIGN(addr);
	}
	if (len > VAS_WINDOW_END - VAS_WINDOW_START)
		return -ENOMEM;
	if ((flags & MAP_LOCKED) && !can_do_mlock())
		return -EPERM;
	len = PAGE_ALIGN(len);

	if (!(flags & MAP_ANONYMOUS)) {
		file = fget(fd);
		if (!file)
			return -EBADF;
		ret = file_region(&region, file, len, flags, offset);
		if (ret)
			goto out;
	}

	ret = mmap_region_locked(vas, &region, addr, len, flags);
	if (IS_ERR_VALUE(ret))
		goto out;

	err = map_or_remove(attachment, ret, len);
	if (!err && (flags & MAP_LOCKED))
		err = lock_or_remove(attachment, ret, len,
				     mk_vma_flags(VMA_LOCKED_BIT));
	if (err)
		ret = err;
	else if (flags & MAP_POPULATE)
		mm_populate(arch_vas_address(attachment->slot, ret), len);
out:
	if (file)
		fput(file);
	return ret;
}

/**
 * vas_munmap() - munmap() of window addresses by a thread inside of a VAS
 * @addr:	first address, in the window
 * @len:	length, bytes
 *
 * When this returns, no process that has the VAS can access the memory.
 *
 * Context: process, inside of a VAS.
 * Return: 0; -EINVAL if address or length is wrong, or the range is not all in
 * the window; -EACCES if the VAS is attached read-only; -EBUSY if there is a
 * segment in the range; -ENOMEM.
 */
int vas_munmap(unsigned long addr, unsigned long len)
{
	struct vas_attachment *attachment = vas_current();
	struct vas *vas = attachment->vas;

	if ((addr & ~PAGE_MASK) || !len || !range_in_window(addr, len))
		return -EINVAL;
	if (!vas_type_writes(attachment->type))
		return -EACCES;

	guard(mutex)(&vas->lock);
	return remove_locked(vas, addr, addr + PAGE_ALIGN(len));
}

/* Lets a region that ends at end go on for bytes more. */
static int grow_locked(struct vas *vas, unsigned long end, unsigned long bytes)
{
	struct vas_region region, *last;

	last = vas_region_next(&vas->regions, end - 1, end);
	if (!last || last->end != end)
		return -EFAULT;
	if (last->file != vas->file || !range_in_window(end - 1, bytes + 1) ||
	    vas_region_next(&vas->regions, end, end + bytes))
		return -ENOMEM;

	region = *last;
	region.start = end;
	region.end = end + bytes;
	region.pgoff = own_pgoff(end);
	return add_locked(vas, &region);
}

/* What grows stays locked as it was. */
static int lock_grown(const struct vas_attachment *attachment,
		      unsigned long end, unsigned long bytes)
{
	struct mm_struct *mm = attachment->mm;
	vma_flags_t flags = EMPTY_VMA_FLAGS;
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, arch_vas_address(attachment->slot, end - 1));
	if (vma)
		flags = vma_flags_and_mask(&vma->flags, VMA_LOCKED_MASK);
	mmap_read_unlock(mm);
	if (!vma_flags_test(&flags, VMA_LOCKED_BIT))
		return 0;
	return lock_or_remove(attachment, end, bytes, flags);
}

/**
 * vas_mremap() - mremap() of window addresses by a thread inside of a VAS
 * @addr:	first address, in the window
 * @old_len:	length so far, bytes
 * @new_len:	length wanted, bytes
 * @flags:	MREMAP_*
 *
 * Memory of a VAS does not move: it grows and shrinks where it is.
 *
 * Context: process, inside of a VAS.
 * Return: @addr; -EINVAL if address, length or flags are wrong; -EFAULT if the
 * old range does not end where memory of the VAS does; -ENOMEM if it cannot
 * grow in place; -EAGAIN if it is locked, and what is new cannot be; or as
 * vas_munmap().
 */
unsigned long vas_mremap(unsigned long addr, unsigned long old_len,
			 unsigned long new_len, unsigned long flags)
{
	struct vas_attachment *attachment = vas_current();
	struct vas *vas = attachment->vas;
	int err;

	if ((addr & ~PAGE_MASK) || (flags & ~MREMAP_MAYMOVE) ||
	    !old_len || !new_len || !range_in_window(addr, old_len))
		return -EINVAL;
	if (!range_in_window(addr, new_len))
		return -ENOMEM;
	if (!vas_type_writes(attachment->type))
		return -EACCES;

	old_len = PAGE_ALIGN(old_len);
	new_len = PAGE_ALIGN(new_len);
	if (new_len < old_len) {
		err = vas_munmap(addr + new_len, old_len - new_len);
	} else if (new_len > old_len) {
		scoped_guard(mutex, &vas->lock)
			err = grow_locked(vas, addr + old_len,
					  new_len - old_len);
		if (!err)
			err = map_or_remove(attachment, addr + old_len,
					    new_len - old_len);
		if (!err)
			err = lock_grown(attachment, addr + old_len,
					 new_len - old_len);
	} else {
		err = 0;
	}
	return err ? err : addr;
}
