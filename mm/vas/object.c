// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VASes and segments have in common: an id, a name in an ipc namespace, an
 * owner with a mode, a place in sysfs, and a reference count.
 *
 * The table of names holds one reference, so an object lives until it is
 * deleted, and then until its last user lets go. Its id is not given out again
 * before that.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/ipc_namespace.h>
#include <linux/nsproxy.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include <linux/uaccess.h>
#include "vas.h"

static DEFINE_MUTEX(vas_table_lock);

static struct ipc_namespace *this_ns(void)
{
	return current->nsproxy->ipc_ns;
}

static u32 name_hash(const struct ipc_namespace *ns, const char *name)
{
	return full_name_hash(ns, name, strlen(name));
}

/**
 * vas_read_name() - copy the name of an object from user space
 * @name:	room for VAS_NAME_MAX + 1 bytes
 * @from:	where it is
 *
 * Return: 0; -EFAULT if it cannot be read; -EINVAL if it is empty or longer
 * than VAS_NAME_MAX.
 */
int vas_read_name(char *name, const char __user *from)
{
	long len = strncpy_from_user(name, from, VAS_NAME_MAX + 1);

	if (len < 0)
		return -EFAULT;
	if (!len || len > VAS_NAME_MAX)
		return -EINVAL;
	return 0;
}

static struct vas_object *find_locked(struct vas_kind *kind, const char *name)
{
	struct ipc_namespace *ns = this_ns();
	struct vas_object *object;

	hash_for_each_possible(kind->names, object, node, name_hash(ns, name))
		if (object->ns == ns && !strcmp(object->name, name))
			return object;
	return NULL;
}

static int add_locked(struct vas_object *object)
{
	struct vas_kind *kind = object->kind;
	u32 id;
	int err;

	if (find_locked(kind, object->name))
		return -EEXIST;

	err = vas_user_charge(object->payer, 1, 0);
	if (err)
		return err;
	err = xa_alloc(&kind->ids, &id, object,
		       XA_LIMIT(VAS_ID_MIN, INT_MAX), GFP_KERNEL);
	if (err) {
		vas_user_uncharge(object->payer, 1, 0);
		return err == -EBUSY ? -ENOSPC : err;
	}
	object->id = id;

	object->kobj.kset = kind->kset;
	err = kobject_add(&object->kobj, NULL, "%d", object->id);
	if (err)
		return err;

	hash_add(kind->names, &object->node,
		 name_hash(object->ns, object->name));
	vas_object_get_ref(object);
	return 0;
}

/**
 * vas_object_init() - set up an object that nobody can find yet
 * @object:	the object, zeroed; vas_object_put() frees it from now on
 * @kind:	what it is
 */
void vas_object_init(struct vas_object *object, struct vas_kind *kind)
{
	object->kind = kind;
	INIT_HLIST_NODE(&object->node);
	kobject_init(&object->kobj, kind->type);
}

/**
 * vas_object_name() - name an object, and note who pays for it
 * @object:	the object
 * @name:	its name, checked by vas_read_name()
 */
void vas_object_name(struct vas_object *object, const char *name)
{
	strscpy(object->name, name);
	object->payer = current_fsuid();
}

/**
 * vas_object_add() - give an object an id, and let it be found
 * @object:	the object, with a name
 * @mode:	permissions; only 0666 counts
 *
 * It belongs to the file-system user and group of the caller.
 *
 * Context: process; takes vas_table_lock.
 * Return: 0; -EEXIST if the name is taken; -ENOSPC if the user owns as many
 * objects as allowed, or all ids are used; -ENOMEM.
 */
int vas_object_add(struct vas_object *object, umode_t mode)
{
	int err;

	object->ns = this_ns();
	object->mode = mode & VAS_MODE;
	object->user = current_fsuid();
	object->group = current_fsgid();

	scoped_guard(mutex, &vas_table_lock)
		err = add_locked(object);
	if (!err)
		kobject_uevent(&object->kobj, KOBJ_ADD);
	return err;
}

/**
 * vas_object_freed() - give back what vas_object_add() took
 * @object:	the object, about to be freed
 */
void vas_object_freed(struct vas_object *object)
{
	if (!object->id)
		return;
	xa_erase(&object->kind->ids, object->id);
	vas_user_uncharge(object->payer, 1, 0);
}

/**
 * vas_object_get() - look up an object by its id
 * @kind:	VAS or segment
 * @id:		its id
 *
 * Context: process; takes vas_table_lock.
 * Return: the object, with a reference; NULL if the caller's ipc namespace has
 * none with this id.
 */
struct vas_object *vas_object_get(struct vas_kind *kind, int id)
{
	struct vas_object *object;

	if (id < VAS_ID_MIN)
		return NULL;

	guard(mutex)(&vas_table_lock);
	object = xa_load(&kind->ids, id);
	if (!object || hlist_unhashed(&object->node) ||
	    object->ns != this_ns())
		return NULL;
	vas_object_get_ref(object);
	return object;
}

/**
 * vas_object_find() - look up an object by its name
 * @kind:	VAS or segment
 * @name:	the name
 *
 * Return: its id; -ESRCH if there is none in the caller's ipc namespace.
 */
int vas_object_find(struct vas_kind *kind, const char *name)
{
	struct vas_object *object;

	guard(mutex)(&vas_table_lock);
	object = find_locked(kind, name);
	return object ? object->id : -ESRCH;
}

