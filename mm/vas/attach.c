// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attachments: a VAS in a slot of a process, and the threads that are inside.
 *
 * Attaching takes a slot and no more. The first thread to enter has the regions
 * mapped there; regions that come later are mapped when a thread enters next or
 * touches them. A switch then looks up the attachment, counts itself in and out
 * and changes the thread's slot; it takes no lock and touches no mapping.
 */

#include <linux/mm.h>
#include <linux/memfd.h>	/* needs mm.h */
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "../internal.h"
#include "vas.h"

/* vas_attachment.inside of an attachment that is going away */
#define DETACHING	(-1)

/**
 * vas_current() - the attachment that the current thread is inside of
 *
 * Return: the attachment, which stays while the thread does not leave; NULL in
 * the process's original address space.
 */
struct vas_attachment *vas_current(void)
{
	return *arch_vas_inside(current);
}

static void put_attachment(struct vas_attachment *attachment)
{
	if (!refcount_dec_and_test(&attachment->refs))
		return;
	vas_put(attachment->vas);
	mmdrop(attachment->mm);
	kfree_rcu(attachment, rcu);
}

/* The attachments of an mm; made by the first who asks. */
static struct vas_mm *get_vas_mm(struct mm_struct *mm)
{
	struct vas_mm **place = arch_vas_mm(mm), *vas_mm, *old;

	vas_mm = smp_load_acquire(place);	/* pairs with cmpxchg() below */
	if (vas_mm)
		return vas_mm;

	vas_mm = kzalloc_obj(*vas_mm, GFP_KERNEL_ACCOUNT);
	if (!vas_mm)
		return NULL;
	mutex_init(&vas_mm->lock);
	xa_init(&vas_mm->by_id);
	__set_bit(0, vas_mm->slots);

	old = cmpxchg(place, NULL, vas_mm);
	if (!old)
		return vas_mm;
	kfree(vas_mm);
	return old;
}

/*
 * Mapping
 */

/* A file may have been sealed against writing since the region was made. */
static vma_flags_t sealed(struct file *file, vma_flags_t flags)
{
	if (memfd_check_seals_mmap(file, &flags)) {
		vma_flags_clear(&flags, VMA_WRITE_BIT);
		memfd_check_seals_mmap(file, &flags);
	}
	return flags;
}

/*
 * What is in a VAS outlives the process, and may be far more than a core file
 * can hold: it is dumped only where madvise(MADV_DODUMP) has asked for it. For the
 * same reason mlockall(MCL_FUTURE) locks it as it is touched, whether MCL_ONFAULT
 * is given or not.
 */
static vma_flags_t region_flags(const struct vas_attachment *attachment,
				const struct vas_region *region)
{
	unsigned long prot = region->prot, prot_max = region->prot_max;
	vm_flags_t flags;

	if (!vas_type_writes(attachment->type)) {
		prot &= ~PROT_WRITE;
		prot_max &= ~PROT_WRITE;
	}

	flags = VM_SHARED | VM_MAYSHARE | VM_NORESERVE | VM_DONTCOPY |
		VM_DONTDUMP | calc_vm_prot_bits(prot, 0);
	flags |= calc_vm_prot_bits(prot_max, 0) << 4;	/* VM_MAY... */
	if (attachment->mm->def_flags & VM_LOCKED)
		flags |= VM_LOCKED | VM_LOCKONFAULT;
	return sealed(region->file, legacy_to_vma_flags(flags));
}

/* Maps what is missing of a region between addr and end, in the slot. */
static int map_holes(struct vas_attachment *attachment,
		     const struct vas_region *region)
{
	struct mm_struct *mm = attachment->mm;
	vma_flags_t flags = region_flags(attachment, region);
	unsigned long offset = arch_vas_address(attachment->slot, 0);
	unsigned long addr = region->start, hole_end, ret;
	struct vm_area_struct *vma;

	while (addr < region->end) {
		vma = find_vma_intersection(mm, offset + addr,
					    offset + region->end);
		hole_end = vma ? vma->vm_start - offset : region->end;
		if (addr < hole_end) {
			if (mm->map_count >= get_sysctl_max_map_count() ||
			    !mlock_future_ok(mm, mm->def_flags & VM_LOCKED,
					     hole_end - addr))
				return -ENOMEM;
			ret = mmap_region(region->file, offset + addr,
					  hole_end - addr, flags,
					  region->pgoff +
					  ((addr - region->start) >> PAGE_SHIFT),
					  NULL);
			if (IS_ERR_VALUE(ret))
				return ret;
		}
		if (!vma)
			break;
		/* A neighbour may have merged with what was just mapped. */
		addr = hole_end;
		vma = find_vma(mm, offset + addr);
		if (vma)
			addr = vma->vm_end - offset;
	}
	return 0;
}

