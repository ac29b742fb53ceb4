// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what with VASes and segments: users, groups, capabilities in user
 * namespaces, names in ipc namespaces, limits.
 */
#include "files.h"
#include "vas_test.h"

#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#define STRANGER	4711

/* What a stranger may do with an object of this mode. */
static void as_stranger(int vid, int sid, bool may_read, bool may_write)
{
	pid_t child = fork_or_fail();
	struct vas_attr attr = { 0666, STRANGER, STRANGER };
	struct vas_seg_attr seg_attr = { 0666, STRANGER, STRANGER };

	if (child) {
		wait_for(child);
		return;
	}
	become_user(STRANGER);
	if (may_read) {
		check_call(vas_attach(0, vid, O_RDONLY));
		check_call(vas_detach(0, vid));
	} else {
		check_errno(vas_attach(0, vid, O_RDONLY), EACCES);
	}
	if (may_read && may_write) {
		check_call(vas_attach(0, vid, O_RDWR));
		check_call(vas_detach(0, vid));
		check_call(vas_attach(0, vid, O_WRONLY));
		check_call(vas_detach(0, vid));
	} else {
		check_errno(vas_attach(0, vid, O_RDWR), EACCES);
		check_errno(vas_attach(0, vid, O_WRONLY), EACCES);
	}
	if (!may_write) {
		check_errno(vas_delete(vid), EACCES);
		check_errno(vas_seg_delete(sid), EACCES);
		check_errno(vas_seg_attach(vid, sid, O_RDWR), EACCES);
		check_errno(vas_seg_attach(vid, sid, O_RDONLY), EACCES);
		check_errno(vas_seg_detach(vid, sid), EACCES);
	}
	check_errno(vas_setattr(vid, &attr), EACCES);
	check_errno(vas_seg_setattr(sid, &seg_attr), EACCES);
	finish();
}

static void permissions(void)
{
	static const unsigned int modes[] = { 0600, 0604, 0602, 0606, 0660 };
	struct vas_seg_attr seg_attr = {};
	struct vas_attr attr = {};
	int sid, vid = vas_with_segment("permissions", &sid);

	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		attr.mode = modes[i];
		seg_attr.mode = modes[i];
		check_call(vas_setattr(vid, &attr));
		check_call(vas_seg_setattr(sid, &seg_attr));
		as_stranger(vid, sid, modes[i] & 4, modes[i] & 2);
	}
	/* A stranger learns nothing of whether it is attached. */
	attr.mode = 0600;
	check_call(vas_setattr(vid, &attr));
	attach_self(vid);
	as_stranger(vid, sid, false, false);
	check_errno(vas_delete(vid), EBUSY);
	check_call(vas_detach(0, vid));
	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
}

static void own_objects(void)
{
	pid_t child = fork_or_fail();
	struct vas_attr attr = { .mode = 0600, .user = STRANGER,
				 .group = STRANGER };
	int vid;

	if (child) {
		wait_for(child);
		return;
	}
	become_user(STRANGER);
	vid = new_vas("own");
	attr.mode = 0444;
	check_call(vas_setattr(vid, &attr));
	check_errno(vas_attach(0, vid, O_RDWR), EACCES);
	check_errno(vas_delete(vid), EACCES);
	attr.user = 0;
	check_errno(vas_setattr(vid, &attr), EACCES);
	attr.user = STRANGER;
	attr.group = 0;
	check_errno(vas_setattr(vid, &attr), EACCES);
	attr.group = STRANGER;
	attr.mode = 0600;
	check_call(vas_setattr(vid, &attr));
	check_call(vas_delete(vid));
	finish();
}

static void set_mode(int vid, unsigned int mode, unsigned int user,
		     unsigned int group)
{
	struct vas_attr attr = { mode, user, group };

	require_call(vas_setattr(vid, &attr) == 0);
}

