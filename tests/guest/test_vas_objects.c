// SPDX-License-Identifier: GPL-2.0-only
/*
 * VASes and segments as objects: names, ids, attributes, attachments, sysfs, and
 * each errno of the calls that do not need a thread inside.
 */
#include "files.h"
#include "vas_test.h"

#include <linux/netlink.h>
#include <pthread.h>
#include <sys/socket.h>

#define BAD_POINTER	((char *)16)

static void names(void)
{
	char longest[VAS_NAME_MAX + 2];
	int vid = vas_create("names", 0600), other;

	require_call(vid > 0);
	check(vas_find("names") == vid, "found another one");
	check_errno(vas_create("names", 0600), EEXIST);
	check_errno(vas_create("", 0600), EINVAL);
	check_errno(vas_create(BAD_POINTER, 0600), EFAULT);
	check_errno(vas_create(NULL, 0600), EFAULT);
	check_errno(vas_find("no such name"), ESRCH);
	check_errno(vas_find(""), EINVAL);
	check_errno(vas_find(BAD_POINTER), EFAULT);

	memset(longest, 'n', sizeof(longest));
	longest[VAS_NAME_MAX + 1] = 0;
	check_errno(vas_create(longest, 0600), EINVAL);
	longest[VAS_NAME_MAX] = 0;
	other = vas_create(longest, 0600);
	require_call(other > 0);
	check(vas_find(longest) == other, "the longest name is not found");

	check_call(vas_delete(other));
	check_call(vas_delete(vid));
	check_errno(vas_find("names"), ESRCH);
	check_errno(vas_delete(vid), EINVAL);
	check_errno(vas_delete(0), EINVAL);
	check_errno(vas_delete(-1), EINVAL);
}

/* Flaw 1: user strings were read with strlen() on the user's pointer. */
static void name_up_to_the_end_of_memory(void)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int vid;

	require_call(page != MAP_FAILED);
	require_call(munmap(page + PAGE, PAGE) == 0);

	memset(page, 'e', PAGE);
	check_errno(vas_create(page + PAGE - 8, 0600), EFAULT);
	page[PAGE - 1] = 0;
	vid = vas_create(page + PAGE - 8, 0600);
	check(vid > 0, "a name at the end of memory: %s", strerror(errno));
	check_call(vas_delete(vid));
}

static void *create_in_turn(void *counter)
{
	int created = 0;

	for (int i = 0; i < 200; i++) {
		char name[32];
		int vid;

		snprintf(name, sizeof(name), "race%d", i);
		vid = vas_create(name, 0600);
		if (vid > 0)
			created++;
		else
			check(errno == EEXIST, "%s", strerror(errno));
	}
	__atomic_add_fetch((int *)counter, created, __ATOMIC_RELAXED);
	return NULL;
}

/* Flaw 9: the uniqueness of names raced. */
static void names_are_unique_among_threads(void)
{
	pthread_t thread[4];
	int created = 0;

	for (int i = 0; i < 4; i++)
		require_call(!pthread_create(&thread[i], NULL, create_in_turn,
					     &created));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	check(created == 200, "%d objects for 200 names", created);
	for (int i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof(name), "race%d", i);
		check_call(vas_delete(vas_find(name)));
	}
}