/*
 * A file may refuse to be mapped, for reasons that only it knows; then there is
 * nothing, and the rest of the VAS can be used all the same.
 */
static int map_regions(struct vas_attachment *attachment)
{
	struct vas *vas = attachment->vas;
	struct vas_region *region;
	unsigned long addr = 0;

	mt_for_each(&vas->regions.tree, region, addr, ULONG_MAX)
		if (region->generation > attachment->generation &&
		    map_holes(attachment, region) == -ENOMEM)
			return -ENOMEM;
	WRITE_ONCE(attachment->generation, vas->regions.generation);
	return 0;
}

/**
 * vas_attachment_map() - map the regions that are not mapped yet
 * @attachment:	an attachment of the current process
 *
 * Context: process; takes vas.lock and the mmap_lock.
 * Return: 0; -EINTR if the thread was killed; -ENOMEM, also if there would be
 * too many mappings, or more address space than RLIMIT_AS allows, or after
 * mlockall(MCL_FUTURE) more locked memory than RLIMIT_MEMLOCK does.
 */
int vas_attachment_map(struct vas_attachment *attachment)
{
	struct vas *vas = attachment->vas;
	int err = -EINTR;

	if (mutex_lock_killable(&vas->lock))
		return -EINTR;
	if (!mmap_write_lock_killable(attachment->mm)) {
		err = map_regions(attachment);
		mmap_write_unlock(attachment->mm);
	}
	mutex_unlock(&vas->lock);
	return err;
}

static bool up_to_date(struct vas_attachment *attachment)
{
	return READ_ONCE(attachment->generation) ==
	       READ_ONCE(attachment->vas->regions.generation);
}

/**
 * vas_catch_up() - have the regions of the current VAS mapped in this process
 *
 * To be called when the thread touches the window, before its mm is asked.
 *
 * Context: process, no lock held.
 * Return: 0; -EINTR if the thread was killed; -ENOMEM.
 */
int vas_catch_up(void)
{
	struct vas_attachment *attachment = vas_current();

	if (!attachment || up_to_date(attachment))
		return 0;
	return vas_attachment_map(attachment);
}

static int unmap_slot(struct vas_attachment *attachment)
{
	unsigned long start = arch_vas_address(attachment->slot,
					       VAS_WINDOW_START);
	struct mm_struct *mm = attachment->mm;
	int err;

	mmap_write_lock(mm);
	err = do_munmap(mm, start, VAS_WINDOW_END - VAS_WINDOW_START, NULL);
	mmap_write_unlock(mm);
	return err;
}

/*
 * Attach and detach
 */

static struct vas_attachment *new_attachment(struct mm_struct *mm,
					     struct vas *vas, int type)
{
	struct vas_attachment *attachment;

	attachment = kzalloc_obj(*attachment, GFP_KERNEL_ACCOUNT);
	if (!attachment)
		return NULL;
	refcount_set(&attachment->refs, 1);
	vas_object_get_ref(&vas->object);
	attachment->vas = vas;
	mmgrab(mm);
	attachment->mm = mm;
	attachment->type = type;
	return attachment;
}

static int may_join(struct vas *vas, int type)
{
	lockdep_assert_held(&vas->lock);
	if (vas->deleted)
		return -EINVAL;
	if (vas->sole || ((type & O_EXCL) && !list_empty(&vas->attachments)))
		return -EBUSY;
	return 0;
}

static int join_vas(struct vas_attachment *attachment)
{
	struct vas *vas = attachment->vas;
	int err;

	guard(mutex)(&vas->lock);
	err = may_join(vas, attachment->type);
	if (err)
		return err;
	list_add_tail(&attachment->node, &vas->attachments);
	vas->sole = attachment->type & O_EXCL;
	return 0;
}

static void part_from_vas(struct vas_attachment *attachment)
{
	struct vas *vas = attachment->vas;

	guard(mutex)(&vas->lock);
	list_del_init(&attachment->node);
	vas->sole = false;
}

static int take_slot(struct vas_mm *vas_mm, struct mm_struct *mm,
		     struct vas *vas, int type)
{
	struct vas_attachment *attachment;
	unsigned int slot;
	int err;

	/* Whether the VAS can be had is told before a want of slots. */
	scoped_guard(mutex, &vas->lock)
		err = may_join(vas, type);
	if (err)
		return err;

