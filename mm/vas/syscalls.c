// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system calls: arguments, permissions and the order of errors. What they
 * do is in the other files. Names and arguments are those of the first-class
 * VAS patches of Till Smejkal (2017), after SpaceJMP (ASPLOS 2016).
 */

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include "vas.h"

static_assert(sizeof(struct vas_attr) == sizeof(struct vas_seg_attr));

static bool bad_type(int type)
{
	return (type & O_ACCMODE) == O_ACCMODE;
}

/* What can be written can be read, so O_WRONLY asks for both permissions. */
static int may_attach(struct vas_object *object, int type)
{
	return vas_object_may(object, vas_type_writes(type) ? O_RDWR : O_RDONLY);
}

/*
 * The memory of a process; the caller's own, or one that it might ptrace.
 * Returns an error pointer if not: -ESRCH, -EACCES, -EINTR.
 */
static struct mm_struct *get_mm_of(pid_t pid)
{
	struct task_struct *task;
	struct mm_struct *mm;

	if (!pid) {
		mmget(current->mm);
		return current->mm;
	}
	task = find_get_task_by_vpid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = mm_access(task, PTRACE_MODE_ATTACH_REALCREDS);
	put_task_struct(task);
	return mm;
}

/**
 * sys_vas_create() - make a virtual address space
 * @name:	its name, 1 to VAS_NAME_MAX bytes, new in the ipc namespace
 * @mode:	permissions, of which 0666 count
 *
 * It belongs to the caller's file-system user and group, is attached nowhere,
 * and stays until it is deleted.
 *
 * Return: the id, above 0, or
 * - %-EFAULT: @name cannot be read;
 * - %-EINVAL: @name is empty or too long;
 * - %-EEXIST: the name is taken;
 * - %-ENOMEM: not enough memory;
 * - %-ENOSPC: the user owns as many objects as /proc/sys/vas allows.
 */
SYSCALL_DEFINE2(vas_create, const char __user *, name, umode_t, mode)
{
	char kname[VAS_NAME_MAX + 1];
	int err;

	err = vas_read_name(kname, name);
	if (err)
		return err;
	return vas_space_create(kname, mode);
}

/**
 * sys_vas_delete() - delete a virtual address space
 * @vid:	its id
 *
 * Return: 0, or
 * - %-EINVAL: there is no such VAS;
 * - %-EACCES: the caller may not write it;
 * - %-EBUSY: a process has it attached.
 */
SYSCALL_DEFINE1(vas_delete, int, vid)
{
	return vas_object_delete(&vas_spaces, vid);
}

/**
 * sys_vas_clone() - make a virtual address space like another one
 * @vid:	id of the VAS to be copied, which the caller may read
 * @name:	name of the new one
 * @mode:	permissions of the new one
 *
 * The new VAS has the same regions. Segments and files are shared with the old
 * one, memory of its own is copied. What is written meanwhile may or may not be
 * in the copy. After SpaceJMP.
 *
 * Return: the id, above 0, or
 * - %-EINVAL: there is no such VAS, or @name is empty or too long;
 * - %-EFAULT: @name cannot be read;
 * - %-EACCES: the caller may not read the VAS, or not use one of its segments
 *   as the VAS does;
 * - %-EBUSY: the VAS has a segment alone;
 * - %-EEXIST: the name is taken;
 * - %-ENOMEM: not enough memory, or more address space than allowed;
 * - %-ENOSPC: the user owns as many objects as allowed;
 * - %-EINTR: a fatal signal came.
 */
SYSCALL_DEFINE3(vas_clone, int, vid, const char __user *, name, umode_t, mode)
{
	struct vas *vas __free(vas_put) = vas_get(vid);
	char kname[VAS_NAME_MAX + 1];

	if (!vas)
		return -EINVAL;
	return vas_read_name(kname, name) ?:
	       vas_object_may(&vas->object, O_RDONLY) ?:
	       vas_space_clone(vas, kname, mode);
}

static long find_by_name(struct vas_kind *kind, const char __user *name)
{
	char kname[VAS_NAME_MAX + 1];
	int err;

	err = vas_read_name(kname, name);
	if (err)
		return err;
	return vas_object_find(kind, kname);
}