/* The groups of a process count, and no class but the first that fits. */
static void permissions_of_a_group(void)
{
	gid_t group = 77;
	int vid = new_vas("group");
	pid_t child;

	for (int owner = 0; owner < 2; owner++) {
		set_mode(vid, 0066, owner ? STRANGER : 0, group);
		child = fork_or_fail();
		if (!child) {
			require_call(setgroups(1, &group) == 0);
			become_user(STRANGER);
			if (owner)
				check_errno(vas_attach(0, vid, O_RDWR), EACCES);
			else
				check_call(vas_attach(0, vid, O_RDWR));
			finish();
		}
		wait_for(child);
	}
	set_mode(vid, 0606, 0, group);
	child = fork_or_fail();
	if (!child) {
		require_call(setgroups(1, &group) == 0);
		become_user(STRANGER);
		check_errno(vas_attach(0, vid, O_RDONLY), EACCES);
		finish();
	}
	wait_for(child);
	check_call(vas_delete(vid));
}

/* As for files, it is the file-system user who counts. */
static void permissions_of_the_fsuid(void)
{
	int vid = new_vas("fsuid"), own;
	struct vas_attr attr;

	setfsuid(STRANGER);
	check_errno(vas_attach(0, vid, O_RDONLY), EACCES);
	check_errno(vas_delete(vid), EACCES);
	own = new_vas("fsuid's");
	check_call(vas_getattr(own, &attr));
	check(attr.user == STRANGER, "it belongs to %u", attr.user);
	setfsuid(0);
	check_call(vas_delete(own));
	check_call(vas_delete(vid));
}

/* Root of its own user namespace, who is STRANGER outside. */
static void become_root_inside(void)
{
	become_user(STRANGER);
	require_call(prctl(PR_SET_DUMPABLE, 1) == 0);
	require_call(unshare(CLONE_NEWUSER) == 0);
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", "0 4711 1");
	write_text("/proc/self/gid_map", "0 4711 1");
}

static void user_namespace(void)
{
	int theirs = new_vas("theirs"), ours = new_vas("ours");
	struct vas_attr attr;
	pid_t child;

	set_mode(ours, 0, STRANGER, STRANGER);
	child = fork_or_fail();
	if (!child) {
		become_root_inside();
		/* Capabilities reach as far as the namespace has users. */
		check_errno(vas_attach(0, theirs, O_RDONLY), EACCES);
		check_errno(vas_delete(theirs), EACCES);
		attach_self(ours);
		check_call(vas_getattr(theirs, &attr));
		check(attr.user == 65534, "root is user %u", attr.user);
		check_call(vas_getattr(ours, &attr));
		check(!attr.user && !attr.group, "%u %u", attr.user,
		      attr.group);
		attr.user = 1;
		check_errno(vas_setattr(ours, &attr), EINVAL);
		set_mode(ours, 0640, 0, 0);
		finish();
	}
	wait_for(child);
	check_call(vas_getattr(ours, &attr));
	check(attr.mode == 0640 && attr.user == STRANGER, "%o %u", attr.mode,
	      attr.user);
	check_call(vas_delete(ours));
	check_call(vas_delete(theirs));
}

static void attach_to_another(void)
{
	int vid = new_vas("another");
	pid_t victim = fork_or_fail(), child;
	struct vas_attr attr = { .mode = 0666 };

	if (!victim) {
		pause();
		finish();
	}
	check_call(vas_attach(victim, vid, O_RDWR));
	check_errno(vas_delete(vid), EBUSY);
	check_call(vas_detach(victim, vid));

	/* Flaw: the RFC lacked the ptrace permission check. */
	check_call(vas_setattr(vid, &attr));
	child = fork_or_fail();
	if (!child) {
		become_user(STRANGER);
		check_errno(vas_attach(victim, vid, O_RDWR), EACCES);
		check_errno(vas_detach(victim, vid), EACCES);
		finish();
	}
	wait_for(child);

	check_call(vas_attach(victim, vid, O_RDWR));
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	check_call(vas_delete(vid));
}