static void segments(void)
{
	unsigned long end = WINDOW + 4 * PAGE;
	int sid = vas_seg_create("segment", WINDOW, end, 0640);

	require_call(sid > 0);
	check(vas_seg_find("segment") == sid, "found another one");
	check_errno(vas_seg_create("segment", WINDOW, end, 0600), EEXIST);
	check_errno(vas_seg_create("", WINDOW, end, 0600), EINVAL);
	check_errno(vas_seg_create(BAD_POINTER, WINDOW, end, 0600), EFAULT);
	check_errno(vas_seg_create("s2", WINDOW + 1, end, 0600), EINVAL);
	check_errno(vas_seg_create("s2", WINDOW, end + 8, 0600), EINVAL);
	check_errno(vas_seg_create("s2", WINDOW, WINDOW, 0600), EINVAL);
	check_errno(vas_seg_create("s2", end, WINDOW, 0600), EINVAL);
	check_errno(vas_seg_create("s2", WINDOW - PAGE, end, 0600), EFAULT);
	check_errno(vas_seg_create("s2", PAGE, 2 * PAGE, 0600), EFAULT);
	check_errno(vas_seg_create("s2", VAS_WINDOW_END - PAGE,
				   VAS_WINDOW_END + PAGE, 0600), EFAULT);
	check_errno(vas_seg_create("s2", 1ul << 48 | WINDOW,
				   1ul << 48 | end, 0600), EFAULT);
	check_errno(vas_seg_create("s2", -2 * PAGE, -PAGE, 0600), EFAULT);
	/* Of two errors, the first of the table in the RFC. */
	check_errno(vas_seg_create(BAD_POINTER, WINDOW + 1, end, 0600), EINVAL);
	check_errno(vas_seg_create("segment", PAGE, end, 0600), EEXIST);
	check_errno(vas_seg_find("s2"), ESRCH);
	check_errno(vas_seg_find(""), EINVAL);
	check_errno(vas_seg_find(BAD_POINTER), EFAULT);

	check_call(vas_seg_delete(sid));
	check_errno(vas_seg_delete(sid), EINVAL);

	sid = vas_seg_create("last", VAS_WINDOW_END - PAGE, VAS_WINDOW_END,
			     0600);
	check(sid > 0, "the last page of the window: %s", strerror(errno));
	check_call(vas_seg_delete(sid));
}

static void attributes(void)
{
	int vid = new_vas("attributes");
	int sid = new_segment("attributes", WINDOW, 1);
	struct vas_seg_attr seg_attr;
	struct vas_attr attr;

	check_call(vas_getattr(vid, &attr));
	check(attr.mode == 0600 && !attr.user && !attr.group, "%o %u %u",
	      attr.mode, attr.user, attr.group);
	attr = (struct vas_attr) { .mode = 07777, .user = 12, .group = 34 };
	check_call(vas_setattr(vid, &attr));
	check_call(vas_getattr(vid, &attr));
	check(attr.mode == 0666 && attr.user == 12 && attr.group == 34,
	      "%o %u %u", attr.mode, attr.user, attr.group);
	check_errno(vas_getattr(vid, (struct vas_attr *)BAD_POINTER), EFAULT);
	check_errno(vas_setattr(vid, (struct vas_attr *)BAD_POINTER), EFAULT);
	check_errno(vas_getattr(-1, &attr), EINVAL);
	check_errno(vas_setattr(1 << 30, &attr), EINVAL);
	attr.user = -1;
	check_errno(vas_setattr(vid, &attr), EINVAL);
	attr.user = 12;
	attr.group = -1;
	check_errno(vas_setattr(vid, &attr), EINVAL);

	check_call(vas_seg_getattr(sid, &seg_attr));
	seg_attr.mode = 0444;
	check_call(vas_seg_setattr(sid, &seg_attr));
	check_call(vas_seg_getattr(sid, &seg_attr));
	check(seg_attr.mode == 0444, "%o", seg_attr.mode);
	check_errno(vas_seg_getattr(0, &seg_attr), EINVAL);
	check_errno(vas_seg_getattr(sid, (void *)BAD_POINTER), EFAULT);
	check_errno(vas_seg_setattr(sid, (void *)BAD_POINTER), EFAULT);
	check_errno(vas_seg_setattr(0, &seg_attr), EINVAL);
	seg_attr.group = -1;
	check_errno(vas_seg_setattr(sid, &seg_attr), EINVAL);

	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
}