/**
 * sys_vas_find() - find a virtual address space
 * @name:	its name
 *
 * Return: the id, above 0, or
 * - %-EFAULT: @name cannot be read;
 * - %-EINVAL: @name is empty or too long;
 * - %-ESRCH: there is none with this name.
 */
SYSCALL_DEFINE1(vas_find, const char __user *, name)
{
	return find_by_name(&vas_spaces, name);
}

static long attach(pid_t pid, struct vas *vas, int type)
{
	struct mm_struct *mm = get_mm_of(pid);
	int err;

	if (IS_ERR(mm))
		return PTR_ERR(mm);
	err = may_attach(&vas->object, type);
	if (!err)
		err = vas_attach_mm(mm, vas, type &
				    (O_ACCMODE | O_EXCL | VAS_MMAP_INSIDE));
	mmput(mm);
	return err;
}

/**
 * sys_vas_attach() - attach a virtual address space to a process
 * @pid:	the process, 0 for the caller
 * @vid:	id of the VAS
 * @type:	O_RDONLY, O_WRONLY or O_RDWR; with O_EXCL nobody else can attach it
 *		meanwhile; with VAS_MMAP_INSIDE an mmap() with no address that is
 *		made inside makes VAS memory
 *
 * Return: 0, also if it is attached already, or
 * - %-EINVAL: there is no such VAS, or @type is wrong;
 * - %-ESRCH: there is no such process, or it has no memory;
 * - %-EACCES: the caller may not ptrace the process, or not use the VAS in this
 *   way; O_WRONLY asks for read permission too;
 * - %-EBUSY: somebody has it, and one of the two wants it alone;
 * - %-ENOMEM: not enough memory, or the process has all its slots in use;
 * - %-EINTR: a fatal signal came.
 */
SYSCALL_DEFINE3(vas_attach, pid_t, pid, int, vid, int, type)
{
	struct vas *vas __free(vas_put) = vas_get(vid);

	if (!vas || bad_type(type))
		return -EINVAL;
	return attach(pid, vas, type);
}

/**
 * sys_vas_detach() - detach a virtual address space from a process
 * @pid:	the process, 0 for the caller
 * @vid:	id of the VAS
 *
 * Return: 0, or
 * - %-EINVAL: it is not attached to the process;
 * - %-ESRCH: there is no such process, or it has no memory;
 * - %-EACCES: the caller may not ptrace the process;
 * - %-EBUSY: a thread of the process is inside;
 * - %-ENOMEM: not enough memory;
 * - %-EINTR: a fatal signal came.
 */