/* The owner may have two pages. */
static void limit_of_own_memory(void)
{
	int vid = new_vas("l7");

	attach_self(vid);
	enter(vid);
	check_errno((long)mmap(at(HEAP), 3 * PAGE, PROT_READ, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
	map_here(HEAP, 1);
	check_errno((long)mremap(at(HEAP), PAGE, 3 * PAGE, 0), ENOMEM);
	check(mremap(at(HEAP), PAGE, 2 * PAGE, 0) == at(HEAP), "%s",
	      strerror(errno));
	check_errno(vas_clone(vid, "l8", 0600), ENOMEM);
	check_call(munmap(at(HEAP), PAGE));
	map_here(HEAP + 4 * PAGE, 1);
	drop_vas(vid);
}

static void limits(void)
{
	int vid[4] = {}, sid;

	write_text("/proc/sys/vas/max_objects_per_user", "3");
	for (int i = 0; i < 3; i++) {
		char name[8] = { 'l', '0' + i };

		vid[i] = vas_create(name, 0600);
		check(vid[i] > 0, "%s", strerror(errno));
	}
	check_errno(vas_create("l4", 0600), ENOSPC);
	check_errno(vas_seg_create("l4", WINDOW, WINDOW + PAGE, 0600), ENOSPC);
	check_call(vas_delete(vid[0]));
	sid = vas_seg_create("l4", WINDOW, WINDOW + PAGE, 0600);
	check(sid > 0, "%s", strerror(errno));
	check_call(vas_seg_delete(sid));
	check_call(vas_delete(vid[1]));
	check_call(vas_delete(vid[2]));
	write_text("/proc/sys/vas/max_objects_per_user", "4096");

	write_text("/proc/sys/vas/max_bytes_per_user", "8192");
	check_errno(vas_seg_create("l5", WINDOW, WINDOW + 3 * PAGE, 0600),
		    ENOMEM);
	sid = vas_seg_create("l5", WINDOW, WINDOW + 2 * PAGE, 0600);
	check(sid > 0, "%s", strerror(errno));
	check_errno(vas_seg_create("l6", WINDOW, WINDOW + PAGE, 0600), ENOMEM);
	check_call(vas_seg_delete(sid));
	limit_of_own_memory();
	write_text("/proc/sys/vas/max_bytes_per_user", "1125899906842624");
}

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	require_call(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Names are those of an ipc namespace, and go with it. */
static void ipc_namespace(void)
{
	int before = count_entries("/sys/kernel/vas");
	int vid = new_vas("outer");
	pid_t child = fork_or_fail();
	char name[64];

	if (!child) {
		int inner;

		snprintf(name, sizeof(name), "outer.%d", (int)getppid());
		require_call(unshare(CLONE_NEWIPC) == 0);
		check_errno(vas_find(name), ESRCH);
		check_errno(vas_attach(0, vid, O_RDWR), EINVAL);
		inner = vas_create(name, 0600);
		check(inner > 0 && inner != vid, "%d", inner);
		attach_self(inner);
		enter(inner);
		finish();
	}
	wait_for(child);
	check_call(vas_delete(vid));
	for (int i = 0; i < 100; i++) {
		if (count_entries("/sys/kernel/vas") == before)
			return;
		usleep(20000);
	}
	require(false, "an object of a namespace that has gone is left");
}

static const struct ktap_case cases[] = {
	{ "permissions", permissions, 0 },
	{ "own objects", own_objects, 0 },
	{ "permissions of a group", permissions_of_a_group, 0 },
	{ "permissions of the fsuid", permissions_of_the_fsuid, 0 },
	{ "user namespace", user_namespace, 0 },
	{ "attach to another process", attach_to_another, 0 },
	{ "limits", limits, 0 },
	{ "ipc namespace", ipc_namespace, 0 },
};

KTAP_TESTS(cases)