static int uevent_listener(void)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);

	require_call(fd >= 0);
	require_call(bind(fd, (struct sockaddr *)&all, sizeof(all)) == 0);
	require_call(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
				sizeof(limit)) == 0);
	return fd;
}

static void expect_uevent(int fd, const char *action, const char *folder,
			  int id)
{
	char expected[64], text[2048];

	snprintf(expected, sizeof(expected), "%s@/kernel/%s/%d", action, folder,
		 id);
	do {
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

		require(n > 0, "no uevent %s: %s", expected, strerror(errno));
		text[n] = 0;
	} while (!strstr(text, "@/kernel/vas"));
	check(!strcmp(text, expected), "%s, not %s", text, expected);
}

static void uevents(void)
{
	struct vas_seg_attr seg_attr = { .mode = 0666 };
	struct vas_attr attr = { .mode = 0666 };
	int fd = uevent_listener();
	int vid = new_vas("uevent"), sid = new_segment("uevent", WINDOW, 1);

	expect_uevent(fd, "add", "vas", vid);
	expect_uevent(fd, "add", "vas_segs", sid);
	check_call(vas_setattr(vid, &attr));
	expect_uevent(fd, "change", "vas", vid);
	check_call(vas_seg_setattr(sid, &seg_attr));
	expect_uevent(fd, "change", "vas_segs", sid);
	check_call(vas_seg_delete(sid));
	expect_uevent(fd, "remove", "vas_segs", sid);
	check_call(vas_delete(vid));
	expect_uevent(fd, "remove", "vas", vid);
	close(fd);
}

static void attach_errors(void)
{
	int vid = new_vas("attach"), sid = new_segment("attach", WINDOW, 2);
	int overlap = new_segment("overlap", WINDOW + PAGE, 2);
	int other = new_vas("other");
	pid_t child;

	check_errno(vas_attach(0, -1, O_RDWR), EINVAL);
	check_errno(vas_attach(0, 1 << 30, O_RDWR), EINVAL);
	check_errno(vas_attach(0, vid, 3), EINVAL);
	check_errno(vas_attach(0, vid, -1), EINVAL);
	check_errno(vas_attach(1 << 22, vid, O_RDWR), ESRCH);
	check_errno(vas_attach(-5, vid, O_RDWR), ESRCH);
	check_errno(vas_detach(0, vid), EINVAL);
	check_errno(vas_detach(1 << 22, vid), ESRCH);
	check_errno(vas_switch(vid), EINVAL);
	check_errno(vas_switch(-1), EINVAL);
	check_call(vas_switch(0));
	check(active_vas() == 0, "active_vas is not 0");

	/* Flaw 10: a kernel thread (kthreadd is 2) has no memory. */
	check_errno(vas_attach(2, vid, O_RDWR), ESRCH);

	check_call(vas_attach(0, vid, O_RDWR));
	check_call(vas_attach(0, vid, O_RDWR));
	check_errno(vas_delete(vid), EBUSY);
	child = fork_or_fail();
	if (!child) {
		/* One writer more (flaw 12), but not with sole use. */
		check_errno(vas_attach(0, vid, O_RDWR | O_EXCL), EBUSY);
		check_call(vas_attach(0, vid, O_RDWR));
		finish();
	}
	wait_for(child);
	check_call(vas_detach(0, vid));
	check_call(vas_attach(0, vid, O_RDWR | O_EXCL));
	child = fork_or_fail();
	if (!child) {
		check_errno(vas_attach(0, vid, O_RDONLY), EBUSY);
		finish();
	}
	wait_for(child);
	check_call(vas_detach(0, vid));

	check_errno(vas_seg_attach(-1, sid, O_RDWR), EINVAL);
	check_errno(vas_seg_attach(vid, -1, O_RDWR), EINVAL);
	check_errno(vas_seg_attach(vid, sid, 3), EINVAL);
	check_errno(vas_seg_detach(vid, sid), EINVAL);
	check_errno(vas_seg_detach(-1, sid), EINVAL);
	check_errno(vas_seg_detach(vid, -1), EINVAL);
	check_errno(vas_seg_detach(1 << 30, 1 << 30), EINVAL);
	check_call(vas_seg_attach(vid, sid, O_RDWR));
	check_call(vas_seg_attach(vid, sid, O_RDWR));
	check_errno(vas_seg_attach(vid, overlap, O_RDWR), EFAULT);
	check_errno(vas_seg_attach(other, sid, O_RDWR | O_EXCL), EBUSY);
	check_call(vas_seg_attach(other, sid, O_RDWR));
	check_errno(vas_seg_delete(sid), EBUSY);
	check_call(vas_seg_detach(vid, sid));
	check_errno(vas_seg_delete(sid), EBUSY);
	check_call(vas_delete(other));
	check_call(vas_seg_delete(sid));
	check_call(vas_seg_delete(overlap));
	check_call(vas_delete(vid));
}