SYSCALL_DEFINE2(vas_detach, pid_t, pid, int, vid)
{
	struct mm_struct *mm;
	int err;

	if (vid < VAS_ID_MIN)
		return -EINVAL;
	mm = get_mm_of(pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	err = vas_detach_mm(mm, vid);
	mmput(mm);
	return err;
}

/**
 * sys_vas_switch() - let the calling thread go on in another address space
 * @vid:	id of an attached VAS, or 0 for the process's original one
 *
 * Only the window changes; registers, stack and all else stay.
 *
 * Return: 0, or
 * - %-EINVAL: the VAS is not attached to the process;
 * - %-ENOMEM: not enough memory for the first switch into it, or it is more than
 *   RLIMIT_AS, or after mlockall(MCL_FUTURE) RLIMIT_MEMLOCK, allows;
 * - %-EINTR: a fatal signal came.
 */
SYSCALL_DEFINE1(vas_switch, int, vid)
{
	if (vid < 0)
		return -EINVAL;
	if (vid)
		return vas_enter(vid);
	vas_leave(current);
	return 0;
}

/**
 * sys_active_vas() - where is the calling thread?
 *
 * Return: the id of the VAS that it is inside of; 0 in the original address
 * space.
 */
SYSCALL_DEFINE0(active_vas)
{
	struct vas_attachment *attachment = vas_current();

	return attachment ? attachment->vas->object.id : 0;
}

static long getattr(struct vas_kind *kind, int id, struct vas_attr __user *to)
{
	struct vas_object *object = vas_object_get(kind, id);
	struct vas_attr attr;

	if (!object)
		return -EINVAL;
	vas_object_getattr(object, &attr);
	vas_object_put(object);
	return copy_to_user(to, &attr, sizeof(attr)) ? -EFAULT : 0;
}

static long setattr(struct vas_kind *kind, int id,
		    const struct vas_attr __user *from)
{
	struct vas_object *object = vas_object_get(kind, id);
	struct vas_attr attr;
	int err = -EFAULT;

	if (!object)
		return -EINVAL;
	if (!copy_from_user(&attr, from, sizeof(attr)))
		err = vas_object_setattr(object, &attr);
	vas_object_put(object);
	return err;
}

/**
 * sys_vas_getattr() - read mode, owner and group of a VAS
 * @vid:	its id
 * @attr:	where to write them
 *
 * Return: 0, or
 * - %-EINVAL: there is no such VAS;
 * - %-EFAULT: @attr cannot be written.
 */
SYSCALL_DEFINE2(vas_getattr, int, vid, struct vas_attr __user *, attr)
{
	return getattr(&vas_spaces, vid, attr);
}

/**
 * sys_vas_setattr() - change mode, owner and group of a VAS
 * @vid:	its id
 * @attr:	what they are to be
 *
 * Return: 0, or
 * - %-EINVAL: there is no such VAS, user or group;
 * - %-EFAULT: @attr cannot be read;
 * - %-EACCES: the caller is neither owner nor has CAP_FOWNER, or gives it away
 *   without CAP_CHOWN.
 */
SYSCALL_DEFINE2(vas_setattr, int, vid, struct vas_attr __user *, attr)
{
	return setattr(&vas_spaces, vid, attr);
}

static long create_segment(const char __user *name, unsigned long start,
			   unsigned long end, umode_t mode, struct file *file)
{
	char kname[VAS_NAME_MAX + 1];
	int err;

	if (!PAGE_ALIGNED(start) || !PAGE_ALIGNED(end) || end <= start)
		return -EINVAL;
	err = vas_read_name(kname, name);
	if (err)
		return err;
	return vas_segment_create(kname, start, end, mode, file);
}

/**
 * sys_vas_seg_create() - make a segment
 * @name:	its name, 1 to VAS_NAME_MAX bytes, new in the ipc namespace
 * @start:	first address, page aligned
 * @end:	first address behind, page aligned
 * @mode:	permissions, of which 0666 count
 *
 * Return: the id, above 0, or
 * - %-EFAULT: @name cannot be read, or the range is not all in the window;
 * - %-EINVAL: @name is empty or too long, or the range is not aligned or empty;
 * - %-EEXIST: the name is taken;
 * - %-ENOMEM: not enough memory, or more address space than allowed;
 * - %-ENOSPC: the user owns as many objects as allowed.
 */
SYSCALL_DEFINE4(vas_seg_create, const char __user *, name,
		unsigned long, start, unsigned long, end, umode_t, mode)
{
	return create_segment(name, start, end, mode, NULL);
}

/**
 * sys_vas_seg_create_fd() - make a segment of a file
 * @name:	its name
 * @start:	first address, page aligned
 * @end:	first address behind, page aligned
 * @mode:	permissions, of which 0666 count
 * @fd:		the file, whose first byte is at @start; open for reading, and for
 *		writing if the segment is to be written
 *
 * The contents outlive the segment, and a reboot, as the file does.
 *
 * Return: as vas_seg_create(), or
 * - %-EBADF: @fd is not open;
 * - %-EINVAL: it is not a regular file;
 * - %-EACCES: it is not open for reading, or can be appended to only;
 * - %-ENODEV: it cannot be mapped;
 * - %-EOVERFLOW: no such file is as large as the segment.
 */
SYSCALL_DEFINE5(vas_seg_create_fd, const char __user *, name,
		unsigned long, start, unsigned long, end, umode_t, mode,
		int, fd)
{
	CLASS(fd, f)(fd);

	if (fd_empty(f))
		return -EBADF;
	return create_segment(name, start, end, mode, fd_file(f));
}

/**
 * sys_vas_seg_delete() - delete a segment
 * @sid:	its id
 *
 * Return: 0, or
 * - %-EINVAL: there is no such segment;
 * - %-EACCES: the caller may not write it;
 * - %-EBUSY: a VAS has it.
 */
SYSCALL_DEFINE1(vas_seg_delete, int, sid)
{
	return vas_object_delete(&vas_segments, sid);
}

/**
 * sys_vas_seg_find() - find a segment
 * @name:	its name
 *
 * Return: the id, above 0, or
 * - %-EFAULT: @name cannot be read;
 * - %-EINVAL: @name is empty or too long;
 * - %-ESRCH: there is none with this name.
 */
SYSCALL_DEFINE1(vas_seg_find, const char __user *, name)
{
	return find_by_name(&vas_segments, name);
}

/**
 * sys_vas_seg_attach() - let a VAS have a segment
 * @vid:	id of the VAS
 * @sid:	id of the segment
 * @type:	O_RDONLY, O_WRONLY or O_RDWR; with O_EXCL no other VAS can have it
 *		meanwhile; with VAS_SEG_LOCK a thread that switches into the VAS
 *		takes the segment's lock, exclusively if it can write it there
 *
 * All who have the VAS attached can use the segment when this returns.
 *
 * Return: 0, also if the VAS has it already, or
 * - %-EINVAL: there is no such VAS or segment, or @type is wrong;
 * - %-EACCES: the caller may not use the segment in this way, or not write the
 *   VAS, or the segment's file is not open for writing;
 * - %-EBUSY: another VAS has it, and one of the two wants it alone;
 * - %-EFAULT: the VAS has something else at these addresses;
 * - %-ENOMEM: not enough memory.
 */
SYSCALL_DEFINE3(vas_seg_attach, int, vid, int, sid, int, type)
{
	struct vas *vas __free(vas_put) = vas_get(vid);
	struct vas_segment *segment __free(vas_segment_put) =
		vas_segment_get(sid);

	if (!vas || !segment || bad_type(type))
		return -EINVAL;
	return may_attach(&segment->object, type) ?:
	       vas_object_may(&vas->object, O_WRONLY) ?:
	       vas_segment_attach(vas, segment, type);
}

/**
 * sys_vas_seg_detach() - take a segment away from a VAS
 * @vid:	id of the VAS
 * @sid:	id of the segment
 *
 * When this returns, nobody can use the segment through the VAS.
 *
 * Return: 0, or
 * - %-EINVAL: there is no such VAS or segment, or the VAS does not have it;
 * - %-EACCES: the caller may not write the VAS;
 * - %-EBUSY: the VAS has it with its lock, and a thread holds that;
 * - %-ENOMEM: not enough memory.
 */
SYSCALL_DEFINE2(vas_seg_detach, int, vid, int, sid)
{
	struct vas *vas __free(vas_put) = vas_get(vid);
	struct vas_segment *segment __free(vas_segment_put) =
		vas_segment_get(sid);

	if (!vas || !segment)
		return -EINVAL;
	return vas_object_may(&vas->object, O_WRONLY) ?:
	       vas_segment_detach(vas, segment);
}

/**
 * sys_vas_seg_getattr() - read mode, owner and group of a segment
 * @sid:	its id
 * @attr:	where to write them
 *
 * Return: 0, or
 * - %-EINVAL: there is no such segment;
 * - %-EFAULT: @attr cannot be written.
 */
SYSCALL_DEFINE2(vas_seg_getattr, int, sid, struct vas_seg_attr __user *, attr)
{
	return getattr(&vas_segments, sid, (struct vas_attr __user *)attr);
}

/**
 * sys_vas_seg_setattr() - change mode, owner and group of a segment
 * @sid:	its id
 * @attr:	what they are to be
 *
 * Return: 0, or
 * - %-EINVAL: there is no such segment, user or group;
 * - %-EFAULT: @attr cannot be read;
 * - %-EACCES: the caller is neither owner nor has CAP_FOWNER, or gives it away
 *   without CAP_CHOWN.
 */
SYSCALL_DEFINE2(vas_seg_setattr, int, sid, struct vas_seg_attr __user *, attr)
{
	return setattr(&vas_segments, sid, (struct vas_attr __user *)attr);
}
