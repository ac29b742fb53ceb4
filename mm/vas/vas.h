/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * First-class virtual address spaces: the objects, and who may touch what.
 *
 * A VAS is a set of regions, which are ranges of the window with a file behind
 * each. Its own memory is one sparse shmem file as large as the window; a
 * segment, which several VASes can have, is a shmem file (or any regular file)
 * at a fixed range. A process that has a VAS attached maps its regions in a slot
 * of its mm. So all memory is file memory: sharing, rmap, swap and
 * get_user_pages() need nothing special.
 *
 * References: the kobject in struct vas_object counts the users of a VAS or
 * segment: the table of names has one, each attachment one, each region of a
 * segment one. An attachment is counted by the table of its mm and by each
 * thread that is inside. A thread inside also counts in vas_attachment.inside,
 * and while that is not zero the attachment cannot be detached. The mm is
 * grabbed (mm_count), not used (mm_users): vas_exit_mm() detaches what is left
 * when its last user has gone.
 *
 * Locks, from the outermost:
 *	vas_mm.lock			attachments of one mm, its slots
 *	vas_table_lock			names, ids
 *	    vas.lock			regions, attachments of one VAS
 *		vas_segment.lock	who has the segment
 *		mmap_lock		of one attached mm at a time
 *		    vas_users_lock	what each user owns
 * vas_mm.lock and vas_table_lock are never held together. A thread holds
 * segment locks (lock.c) while it is inside of a VAS, that is, while it runs
 * user code; it waits for one under none of the above.
 */

#ifndef __MM_VAS_VAS_H
#define __MM_VAS_VAS_H

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/fcntl.h>
#include <linux/hashtable.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/uidgid.h>
#include <linux/vas.h>
#include <linux/wait.h>
#include <linux/xarray.h>

/* Ids are positive ints. */
#define VAS_ID_MIN		1

/* The permissions that count */
#define VAS_MODE		0666

/* What one user may own unless /proc/sys/vas says something else */
#define VAS_OBJECTS_MAX		4096
#define VAS_BYTES_MAX		BIT(50)

struct vas_object;

/**
 * struct vas_kind - VASes or segments, as the table sees them
 * @ids:	objects by id
 * @names:	objects by name and ipc namespace
 * @kset:	their folder in sysfs
 * @type:	how they are shown and freed
 * @retire:	lets nobody attach an object any more; fails with -EBUSY if it is
 *		attached, unless forced
 */
struct vas_kind {
	struct xarray ids;
	DECLARE_HASHTABLE(names, 8);
	struct kset *kset;
	const struct kobj_type *type;
	int (*retire)(struct vas_object *object, bool force);
};

/**
 * struct vas_object - what VASes and segments have in common
 * @kobj:	counts the references; the folder in sysfs
 * @kind:	which of the two it is
 * @node:	in @kind->names; unhashed when deleted
 * @id:		its number
 * @name:	its name, zero-terminated
 * @ns:		the ipc namespace that its name is in; it goes when that goes
 * @mode:	permissions
 * @user:	owner
 * @group:	group
 * @payer:	the user in whose limits it counts: the creator
 */
struct vas_object {
	struct kobject kobj;
	struct vas_kind *kind;
	struct hlist_node node;
	int id;
	char name[VAS_NAME_MAX + 1];
	struct ipc_namespace *ns;
	umode_t mode;
	kuid_t user;
	kgid_t group;
	kuid_t payer;
};

/**
 * struct vas_segment - a range of memory that VASes can share
 * @object:	name, owner, references
 * @start:	first address
 * @end:	first address behind
 * @file:	its memory
 * @prot_max:	PROT_* that the file allows
 * @lock:	protects the next three
 * @deleted:	must not be attached any more
 * @sole:	attached with O_EXCL
 * @attached:	how many VASes have it
 * @wait:	threads that wait for the segment's lock (see lock.c); its own lock
 *		protects the next two
 * @holders:	threads that hold it shared, or -1 if one does exclusively
 * @writers_waiting: threads that wait for it exclusively
 */
struct vas_segment {
	struct vas_object object;
	unsigned long start;
	unsigned long end;
	struct file *file;
	unsigned long prot_max;
	struct mutex lock;	/* see the locks above */
	bool deleted;
	bool sole;
	unsigned int attached;
	wait_queue_head_t wait;
	int holders;
	unsigned int writers_waiting;
};

/**
 * struct vas_region - a range of a VAS with memory in it
 * @start:	first address
 * @end:	first address behind
 * @file:	its memory; counted
 * @pgoff:	where in @file it starts, in pages
 * @prot:	PROT_* that it is mapped with
 * @prot_max:	PROT_* that mprotect() may give it
 * @segment:	the segment that it is, counted, or NULL
 * @locking:	a thread that enters takes the segment's lock
 * @generation:	vas.generation when it was added or last grew
 */
struct vas_region {
	unsigned long start;
	unsigned long end;
	struct file *file;
	pgoff_t pgoff;
	unsigned long prot;
	unsigned long prot_max;
	struct vas_segment *segment;
	bool locking;
	u64 generation;
};

/**
 * struct vas_regions - the regions of a VAS, which do not overlap
 * @tree:	by address
 * @generation:	counts additions
 */
struct vas_regions {
	struct maple_tree tree;
	u64 generation;
};

/**
 * struct vas - a virtual address space
 * @object:	name, owner, references
 * @file:	its own memory, at file offset address - VAS_WINDOW_START
 * @lock:	protects what follows
 * @regions:	what is where
 * @lockable:	how many regions have @locking set
 * @attachments: who has it
 * @deleted:	must not be attached any more
 * @sole:	attached with O_EXCL
 * @bytes:	own memory, in bytes of address space, that the payer is charged
 */