static void check_file(const char *folder, int id, const char *file,
		       const char *expected)
{
	char path[128], text[300];

	snprintf(path, sizeof(path), "/sys/kernel/%s/%d/%s", folder, id, file);
	read_text(path, text, sizeof(text));
	check(!strcmp(text, expected), "%s: %s", path, text);
}

static void sysfs(void)
{
	int vid = vas_create("shown", 0640);
	int sid = vas_seg_create("seen", WINDOW, WINDOW + PAGE, 0600);
	struct vas_attr attr = { .mode = 0604, .user = 7, .group = 8 };
	char path[64];

	check_file("vas", vid, "name", "shown\n");
	check_file("vas", vid, "mode", "0640\n");
	check_call(vas_setattr(vid, &attr));
	check_file("vas", vid, "mode", "0604\n");
	check_file("vas", vid, "user", "7\n");
	check_file("vas", vid, "group", "8\n");
	check_file("vas_segs", sid, "name", "seen\n");
	check_file("vas_segs", sid, "region", "200000000000-200000001000\n");
	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
	snprintf(path, sizeof(path), "/sys/kernel/vas/%d", vid);
	check(access(path, F_OK) && errno == ENOENT, "%s is still there", path);
}

static void many_attachments(void)
{
	struct line other;
	int vid[512];
	pid_t child;

	for (int i = 0; i < 512; i++) {
		char name[16];

		snprintf(name, sizeof(name), "many%d", i);
		vid[i] = vas_create(name, 0600);
		require_call(vid[i] > 0);
		if (i < 511)
			require_call(vas_attach(0, vid[i], O_RDWR) == 0);
	}
	check_errno(vas_attach(0, vid[511], O_RDWR), ENOMEM);
	/* That somebody has it alone comes first. */
	child = fork_with_line(&other);
	if (!child) {
		require_call(!vas_attach(0, vid[511], O_RDWR | O_EXCL));
		tell(&other);
		hear(&other);
		finish();
	}
	hear(&other);
	check_errno(vas_attach(0, vid[511], O_RDWR), EBUSY);
	tell(&other);
	wait_for(child);
	check_call(vas_detach(0, vid[100]));
	check_call(vas_attach(0, vid[511], O_RDWR));
	for (int i = 0; i < 512; i++) {
		if (i != 100)
			check_call(vas_detach(0, vid[i]));
		check_call(vas_delete(vid[i]));
	}
}

static const struct ktap_case cases[] = {
	{ "names", names, 0 },
	{ "name up to the end of memory", name_up_to_the_end_of_memory, 0 },
	{ "names are unique among threads",
	  names_are_unique_among_threads, 0 },
	{ "segments", segments, 0 },
	{ "attributes", attributes, 0 },
	{ "uevents", uevents, 0 },
	{ "errors of attach and detach", attach_errors, 0 },
	{ "sysfs", sysfs, 0 },
	{ "as many attachments as there are slots", many_attachments, 0 },
};

KTAP_TESTS(cases)
