// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rest of the kernel knows what a window address means: system calls that
 * are given one, what the kernel writes on its own, and what /proc shows.
 */
#include "files.h"
#include "vas_test.h"

#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/uio.h>

static void calls_with_window_addresses(void)
{
	int sid[2], vid[2], pipe_fd[2];
	unsigned char resident[4];
	struct iovec iov;
	char *text;

	require_call(pipe(pipe_fd) == 0);
	vid[0] = vas_with_segment("calls0", &sid[0]);
	vid[1] = vas_with_segment("calls1", &sid[1]);
	attach_self(vid[0]);
	attach_self(vid[1]);
	text = at(WINDOW + PAGE - 4);

	enter(vid[0]);
	memcpy(text, "0123456789", 11);
	enter(vid[1]);
	memcpy(text, "abcdefghij", 11);
	check(write(pipe_fd[1], text, 11) == 11, "write");
	enter(vid[0]);
	check(!memcmp(text, "0123456789", 11), "wrong VAS");
	check(write(pipe_fd[1], text, 11) == 11, "write");
	check(read(pipe_fd[0], text, 11) == 11, "read");
	check(!memcmp(text, "abcdefghij", 11), "read: %.11s", text);
	enter(vid[1]);
	iov = (struct iovec) { text, 11 };
	check(readv(pipe_fd[0], &iov, 1) == 11, "readv");
	check(!memcmp(text, "0123456789", 11), "readv: %.11s", text);
	check(write(pipe_fd[1], at(HEAP), 4) < 0 && errno == EFAULT,
	      "write of what is not there: %s", strerror(errno));

	check_call(mincore(at(WINDOW), 4 * PAGE, resident));
	check(resident[0] & 1 && resident[1] & 1, "mincore");
	check_call(mlock(at(WINDOW), 2 * PAGE));
	check_call(munlock(at(WINDOW), 2 * PAGE));
	check_call(msync(at(WINDOW), PAGE, MS_SYNC));
	check_call(madvise(at(WINDOW), 2 * PAGE, MADV_DONTNEED));
	check(!memcmp(text, "0123456789", 11), "DONTNEED lost shared memory");
	check_call(madvise(at(WINDOW), 2 * PAGE, MADV_REMOVE));
	check(text[0] == 0, "REMOVE left something");
	check_errno(madvise(at(WINDOW), PAGE, MADV_DOFORK), EINVAL);
	check_errno((long)shmat(0, at(WINDOW), 0), EINVAL);
	enter(vid[0]);
	check(!memcmp(text, "abcdefghij", 11), "the other VAS lost something");

	for (int i = 0; i < 2; i++)
		drop_with_segment(vid[i], sid[i]);
}

static int end_inside(void *id)
{
	return vas_switch(*(int *)id) != 0;
}

/* What CLONE_CHILD_CLEARTID clears is where the thread was when it ended. */
static void thread_id_inside(void)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	int id = new_vas("tid");
	volatile uint32_t *tid = at(WINDOW);

	attach_self(id);
	enter(id);
	map_here(WINDOW, 1);
	*tid = 99;
	require_call(clone(end_inside, stack + sizeof(stack), CLONE_VM |
			   CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			   CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
			   &id, NULL, NULL, tid) > 0);
	for (int i = 0; i < 5000 && *tid; i++)
		poll(NULL, 0, 1);
	check(!*tid, "it is still %u", *tid);
	/* The thread leaves a little later. */
	enter(0);
	for (int i = 0; i < 5000 && vas_detach(0, id); i++)
		poll(NULL, 0, 1);
	check_call(vas_delete(id));
}

static void proc_maps(void)
{
	int vid = new_vas("ownname"), sid = new_segment("mapsname", WINDOW, 16);
	bool found = false, own = false;
	char line[512];
	FILE *maps;

	require_call(vas_seg_attach(vid, sid, O_RDWR) == 0);
	attach_self(vid);
	enter(vid);
	map_here(HEAP, 2);
	maps = fopen("/proc/self/maps", "r");
	require_call(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (!strncmp(line, "200000000000-200000010000 rw-s", 30) &&
		    strstr(line, "mapsname"))
			found = true;
		if (!strncmp(line, "200040000000-200040002000 rw-s", 30) &&
		    strstr(line, "ownname"))
			own = true;
	}
	fclose(maps);
	check(found, "the segment is not in /proc/self/maps");
	check(own, "own memory is not in /proc/self/maps");
	drop_with_segment(vid, sid);
}