	slot = find_first_zero_bit(vas_mm->slots, ARCH_VAS_SLOTS + 1);
	if (slot > ARCH_VAS_SLOTS)
		return -ENOMEM;
	attachment = new_attachment(mm, vas, type);
	if (!attachment)
		return -ENOMEM;
	attachment->slot = slot;

	err = xa_reserve(&vas_mm->by_id, vas->object.id, GFP_KERNEL_ACCOUNT);
	if (err)
		goto put;
	err = join_vas(attachment);
	if (err)
		goto release;

	__set_bit(slot, vas_mm->slots);
	xa_store(&vas_mm->by_id, vas->object.id, attachment, 0);
	return 0;

release:
	xa_release(&vas_mm->by_id, vas->object.id);
put:
	put_attachment(attachment);
	return err;
}

static int detach_locked(struct vas_mm *vas_mm, int vid)
{
	struct vas_attachment *attachment = xa_load(&vas_mm->by_id, vid);
	int err;

	if (!attachment)
		return -EINVAL;
	if (atomic_cmpxchg(&attachment->inside, 0, DETACHING))
		return -EBUSY;

	err = unmap_slot(attachment);
	if (err) {
		/* Some of it may be gone: let it be mapped again. */
		WRITE_ONCE(attachment->generation, 0);
		atomic_set_release(&attachment->inside, 0);
		return err;
	}

	xa_erase(&vas_mm->by_id, vid);
	part_from_vas(attachment);
	__clear_bit(attachment->slot, vas_mm->slots);
	put_attachment(attachment);
	return 0;
}

/* Without lazy attach, a process that attaches for itself maps at once. */
static int attach_eagerly(struct vas_mm *vas_mm, int vid)
{
	struct vas_attachment *attachment = xa_load(&vas_mm->by_id, vid);
	unsigned long start;
	int err;

	err = vas_attachment_map(attachment);
	if (!err)
		err = arch_vas_prepare(attachment->mm, attachment->slot);
	if (err)
		return err;
	arch_vas_forgo(attachment->mm, attachment->slot);

	start = arch_vas_address(attachment->slot, VAS_WINDOW_START);
	mm_populate(start, VAS_WINDOW_END - VAS_WINDOW_START);
	return 0;
}

static int attach_locked(struct vas_mm *vas_mm, struct mm_struct *mm,
			 struct vas *vas, int type)
{
	int vid = vas->object.id, err;

	if (xa_load(&vas_mm->by_id, vid))
		return 0;
	err = take_slot(vas_mm, mm, vas, type);
	if (err || IS_ENABLED(CONFIG_VAS_LAZY_ATTACH) || mm != current->mm)
		return err;

	err = attach_eagerly(vas_mm, vid);
	if (err)
		detach_locked(vas_mm, vid);
	return err;
}

/**
 * vas_attach_mm() - attach a VAS to a process
 * @mm:		the memory of the process; the caller uses it (mm_users)
 * @vas:	the VAS, which the caller may use in this way
 * @type:	O_RDONLY, O_WRONLY or O_RDWR; with O_EXCL, VAS_MMAP_INSIDE
 *
 * Context: process; takes vas_mm.lock and vas.lock.
 * Return: 0, also if it is attached already; -EINVAL if it is deleted; -EBUSY if
 * somebody has it and one of the two wants it alone; -ENOMEM, also if the
 * process has ARCH_VAS_SLOTS of them; -EINTR if the thread was killed.
 */
int vas_attach_mm(struct mm_struct *mm, struct vas *vas, int type)
{
	struct vas_mm *vas_mm = get_vas_mm(mm);
	int err;

	if (!vas_mm)
		return -ENOMEM;
	if (mutex_lock_killable(&vas_mm->lock))
		return -EINTR;

	err = attach_locked(vas_mm, mm, vas, type);
	mutex_unlock(&vas_mm->lock);
	return err;
}

/**
 * vas_detach_mm() - detach a VAS from a process
 * @mm:		the memory of the process; the caller uses it (mm_users)
 * @vid:	id of the VAS
 *
 * Context: process; takes vas_mm.lock, the mmap_lock and vas.lock.
 * Return: 0; -EINVAL if it is not attached; -EBUSY if a thread is inside;
 * -ENOMEM; -EINTR if the thread was killed.
 */
int vas_detach_mm(struct mm_struct *mm, int vid)
{
	/* pairs with get_vas_mm() */
	struct vas_mm *vas_mm = smp_load_acquire(arch_vas_mm(mm));
	int err;

	if (!vas_mm)
		return -EINVAL;
	if (mutex_lock_killable(&vas_mm->lock))
		return -EINTR;
	err = detach_locked(vas_mm, vid);
	mutex_unlock(&vas_mm->lock);
	return err;
}