struct vas {
	struct vas_object object;
	struct file *file;
	struct mutex lock;	/* see the locks above */
	struct vas_regions regions;
	unsigned int lockable;
	struct list_head attachments;
	bool deleted;
	bool sole;
	unsigned long bytes;
};

/**
 * struct vas_attachment - a VAS attached to a process
 * @refs:	references
 * @vas:	the VAS; counted
 * @mm:		the process's memory; grabbed
 * @node:	in @vas->attachments; empty once detached
 * @slot:	where its regions are in @mm
 * @type:	O_RDONLY, O_WRONLY or O_RDWR, with VAS_MMAP_INSIDE and O_EXCL
 * @inside:	threads inside, or -1 when it is being detached
 * @generation:	up to which @vas->regions.generation @mm has the regions mapped
 * @rcu:	vas_switch() looks it up without a lock
 */
struct vas_attachment {
	refcount_t refs;
	struct vas *vas;
	struct mm_struct *mm;
	struct list_head node;
	unsigned int slot;
	int type;
	atomic_t inside;
	u64 generation;
	struct rcu_head rcu;
};

/**
 * struct vas_mm - what one mm has attached
 * @lock:	protects what follows against changes
 * @by_id:	attachments by the id of their VAS; read under RCU too
 * @slots:	slots in use; slot 0 always is
 */
struct vas_mm {
	struct mutex lock;	/* see the locks above */
	struct xarray by_id;
	DECLARE_BITMAP(slots, ARCH_VAS_SLOTS + 1);
};

/* object.c */
extern struct vas_kind vas_spaces;
extern struct vas_kind vas_segments;

void vas_object_init(struct vas_object *object, struct vas_kind *kind);
void vas_object_name(struct vas_object *object, const char *name);
int vas_object_add(struct vas_object *object, umode_t mode);
void vas_object_freed(struct vas_object *object);
struct vas_object *vas_object_get(struct vas_kind *kind, int id);
int vas_object_find(struct vas_kind *kind, const char *name);
int vas_object_delete(struct vas_kind *kind, int id);
int vas_object_may(struct vas_object *object, int type);
void vas_object_getattr(struct vas_object *object, struct vas_attr *attr);
int vas_object_setattr(struct vas_object *object, const struct vas_attr *attr);
int vas_read_name(char *name, const char __user *from);

/* user.c */
int vas_user_charge(kuid_t user, unsigned int objects, unsigned long bytes);
void vas_user_uncharge(kuid_t user, unsigned int objects, unsigned long bytes);

/* region.c */
void vas_regions_init(struct vas_regions *regions);
int vas_region_add(struct vas_regions *regions, const struct vas_region *new);
int vas_region_remove(struct vas_regions *regions, unsigned long start,
		      unsigned long end);
void vas_regions_remove_all(struct vas_regions *regions);
struct vas_region *vas_region_next(struct vas_regions *regions,
				   unsigned long addr, unsigned long end);
unsigned long vas_region_gap(struct vas_regions *regions, unsigned long hint,
			     unsigned long len);

/* segment.c */
struct vas_segment *vas_segment_get(int sid);
long vas_file_prot(struct file *file, pgoff_t pgoff, unsigned long len);
int vas_segment_create(const char *name, unsigned long start,
		       unsigned long end, umode_t mode, struct file *file);
int vas_segment_attach(struct vas *vas, struct vas_segment *segment, int type);
int vas_segment_detach(struct vas *vas, struct vas_segment *segment);
int vas_segment_share(struct vas_segment *segment);
void vas_segment_unused(struct vas_segment *segment);
void vas_segment_free(struct kobject *kobj);

/* space.c */
struct vas *vas_get(int vid);
struct vas *vas_space_new(const char *name);
int vas_space_create(const char *name, umode_t mode);
void vas_space_free(struct kobject *kobj);
int vas_unmap_everywhere(struct vas *vas, unsigned long start,
			 unsigned long end);
void vas_map_again(struct vas *vas, unsigned long start, unsigned long end);

/* lock.c */
void vas_segment_lock_init(struct vas_segment *segment);
struct vas_locks *vas_locks_list(struct vas_attachment *attachment);
int vas_locks_take(struct vas_locks *locks);
void vas_locks_release(struct vas_locks *locks);

/* clone.c */
int vas_space_clone(struct vas *from, const char *name, umode_t mode);

/* attach.c */
int vas_attach_mm(struct mm_struct *mm, struct vas *vas, int type);
int vas_detach_mm(struct mm_struct *mm, int vid);
int vas_enter(int vid);
int vas_attachment_map(struct vas_attachment *attachment);
struct vas_attachment *vas_current(void);

/* sysfs.c */
extern const struct kobj_type vas_space_type;
extern const struct kobj_type vas_segment_type;

static inline void vas_object_get_ref(struct vas_object *object)
{
	kobject_get(&object->kobj);
}

static inline void vas_object_put(struct vas_object *object)
{
	kobject_put(&object->kobj);
}

static inline struct vas *to_vas(struct vas_object *object)
{
	return container_of(object, struct vas, object);
}

static inline struct vas_segment *to_segment(struct vas_object *object)
{
	return container_of(object, struct vas_segment, object);
}

static inline void vas_put(struct vas *vas)
{
	if (vas)
		vas_object_put(&vas->object);
}

static inline void vas_segment_put(struct vas_segment *segment)
{
	if (segment)
		vas_object_put(&segment->object);
}

DEFINE_FREE(vas_put, struct vas *, vas_put(_T))
DEFINE_FREE(vas_segment_put, struct vas_segment *, vas_segment_put(_T))

/* Memory that can be written can be read: there is no write-only page. */
static inline bool vas_type_writes(int type)
{
	return (type & O_ACCMODE) != O_RDONLY;
}

#endif
