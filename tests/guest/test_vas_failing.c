// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation and each copy from user space that a call makes fails in its
 * turn (/proc/thread-self/fail-nth, which the debug kernel has; without it, each
 * call is made once). The call must then give a proper errno and have changed
 * nothing, or have done all of it.
 */
#include "files.h"
#include "vas_test.h"

#include <poll.h>
#include <sched.h>

#define TURNS	400

static int fail_nth = -1;

static void set_up(void)
{
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (fail_nth < 0) {
		ktap_note("no fail-nth: each call is made once\n");
		return;
	}
	write_text("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	write_text("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	write_text("/sys/kernel/debug/failslab/verbose", "0");
	write_text("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	write_text("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

static void arm(int nth)
{
	char text[16];

	if (fail_nth < 0)
		return;
	snprintf(text, sizeof(text), "%d", nth);
	require_call(pwrite(fail_nth, text, strlen(text), 0) > 0);
}

/*
 * Whether something was made to fail since arm(). If nothing was, it can be one
 * of the two copies here that fails.
 */
static bool disarm(void)
{
	char text[16] = "1";

	if (fail_nth < 0)
		return false;
	require_call(pread(fail_nth, text, sizeof(text) - 1, 0) > 0 ||
		     errno == EFAULT);
	require_call(pwrite(fail_nth, "0", 1, 0) == 1 || errno == EFAULT);
	return atoi(text) == 0;
}

static bool proper(int error)
{
	return error == ENOMEM || error == EFAULT || error == EINTR;
}

/*
 * Makes the call with the first failing, then the second, and so on, until
 * nothing is left to fail. undo() brings back what was before a success, and
 * untouched() checks that a failure changed nothing.
 */
static void every_failure(const char *what, int (*call)(void),
			  void (*undo)(void), void (*untouched)(void))
{
	int nth, result, error;
	bool failed;

	for (nth = 1; nth <= TURNS; nth++) {
		arm(nth);
		result = call();
		error = errno;
		failed = disarm();
		if (result < 0) {
			check(failed && proper(error), "%s, %d: %s", what, nth,
			      strerror(error));
			if (untouched)
				untouched();
		} else if (undo) {
			undo();
		}
		if (!failed)
			break;
	}
	check(nth <= TURNS, "%s: no end", what);
}

static int vid, sid, segment_file;
static const char *const name = "failing object";

static int call_create(void)
{
	return vas_create("failing", 0600);
}

static void undo_create(void)
{
	check_call(vas_delete(vas_find("failing")));
}

static void no_such_vas(void)
{
	check_errno(vas_find("failing"), ESRCH);
}

static int call_seg_create(void)
{
	return vas_seg_create("failing", WINDOW, WINDOW + 4 * PAGE, 0600);
}

static void undo_seg_create(void)
{
	check_call(vas_seg_delete(vas_seg_find("failing")));
}

static void no_such_segment(void)
{
	check_errno(vas_seg_find("failing"), ESRCH);
}

static int call_seg_create_fd(void)
{
	return vas_seg_create_fd("failing", WINDOW, WINDOW + 4 * PAGE, 0600,
				 segment_file);
}

static int call_clone(void)
{
	return vas_clone(vid, "failing", 0600);
}

static void source_untouched(void)
{
	no_such_vas();
	enter(vid);
	check(page_is(at(HEAP), 5), "it lost its memory");
	check(!can_read(at(HEAP + 4 * PAGE)), "it has more than before");
	check(can_write(at(WINDOW)), "it lost its segment");
	enter(0);
}

static int call_find(void)
{
	return vas_find(name);
}

static int call_seg_find(void)
{
	return vas_seg_find(name);
}

static struct vas_attr attr;
static struct vas_seg_attr seg_attr;

static int call_getattr(void)
{
	return vas_getattr(vid, &attr);
}

static int call_seg_getattr(void)
{
	return vas_seg_getattr(sid, &seg_attr);
}

static int call_setattr(void)
{
	const struct vas_attr wanted = { 0640, 1, 2 };

	return vas_setattr(vid, &wanted);
}

static int call_seg_setattr(void)
{
	const struct vas_seg_attr wanted = { 0640, 1, 2 };

	return vas_seg_setattr(sid, &wanted);
}

static void attributes_untouched(void)
{
	check_call(vas_getattr(vid, &attr));
	check(attr.mode == 0600 && !attr.user && !attr.group, "%o %u %u",
	      attr.mode, attr.user, attr.group);
	check_call(vas_seg_getattr(sid, &seg_attr));
	check(seg_attr.mode == 0600 && !seg_attr.user && !seg_attr.group,
	      "segment: %o %u %u", seg_attr.mode, seg_attr.user,
	      seg_attr.group);
}

static void undo_setattr(void)
{
	attr = (struct vas_attr) { .mode = 0600 };
	seg_attr = (struct vas_seg_attr) { .mode = 0600 };
	check_call(vas_setattr(vid, &attr));
	check_call(vas_seg_setattr(sid, &seg_attr));
}

static int call_delete(void)
{
	return vas_delete(vid);
}

static int call_seg_delete(void)
{
	return vas_seg_delete(sid);
}

static void objects_untouched(void)
{
	check(vas_find(name) == vid, "the VAS is not there");
	check(vas_seg_find(name) == sid, "the segment is not there");
	attach_self(vid);
	check_call(vas_seg_attach(vid, sid, O_RDWR));
	enter(vid);
	check(can_write(at(WINDOW)), "not usable");
	enter(0);
	check_call(vas_detach(0, vid));
	check_call(vas_seg_detach(vid, sid));
}

static void undo_delete(void)
{
	vid = vas_create(name, 0600);
}

static void undo_seg_delete(void)
{
	sid = vas_seg_create(name, WINDOW, WINDOW + PAGE, 0600);
}

static int call_attach(void)
{
	return vas_attach(0, vid, O_RDWR);
}

static void undo_attach(void)
{
	check_call(vas_detach(0, vid));
}

static void not_attached(void)
{
	check_errno(vas_switch(vid), EINVAL);
}

static int call_detach(void)
{
	return vas_detach(0, vid);
}

static void undo_detach(void)
{
	check_call(vas_attach(0, vid, O_RDWR));
	enter(vid);
	*word_at(WINDOW) = 1;
	enter(0);
}

static void still_attached(void)
{
	enter(vid);
	check(*word_at(WINDOW) == 1, "it lost its memory");
	enter(0);
}

static int call_switch(void)
{
	return vas_switch(vid);
}

static void attach_anew(void)
{
	check_call(vas_detach(0, vid));
	check_call(vas_attach(0, vid, O_RDWR));
}

static void undo_switch(void)
{
	check(*word_at(WINDOW) == 1, "wrong contents");
	enter(0);
	attach_anew();
}

static int attach_to;

static int call_attach_other(void)
{
	return vas_attach(attach_to, vid, O_RDWR);
}

static void undo_attach_other(void)
{
	check_call(vas_detach(attach_to, vid));
}

static void other_not_attached(void)
{
	check_errno(vas_detach(attach_to, vid), EINVAL);
}

static void still_outside(void)
{
	check(active_vas() == 0, "inside after a failure");
}

static int call_seg_attach(void)
{
	return vas_seg_attach(vid, sid, O_RDWR | VAS_SEG_LOCK);
}

static void undo_seg_attach(void)
{
	check_call(vas_seg_detach(vid, sid));
}

static int call_seg_detach(void)
{
	return vas_seg_detach(vid, sid);
}

static void undo_seg_detach(void)
{
	check_call(vas_seg_attach(vid, sid, O_RDWR));
}

static void segment_used(void)
{
	enter(vid);
	check(*word_at(WINDOW) == 1, "it is gone");
	enter(0);
	check_errno(vas_seg_delete(sid), EBUSY);
}

/* From one VAS with a lock to another one. */
static int locked[2], lock_of[2];

static int call_locked_switch(void)
{
	return vas_switch(locked[1]);
}

static void undo_locked_switch(void)
{
	check_errno(vas_seg_detach(locked[1], lock_of[1]), EBUSY);
	enter(locked[0]);
	check_call(vas_detach(0, locked[1]));
	attach_self(locked[1]);
}

static void still_in_the_first(void)
{
	check(active_vas() == locked[0], "in %d", active_vas());
	check_errno(vas_seg_detach(locked[0], lock_of[0]), EBUSY);
	check(can_write(at(WINDOW)), "the segment is gone");
}

static void segment_unused(void)
{
	check_errno(vas_seg_detach(vid, sid), EINVAL);
}

static int call_mmap(void)
{
	return mmap(at(HEAP + PAGE), 2 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
	       MAP_FAILED ? -1 : 0;
}

static void undo_mmap(void)
{
	*word_at(HEAP + PAGE) = 3;
	check_call(munmap(at(HEAP + PAGE), 2 * PAGE));
}

static void not_mapped(void)
{
	check(!can_read(at(HEAP + PAGE)) && !can_read(at(HEAP + 2 * PAGE)),
	      "something is there");
}

static int call_mremap(void)
{
	return mremap(at(HEAP + 8 * PAGE), 3 * PAGE, 5 * PAGE, 0) ==
	       MAP_FAILED ? -1 : 0;
}

static void undo_mremap(void)
{
	check(can_write(at(HEAP + 12 * PAGE)), "nothing is there");
	check_call(munmap(at(HEAP + 11 * PAGE), 2 * PAGE));
}

static void not_grown(void)
{
	check(!can_read(at(HEAP + 11 * PAGE)), "it has grown");
	check(*word_at(HEAP + 9 * PAGE) == 9, "it lost its memory");
}

static int call_munmap(void)
{
	return munmap(at(HEAP + 9 * PAGE), PAGE);
}

static void undo_munmap(void)
{
	check(!can_read(at(HEAP + 9 * PAGE)), "still there");
	map_here(HEAP + 9 * PAGE, 1);
	*word_at(HEAP + 9 * PAGE) = 9;
}

static void still_mapped(void)
{
	check(*word_at(HEAP + 9 * PAGE) == 9, "it lost its memory");
	check(can_write(at(HEAP + 8 * PAGE)) && can_write(at(HEAP + 10 * PAGE)),
	      "its neighbours lost theirs");
}

static volatile uint32_t thread_id;
static int thread_fd;

static int end_at_once(void *unused)
{
	(void)unused;
	return 0;
}

/* With a pidfd, which is made when the thread is in the VAS already. */
static int call_thread(void)
{
	static char stack[16 * 1024] __attribute__((aligned(16)));

	thread_id = 1;
	return clone(end_at_once, stack + sizeof(stack), CLONE_VM | CLONE_FS |
		     CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		     CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | CLONE_PIDFD, NULL,
		     &thread_fd, NULL, &thread_id);
}

static int call_fork(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	return child;
}

/* The VAS can be detached, so nobody else is counted as inside of it. */
static void nobody_else_inside(void)
{
	enter(0);
	check_call(vas_detach(0, vid));
	attach_self(vid);
	enter(vid);
	check(*word_at(HEAP) == 7, "it lost its memory");
}

static void undo_thread(void)
{
	for (int i = 0; i < 5000 && thread_id; i++)
		poll(NULL, 0, 1);
	check(!thread_id, "the thread did not end");
	close(thread_fd);
	nobody_else_inside();
}

static void undo_fork(void)
{
	int status;

	check(wait(&status) > 0 && !status, "the child: %x", status);
	nobody_else_inside();
}

static void threads_and_processes(void)
{
	set_up();
	vid = new_vas("fail");
	attach_self(vid);
	enter(vid);
	map_here(HEAP, 1);
	*word_at(HEAP) = 7;
	every_failure("thread", call_thread, undo_thread, nobody_else_inside);
	every_failure("fork", call_fork, undo_fork, nobody_else_inside);
	drop_vas(vid);
}

static void create_and_clone(void)
{
	set_up();
	vid = vas_with_segment("fail", &sid);
	attach_self(vid);
	enter(vid);
	map_here(HEAP, 4);
	page_fill(at(HEAP), 5);
	enter(0);
	every_failure("create", call_create, undo_create, no_such_vas);
	every_failure("seg_create", call_seg_create, undo_seg_create,
		      no_such_segment);
	segment_file = memfd_create("failing", 0);
	require_call(segment_file >= 0);
	every_failure("seg_create_fd", call_seg_create_fd, undo_seg_create,
		      no_such_segment);
	every_failure("clone", call_clone, undo_create, source_untouched);
	drop_with_segment(vid, sid);
}

static void objects(void)
{
	set_up();
	undo_delete();
	undo_seg_delete();
	every_failure("find", call_find, NULL, NULL);
	every_failure("seg_find", call_seg_find, NULL, NULL);
	every_failure("getattr", call_getattr, NULL, NULL);
	every_failure("seg_getattr", call_seg_getattr, NULL, NULL);
	every_failure("setattr", call_setattr, undo_setattr,
		      attributes_untouched);
	every_failure("seg_setattr", call_seg_setattr, undo_setattr,
		      attributes_untouched);
	every_failure("delete", call_delete, undo_delete, objects_untouched);
	every_failure("seg_delete", call_seg_delete, undo_seg_delete,
		      objects_untouched);
	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
}

static void attach_to_another(void)
{
	set_up();
	vid = new_vas("fail");
	attach_to = fork_or_fail();
	if (!attach_to) {
		pause();
		finish();
	}
	every_failure("attach to another", call_attach_other,
		      undo_attach_other, other_not_attached);
	kill(attach_to, SIGKILL);
	waitpid(attach_to, NULL, 0);
	check_call(vas_delete(vid));
}

static void switch_with_locks(void)
{
	set_up();
	for (int i = 0; i < 2; i++) {
		locked[i] = new_vas(i ? "second" : "first");
		lock_of[i] = new_segment(i ? "second" : "first", WINDOW, 1);
		require_call(!vas_seg_attach(locked[i], lock_of[i],
					     O_RDWR | VAS_SEG_LOCK));
		attach_self(locked[i]);
	}
	enter(locked[0]);
	every_failure("switch with locks", call_locked_switch,
		      undo_locked_switch, still_in_the_first);
	for (int i = 0; i < 2; i++)
		drop_with_segment(locked[i], lock_of[i]);
}

static void attach_and_switch(void)
{
	set_up();
	vid = vas_with_segment("fail", &sid);
	attach_self(vid);
	enter(vid);
	*word_at(WINDOW) = 1;
	enter(0);
	every_failure("detach", call_detach, undo_detach, still_attached);
	/* Not where it has been before */
	attach_anew();
	every_failure("switch", call_switch, undo_switch, still_outside);
	every_failure("seg_detach", call_seg_detach, undo_seg_detach,
		      segment_used);
	check_call(vas_detach(0, vid));
	every_failure("attach", call_attach, undo_attach, not_attached);
	check_call(vas_seg_detach(vid, sid));
	every_failure("seg_attach", call_seg_attach, undo_seg_attach,
		      segment_unused);
	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
}

static void memory_inside(void)
{
	set_up();
	vid = new_vas("fail");
	attach_self(vid);
	enter(vid);
	every_failure("mmap", call_mmap, undo_mmap, not_mapped);
	map_here(HEAP + 8 * PAGE, 3);
	*word_at(HEAP + 9 * PAGE) = 9;
	/* A neighbour with which what is new cannot merge */
	require_call(!mprotect(at(HEAP + 10 * PAGE), PAGE, PROT_READ));
	every_failure("mremap", call_mremap, undo_mremap, not_grown);
	require_call(!mprotect(at(HEAP + 10 * PAGE), PAGE,
			       PROT_READ | PROT_WRITE));
	every_failure("munmap", call_munmap, undo_munmap, still_mapped);
	drop_vas(vid);
}

static const struct ktap_case cases[] = {
	{ "create and clone", create_and_clone, 0 },
	{ "objects", objects, 0 },
	{ "attach and switch", attach_and_switch, 0 },
	{ "attach to another process", attach_to_another, 0 },
	{ "switch with locks", switch_with_locks, 0 },
	{ "memory inside", memory_inside, 0 },
	{ "threads and processes", threads_and_processes, 0 },
};

KTAP_TESTS(cases)