/**
 * vas_exit_mm() - detach all from an mm that no thread uses any more
 * @mm:		the mm, before its mappings go
 *
 * Context: process; takes vas.lock.
 */
void vas_exit_mm(struct mm_struct *mm)
{
	struct vas_mm **place = arch_vas_mm(mm), *vas_mm = *place;
	struct vas_attachment *attachment;
	unsigned long vid;

	if (!vas_mm)
		return;

	xa_for_each(&vas_mm->by_id, vid, attachment) {
		part_from_vas(attachment);
		put_attachment(attachment);
	}
	xa_destroy(&vas_mm->by_id);
	*place = NULL;
	kfree(vas_mm);
}

/*
 * Threads
 */

/* The attachment of the current process, with the thread counted in, or NULL. */
static struct vas_attachment *count_in(int vid)
{
	/* pairs with get_vas_mm() */
	struct vas_mm *vas_mm = smp_load_acquire(arch_vas_mm(current->mm));
	struct vas_attachment *attachment;

	if (!vas_mm)
		return NULL;

	guard(rcu)();
	attachment = xa_load(&vas_mm->by_id, vid);
	if (!attachment || !atomic_inc_unless_negative(&attachment->inside))
		return NULL;
	/* While a thread is inside, the table of the mm has its reference. */
	refcount_inc(&attachment->refs);
	return attachment;
}

static void count_out(struct vas_attachment *attachment)
{
	atomic_dec(&attachment->inside);
	put_attachment(attachment);
}

/* The slot is prepared for the thread. */
static void go_inside(struct task_struct *task,
		      struct vas_attachment *attachment)
{
	*arch_vas_inside(task) = attachment;
	arch_vas_switch(task, attachment->mm, attachment->slot);
}

/**
 * vas_leave() - put a thread back into its process's original address space
 * @task:	the current task, or one that does not run yet
 */
void vas_leave(struct task_struct *task)
{
	struct vas_attachment *attachment = *arch_vas_inside(task);
	struct vas_locks **locks = arch_vas_locks(task);

	if (!attachment)
		return;
	*arch_vas_inside(task) = NULL;
	arch_vas_switch(task, attachment->mm, 0);
	vas_locks_release(*locks);
	*locks = NULL;
	count_out(attachment);
}

/**
 * vas_enter() - switch the current thread into a VAS
 * @vid:	id of the VAS
 *
 * Context: process. No lock if the regions are mapped and the slot was used
 * before; else vas.lock and the mmap_lock.
 * Return: 0; -EINVAL if it is not attached; -ENOMEM if the regions cannot be
 * mapped or the host has no process for the slot; -EINTR if the thread was
 * killed, and if it had locks of the VAS that it was in, it may be outside of
 * all VASes then.
 */
int vas_enter(int vid)
{
	struct vas_attachment *attachment, *old = vas_current();
	struct vas_locks *locks;
	int err = 0;

	attachment = count_in(vid);
	if (!attachment)
		return -EINVAL;

	if (!up_to_date(attachment))
		err = vas_attachment_map(attachment);
	if (!err && attachment != old)
		err = arch_vas_prepare(attachment->mm, attachment->slot);
	if (err || attachment == old)
		goto count_out;

	locks = vas_locks_list(attachment);
	if (IS_ERR(locks)) {
		err = PTR_ERR(locks);
		goto forgo;
	}
	if (*arch_vas_locks(current)) {
		vas_leave(current);
		old = NULL;
	}
	err = vas_locks_take(locks);
	if (err)
		goto forgo;

	go_inside(current, attachment);
	*arch_vas_locks(current) = locks;
	if (old)
		count_out(old);
	return 0;

forgo:
	arch_vas_forgo(attachment->mm, attachment->slot);
count_out:
	count_out(attachment);
	return err;
}

/**
 * vas_copy_task() - let a new thread start where its creator is
 * @child:	the new task, of the same process
 * @parent:	its creator, the current task
 */
void vas_copy_task(struct task_struct *child, struct task_struct *parent)
{
	struct vas_attachment *attachment = *arch_vas_inside(parent);

	/* Locks cannot be inherited: it starts outside, and may switch in. */
	if (!attachment || *arch_vas_locks(parent))
		return;
	if (arch_vas_prepare(attachment->mm, attachment->slot))
		return;
	/* The parent is inside, so this is not 0 and not DETACHING. */
	atomic_inc(&attachment->inside);
	refcount_inc(&attachment->refs);
	go_inside(child, attachment);
}