/* Takes an object out of the table and gives up the table's reference. */
static void forget(struct vas_object *object)
{
	kobject_del(&object->kobj);
	vas_object_put(object);
}

/**
 * vas_object_delete() - delete a VAS or segment that nobody uses
 * @kind:	which of the two
 * @id:		its id
 *
 * Return: 0; -EINVAL if there is no such object; -EACCES if the caller may not
 * write it; -EBUSY if it is attached somewhere.
 */
int vas_object_delete(struct vas_kind *kind, int id)
{
	struct vas_object *object = vas_object_get(kind, id);
	int err;

	if (!object)
		return -EINVAL;

	scoped_guard(mutex, &vas_table_lock) {
		err = -EINVAL;
		if (hlist_unhashed(&object->node))
			break;
		err = vas_object_may(object, O_WRONLY);
		if (!err)
			err = kind->retire(object, false);
		if (!err)
			hash_del(&object->node);
	}
	if (!err)
		forget(object);
	vas_object_put(object);
	return err;
}

/* Returns one object of the namespace that is out of the table, or NULL. */
static struct vas_object *retire_one(struct vas_kind *kind,
				     struct ipc_namespace *ns)
{
	struct vas_object *object;
	int bucket;

	guard(mutex)(&vas_table_lock);
	hash_for_each(kind->names, bucket, object, node) {
		if (object->ns == ns) {
			kind->retire(object, true);
			hash_del(&object->node);
			return object;
		}
	}
	return NULL;
}

/**
 * vas_exit_ipc_ns() - delete all objects of an ipc namespace
 * @ns:		the namespace, which no task is in any more
 *
 * What is attached somewhere goes when it is detached.
 */
void vas_exit_ipc_ns(struct ipc_namespace *ns)
{
	struct vas_object *object;

	while ((object = retire_one(&vas_spaces, ns)))
		forget(object);
	while ((object = retire_one(&vas_segments, ns)))
		forget(object);
}

static bool capable_over(const struct vas_object *object, int capability)
{
	struct user_namespace *ns = current_user_ns();

	return kuid_has_mapping(ns, object->user) &&
	       kgid_has_mapping(ns, object->group) &&
	       ns_capable(ns, capability);
}

/**
 * vas_object_may() - may the caller use an object in this way?
 * @object:	the object
 * @type:	O_RDONLY, O_WRONLY or O_RDWR
 *
 * As for a file: one of owner, group and others counts, by the file-system ids
 * of the caller; CAP_DAC_OVERRIDE in the caller's user namespace passes.
 *
 * Return: 0; -EACCES if not.
 */
int vas_object_may(struct vas_object *object, int type)
{
	static const umode_t wanted[] = {
		[O_RDONLY] = MAY_READ,
		[O_WRONLY] = MAY_WRITE,
		[O_RDWR] = MAY_READ | MAY_WRITE,
	};
	umode_t mode = READ_ONCE(object->mode), want;

	want = wanted[type & O_ACCMODE];
	if (uid_eq(current_fsuid(), object->user))
		mode >>= 6;
	else if (in_group_p(object->group))
		mode >>= 3;
	if (!(want & ~mode))
		return 0;
	return capable_over(object, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
}

/**
 * vas_object_getattr() - read mode, owner and group
 * @object:	the object
 * @attr:	set to them, as the caller's user namespace numbers them
 */
void vas_object_getattr(struct vas_object *object, struct vas_attr *attr)
{
	struct user_namespace *ns = current_user_ns();

	guard(mutex)(&vas_table_lock);
	*attr = (struct vas_attr) {
		.mode = object->mode,
		.user = from_kuid_munged(ns, object->user),
		.group = from_kgid_munged(ns, object->group),
	};
}

/* The rules of chmod() and chown(). */
static int attr_allowed(struct vas_object *object, umode_t mode, kuid_t user,
			kgid_t group)
{
	bool owner = uid_eq(current_fsuid(), object->user);

	if (!owner && mode != object->mode &&
	    !capable_over(object, CAP_FOWNER))
		return -EACCES;
	if (!uid_eq(user, object->user) && !capable_over(object, CAP_CHOWN))
		return -EACCES;
	if (!gid_eq(group, object->group) && !(owner && in_group_p(group)) &&
	    !capable_over(object, CAP_CHOWN))
		return -EACCES;
	if (!owner && !capable_over(object, CAP_FOWNER))
		return -EACCES;
	return 0;
}

/**
 * vas_object_setattr() - change mode, owner and group
 * @object:	the object
 * @attr:	what they are to be
 *
 * Return: 0; -EINVAL if the user or group has no number in the caller's user
 * namespace; -EACCES if the caller is not the owner and has no CAP_FOWNER, or
 * gives it to another user or group without CAP_CHOWN.
 */
int vas_object_setattr(struct vas_object *object, const struct vas_attr *attr)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t user = make_kuid(ns, attr->user);
	kgid_t group = make_kgid(ns, attr->group);
	umode_t mode = attr->mode & VAS_MODE;
	int err;

	if (!uid_valid(user) || !gid_valid(group))
		return -EINVAL;

	scoped_guard(mutex, &vas_table_lock) {
		err = attr_allowed(object, mode, user, group);
		if (err)
			return err;
		WRITE_ONCE(object->mode, mode);
		WRITE_ONCE(object->user, user);
		WRITE_ONCE(object->group, group);
	}
	kobject_uevent(&object->kobj, KOBJ_CHANGE);
	return 0;
}