static void proc_folder(void)
{
	int sid, vid = vas_with_segment("folder", &sid);
	char path[64], text[2048], expected[64];
	int status;

	attach_self(vid);
	enter(vid);
	map_here(HEAP, 3);
	*word_at(HEAP) = 1;
	map_here(HEAP + 1024 * PAGE, 1);
	snprintf(path, sizeof(path), "/proc/self/vas/%d/status", vid);
	snprintf(expected, sizeof(expected), "pid:\t%d\nvid:\t%d\ntype:\trw\n",
		 (int)getpid(), vid);
	read_text(path, text, sizeof(text));
	check(!strcmp(text, expected), "status: %s", text);

	snprintf(path, sizeof(path), "/proc/self/vas/%d/maps", vid);
	read_text(path, text, sizeof(text));
	check(strstr(text, "200000000000-200000010000 rw-s"),
	      "the segment is missing: %s", text);
	check(strstr(text, "200040400000-200040401000 rw-s") &&
	      strstr(text, "[v:-]"), "what nobody used is missing: %s", text);
	check(strstr(text, "200040000000-200040003000 rw-s") &&
	      strstr(text, "[v:a]"), "own memory is missing: %s", text);

	snprintf(path, sizeof(path), "/proc/self/vas/%d/vas/name", vid);
	read_text(path, text, sizeof(text));
	check(!strncmp(text, "folder.", 7), "name: %s", text);

	status = open("/proc/self/vas/999999/status", O_RDONLY);
	check(status < 0 && errno == ENOENT, "an id that is not attached");
	snprintf(path, sizeof(path), "/proc/self/vas/%d/status", vid);
	status = open(path, O_RDONLY);
	drop_vas(vid);
	check(access(path, F_OK) && errno == ENOENT, "there after detach");
	check(read(status, text, 1) < 0 && errno == ESRCH, "read after detach");
	close(status);
	check_call(vas_seg_delete(sid));
}

/*
 * Attaching what is attached changes nothing, also where there is no room for
 * what came since and attaching is not lazy.
 */
static void attached_already(void)
{
	const struct rlimit little = { PAGE, RLIM_INFINITY };
	const struct rlimit enough = { RLIM_INFINITY, RLIM_INFINITY };
	int vid = new_vas("already");
	struct line other;
	pid_t child = fork_with_line(&other);

	if (!child) {
		attach_self(vid);
		tell(&other);
		hear(&other);
		require_call(setrlimit(RLIMIT_AS, &little) == 0);
		check_call(vas_attach(0, vid, O_RDWR));
		require_call(setrlimit(RLIMIT_AS, &enough) == 0);
		enter(vid);
		check(*word_at(HEAP) == 5, "wrong contents");
		finish();
	}
	hear(&other);
	attach_self(vid);
	enter(vid);
	map_here(HEAP, 1);
	*word_at(HEAP) = 5;
	tell(&other);
	wait_for(child);
	drop_vas(vid);
}

static long address_space(void)
{
	return number_in("/proc/self/status", "VmSize:") * 1024;
}

static void limit_address_space(long bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	require_call(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* Entering takes address space of the process; without lazy attach, attaching does. */
static void address_space_is_limited(void)
{
	int sid, vid = vas_with_segment("space", &sid);
	long before = address_space();
	bool lazy;

	attach_self(vid);
	lazy = address_space() == before;
	require_call(vas_detach(0, vid) == 0);

	limit_address_space(before + (SEG_PAGES - 1) * PAGE);
	if (lazy) {
		check_call(vas_attach(0, vid, O_RDWR));
		check_errno(vas_switch(vid), ENOMEM);
		check(active_vas() == 0, "inside");
	} else {
		check_errno(vas_attach(0, vid, O_RDWR), ENOMEM);
	}
	limit_address_space(before + SEG_PAGES * PAGE);
	if (!lazy)
		check_call(vas_attach(0, vid, O_RDWR));
	check_call(vas_switch(vid));
	*word_at(WINDOW) = 1;
	check_errno((long)mmap(at(HEAP), PAGE, PROT_READ, MAP_SHARED |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
	limit_address_space(RLIM_INFINITY);
	check(!can_read(at(HEAP)), "something is left");
	drop_with_segment(vid, sid);
}

static const struct ktap_case cases[] = {
	{ "calls with window addresses", calls_with_window_addresses, 0 },
	{ "thread id inside", thread_id_inside, 0 },
	{ "proc maps", proc_maps, 0 },
	{ "proc folder", proc_folder, 0 },
	{ "attached already", attached_already, 0 },
	{ "address space is limited", address_space_is_limited, 0 },
};

KTAP_TESTS(cases)
