// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits: what one user may own of VASes and segments, so that objects which
 * outlive their creator cannot pile up unseen.
 *
 *	/proc/sys/vas/max_objects_per_user	VASes and segments together
 *	/proc/sys/vas/max_bytes_per_user	address space with memory in it
 */

#include <linux/init.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include "vas.h"

struct vas_user {
	unsigned int objects;
	unsigned long bytes;
};

static unsigned int max_objects = VAS_OBJECTS_MAX;
static unsigned long max_bytes = VAS_BYTES_MAX;

/* By kernel user id; a user that owns nothing has no entry. */
static DEFINE_MUTEX(vas_users_lock);
static DEFINE_XARRAY(vas_users);

static struct vas_user *find_user(kuid_t uid)
{
	struct vas_user *user = xa_load(&vas_users, __kuid_val(uid));

	if (user)
		return user;
	user = kzalloc_obj(*user);
	if (!user)
		return NULL;
	if (xa_err(xa_store(&vas_users, __kuid_val(uid), user, GFP_KERNEL))) {
		kfree(user);
		return NULL;
	}
	return user;
}

static void drop_unused(kuid_t uid, struct vas_user *user)
{
	if (user->objects || user->bytes)
		return;
	xa_erase(&vas_users, __kuid_val(uid));
	kfree(user);
}

/**
 * vas_user_charge() - let a user own more
 * @uid:	the user
 * @objects:	how many VASes and segments more
 * @bytes:	how many bytes of address space more
 *
 * Context: process; takes vas_users_lock.
 * Return: 0; -ENOSPC if these are too many objects; -ENOMEM if these are too
 * many bytes, or for want of memory.
 */
int vas_user_charge(kuid_t uid, unsigned int objects, unsigned long bytes)
{
	struct vas_user *user;
	int err = 0;

	guard(mutex)(&vas_users_lock);
	user = find_user(uid);
	if (!user)
		return -ENOMEM;

	if (objects && user->objects + objects > READ_ONCE(max_objects))
		err = -ENOSPC;
	else if (bytes && (bytes > READ_ONCE(max_bytes) ||
			   user->bytes > READ_ONCE(max_bytes) - bytes))
		err = -ENOMEM;

	if (!err) {
		user->objects += objects;
		user->bytes += bytes;
	}
	drop_unused(uid, user);
	return err;
}

/**
 * vas_user_uncharge() - take back what vas_user_charge() gave
 * @uid:	the user
 * @objects:	how many VASes and segments less
 * @bytes:	how many bytes of address space less
 */
void vas_user_uncharge(kuid_t uid, unsigned int objects, unsigned long bytes)
{
	struct vas_user *user;

	guard(mutex)(&vas_users_lock);
	user = xa_load(&vas_users, __kuid_val(uid));
	if (!user)
		return;
	user->objects -= objects;
	user->bytes -= bytes;
	drop_unused(uid, user);
}

static const struct ctl_table vas_sysctls[] = {
	{
		.procname	= "max_objects_per_user",
		.data		= &max_objects,
		.maxlen		= sizeof(max_objects),
		.mode		= 0644,
		.proc_handler	= proc_douintvec,
	},
	{
		.procname	= "max_bytes_per_user",
		.data		= &max_bytes,
		.maxlen		= sizeof(max_bytes),
		.mode		= 0644,
		.proc_handler	= proc_doulongvec_minmax,
	},
};

static int __init vas_sysctl_init(void)
{
	register_sysctl("vas", vas_sysctls);
	return 0;
}
subsys_initcall(vas_sysctl_init);
