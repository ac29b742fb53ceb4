// SPDX-License-Identifier: GPL-2.0-only
/*
 * VASes and segments in sysfs, read-only:
 *
 *	/sys/kernel/vas/<vid>/{name,mode,user,group}
 *	/sys/kernel/vas_segs/<sid>/{name,mode,user,group,region}
 *
 * Reading gives ESRCH where the object belongs to another ipc namespace. A
 * uevent is sent when an object comes, goes or changes its attributes.
 */

#include <linux/cred.h>
#include <linux/init.h>
#include <linux/ipc_namespace.h>
#include <linux/nsproxy.h>
#include <linux/sysfs.h>
#include "vas.h"

static struct vas_object *to_object(struct kobject *kobj)
{
	return container_of(kobj, struct vas_object, kobj);
}

static ssize_t name_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%s\n", to_object(kobj)->name);
}

static ssize_t mode_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%#03o\n", READ_ONCE(to_object(kobj)->mode));
}

static ssize_t user_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  from_kuid_munged(current_user_ns(),
					   READ_ONCE(to_object(kobj)->user)));
}

static ssize_t group_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  from_kgid_munged(current_user_ns(),
					   READ_ONCE(to_object(kobj)->group)));
}

static ssize_t region_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	struct vas_segment *segment = to_segment(to_object(kobj));

	return sysfs_emit(buf, "%lx-%lx\n", segment->start, segment->end);
}

static struct kobj_attribute name_attr = __ATTR_RO(name);
static struct kobj_attribute mode_attr = __ATTR_RO(mode);
static struct kobj_attribute user_attr = __ATTR_RO(user);
static struct kobj_attribute group_attr = __ATTR_RO(group);
static struct kobj_attribute region_attr = __ATTR_RO(region);

static struct attribute *vas_space_attrs[] = {
	&name_attr.attr,
	&mode_attr.attr,
	&user_attr.attr,
	&group_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(vas_space);

static struct attribute *vas_segment_attrs[] = {
	&name_attr.attr,
	&mode_attr.attr,
	&user_attr.attr,
	&group_attr.attr,
	&region_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(vas_segment);

static ssize_t show_in_ns(struct kobject *kobj, struct attribute *attr,
			  char *buf)
{
	struct kobj_attribute *kattr = container_of(attr, struct kobj_attribute,
						    attr);

	if (to_object(kobj)->ns != current->nsproxy->ipc_ns)
		return -ESRCH;
	return kattr->show(kobj, kattr, buf);
}

static const struct sysfs_ops vas_sysfs_ops = {
	.show = show_in_ns,
};

const struct kobj_type vas_space_type = {
	.release = vas_space_free,
	.sysfs_ops = &vas_sysfs_ops,
	.default_groups = vas_space_groups,
};

const struct kobj_type vas_segment_type = {
	.release = vas_segment_free,
	.sysfs_ops = &vas_sysfs_ops,
	.default_groups = vas_segment_groups,
};

static int __init vas_sysfs_init(void)
{
	vas_spaces.kset = kset_create_and_add("vas", NULL, kernel_kobj);
	vas_segments.kset = kset_create_and_add("vas_segs", NULL, kernel_kobj);
	if (!vas_spaces.kset || !vas_segments.kset)
		panic("vas: no memory for sysfs\n");
	return 0;
}
subsys_initcall(vas_sysfs_init);
