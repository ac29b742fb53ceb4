// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread sees inside of a VAS: isolation, sharing, memory of its own,
 * system calls with window addresses, and what others see of a change.
 */
#include "files.h"
#include "vas_test.h"

#include <sys/uio.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/prctl.h>

/* Every thread is in the address space that it was put into, and no other. */
static void isolation(void)
{
	int sid[3], vid[3];
	char name[8];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "iso%d", i);
		vid[i] = vas_with_segment(name, &sid[i]);
		attach_self(vid[i]);
	}
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 3; i++) {
			enter(vid[i]);
			check(active_vas() == vid[i], "in another VAS");
			for (unsigned long p = 0; p < SEG_PAGES; p++) {
				volatile uint64_t *w = word_at(WINDOW + p * PAGE);
				uint64_t was = round ? round * 100 + i + p : 0;

				check(*w == was, "%d, page %lu: %lu, not %lu",
				      i, p, *w, was);
				*w = (round + 1) * 100 + i + p;
			}
		}
	require_call(vas_switch(0) == 0);
	check(!can_read(at(WINDOW)), "the window is open outside of all VASes");
	for (int i = 0; i < 3; i++)
		drop_with_segment(vid[i], sid[i]);
}

/* Flaw 3: pages first touched inside of a VAS were not all carried back. */
static void memory_outlives_the_process(void)
{
	int sid, vid = vas_with_segment("outlives", &sid);
	pid_t child = fork_or_fail();

	if (!child) {
		attach_self(vid);
		enter(vid);
		map_here(HEAP, 8);
		for (unsigned long p = 0; p < 8; p++) {
			page_fill(at(WINDOW + p * PAGE), 100 + p);
			page_fill(at(HEAP + p * PAGE), 200 + p);
		}
		finish();
	}
	wait_for(child);
	attach_self(vid);
	enter(vid);
	for (unsigned long p = 0; p < 8; p++) {
		check(page_is(at(WINDOW + p * PAGE), 100 + p), "page %lu", p);
		check(page_is(at(HEAP + p * PAGE), 200 + p), "page %lu", p);
	}
	drop_with_segment(vid, sid);
}

static volatile int *shared_flags;

static void make_flags(void)
{
	shared_flags = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require_call(shared_flags != MAP_FAILED);
}

static void set_flag(int flag)
{
	barrier();
	shared_flags[flag] = 1;
}

static void wait_flag(int flag)
{
	for (int i = 0; i < 20000 && !shared_flags[flag]; i++)
		usleep(500);
	require(shared_flags[flag], "flag %d does not come", flag);
	barrier();
}

/* Two processes write one VAS (flaw 12), and see each other's changes at once. */
static void coherence(void)
{
	int sid, vid = vas_with_segment("coherence", &sid);
	pid_t child;

	make_flags();
	child = fork_or_fail();
	if (!child) {
		attach_self(vid);
		enter(vid);
		*word_at(WINDOW) = 1;
		map_here(HEAP, 4);
		page_fill(at(HEAP), 77);
		set_flag(0);
		wait_flag(1);
		check(*word_at(WINDOW) == 2, "the other's write is not seen");
		check(can_read(at(HEAP + PAGE)), "unmapped too early");
		set_flag(2);
		wait_flag(3);
		/* Flaw 11: a munmap was never propagated. */
		check(!can_read(at(HEAP)), "still mapped after munmap");
		check(!can_write(at(HEAP + PAGE)), "still mapped after munmap");
		check(can_write(at(HEAP + 2 * PAGE)), "too much was unmapped");
		set_flag(4);
		finish();
	}
	attach_self(vid);
	enter(vid);
	wait_flag(0);
	check(*word_at(WINDOW) == 1, "the other's write is not seen");
	check(page_is(at(HEAP), 77), "the other's new memory is not seen");
	*word_at(WINDOW) = 2;
	set_flag(1);
	wait_flag(2);
	require_call(munmap(at(HEAP), 2 * PAGE) == 0);
	set_flag(3);
	wait_flag(4);
	check(!can_read(at(HEAP)), "still mapped here");
	wait_for(child);

	/* What was unmapped is gone, also when it is mapped again. */
	map_here(HEAP, 2);
	check(page_is(at(HEAP), 0), "old contents came back");
	drop_with_segment(vid, sid);
}

/* Flaw 2: a region that grew, was split or merged broke the next switch. */
static void regions_change_shape(void)
{
	int vid = new_vas("shape");

	attach_self(vid);
	enter(vid);
	for (unsigned long i = 0; i < 64; i++) {
		map_here(HEAP + i * PAGE, 1);
		*word_at(HEAP + i * PAGE) = i;
		enter(0);
		enter(vid);
	}
	for (unsigned long i = 1; i < 64; i += 3) {
		check_call(mprotect(at(HEAP + i * PAGE), PAGE, PROT_READ));
		enter(0);
		enter(vid);
		check(!can_write(at(HEAP + i * PAGE)), "mprotect did nothing");
	}
	check_call(mprotect(at(HEAP), 64 * PAGE, PROT_READ | PROT_WRITE));
	for (unsigned long i = 0; i < 64; i += 5)
		require_call(munmap(at(HEAP + i * PAGE), PAGE) == 0);
	for (unsigned long i = 0; i < 64; i++) {
		enter(0);
		enter(vid);
		if (i % 5)
			check(*word_at(HEAP + i * PAGE) == i, "page %lu", i);
		else
			check(!can_read(at(HEAP + i * PAGE)), "page %lu", i);
	}
	drop_vas(vid);
}

/* Flaw 8: a read-only attacher could leave its own mappings behind. */
static void read_only(void)
{
	int sid, vid = vas_with_segment("readonly", &sid);

	attach_self(vid);
	enter(vid);
	map_here(HEAP, 1);
	*word_at(HEAP) = 5;
	*word_at(WINDOW) = 6;
	enter(0);
	require_call(vas_detach(0, vid) == 0);

	require_call(vas_attach(0, vid, O_RDONLY) == 0);
	enter(vid);
	check(*word_at(HEAP) == 5 && *word_at(WINDOW) == 6, "wrong contents");
	check(!can_write(at(HEAP)), "own memory can be written");
	check(!can_write(at(WINDOW)), "a segment can be written");
	check_errno((long)mmap(at(HEAP + PAGE), PAGE, PROT_READ, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0), EACCES);
	check_errno(munmap(at(HEAP), PAGE), EACCES);
	check_errno(mprotect(at(HEAP), PAGE, PROT_READ | PROT_WRITE), EACCES);
	check_errno((long)mremap(at(HEAP), PAGE, 2 * PAGE, 0), EACCES);
	drop_with_segment(vid, sid);
}

static void read_only_segment(void)
{
	int vid = new_vas("roseg"), sid = new_segment("roseg", WINDOW, 2);
	int writer = new_vas("rwseg");

	require_call(vas_seg_attach(vid, sid, O_RDONLY) == 0);
	require_call(vas_seg_attach(writer, sid, O_RDWR) == 0);
	attach_self(vid);
	attach_self(writer);
	enter(writer);
	*word_at(WINDOW) = 9;
	enter(vid);
	check(*word_at(WINDOW) == 9, "wrong contents");
	check(!can_write(at(WINDOW)), "it can be written");
	check_errno(mprotect(at(WINDOW), PAGE, PROT_WRITE), EACCES);
	check_errno(munmap(at(WINDOW), PAGE), EBUSY);
	/* A segment that is detached is gone at once, from all inside. */
	check_call(vas_seg_detach(vid, sid));
	check(!can_read(at(WINDOW)), "still there after detach");
	drop_vas(vid);
	drop_with_segment(writer, sid);
}

static bool in_window(const void *p)
{
	unsigned long addr = (unsigned long)p;

	return addr >= WINDOW && addr < VAS_WINDOW_END;
}

static void mapping_rules(void)
{
	int vid = new_vas("rules");
	char *outside, *hinted;
	struct stat st;
	int fd;

	/* Outside of all VASes nobody gets into the window, or next to it. */
	check_errno((long)mmap(at(WINDOW), PAGE, PROT_READ, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
	check_errno((long)mmap(at(WINDOW - PAGE), PAGE, PROT_READ, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
	check_errno((long)mmap(at(VAS_WINDOW_END), PAGE, PROT_READ, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
	hinted = mmap(at(WINDOW + PAGE), PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(hinted != MAP_FAILED && !in_window(hinted), "hint: %p", hinted);
	check_errno((long)mremap(hinted, PAGE, PAGE, MREMAP_MAYMOVE |
				 MREMAP_FIXED, at(WINDOW)), ENOMEM);

	attach_self(vid);
	enter(vid);
	outside = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(!in_window(outside), "%p", outside);
	*outside = 1;
	hinted = mmap(at(HEAP), PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(hinted == at(HEAP), "hint: %p", hinted);
	hinted = mmap(at(HEAP), PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(hinted != at(HEAP) && in_window(hinted), "second hint: %p",
	      hinted);
	check_errno((long)mmap(at(HEAP), PAGE, PROT_READ, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		    EEXIST);
	check_errno((long)mmap(at(HEAP + 1), PAGE, PROT_READ, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	check_errno((long)mmap(at(HEAP), 0, PROT_READ, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	check_errno((long)mmap(at(VAS_WINDOW_END - PAGE), 2 * PAGE, PROT_READ,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		    ENOMEM);
	check_errno(munmap(at(HEAP + 1), PAGE), EINVAL);
	check_errno(munmap(at(VAS_WINDOW_END - PAGE), 2 * PAGE), EINVAL);

	fd = open("/proc/self/exe", O_RDONLY);
	require_call(fd >= 0 && fstat(fd, &st) == 0);
	check_errno((long)mmap(at(HEAP), PAGE, PROT_READ, MAP_PRIVATE |
			       MAP_FIXED, fd, 0), EOPNOTSUPP);
	check_errno((long)mmap(at(HEAP), PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED, fd, 0), EACCES);
	check_errno((long)mmap(at(HEAP), PAGE, PROT_READ, MAP_SHARED |
			       MAP_FIXED, -1, 0), EBADF);
	hinted = mmap(at(HEAP), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	check(hinted == at(HEAP), "%s", strerror(errno));
	check(!memcmp(hinted, "\177ELF", 4), "not the file's contents");
	close(fd);

	enter(0);
	check(!can_read(at(HEAP)), "the window is open");
	check(*outside == 1, "process memory changed by a switch");
	drop_vas(vid);
}

static void grow_and_shrink(void)
{
	int vid = new_vas("mremap");

	attach_self(vid);
	enter(vid);
	map_here(HEAP, 2);
	page_fill(at(HEAP + PAGE), 3);
	check(mremap(at(HEAP), 2 * PAGE, 6 * PAGE, MREMAP_MAYMOVE) == at(HEAP),
	      "%s", strerror(errno));
	check(page_is(at(HEAP + PAGE), 3) && page_is(at(HEAP + 5 * PAGE), 0),
	      "wrong contents");
	page_fill(at(HEAP + 5 * PAGE), 4);
	check(mremap(at(HEAP), 6 * PAGE, PAGE, 0) == at(HEAP), "%s",
	      strerror(errno));
	check(!can_read(at(HEAP + PAGE)), "not shrunk");
	map_here(HEAP + 2 * PAGE, 1);
	check_errno((long)mremap(at(HEAP), PAGE, 3 * PAGE, 0), ENOMEM);
	check_errno((long)mremap(at(HEAP), 2 * PAGE, 3 * PAGE, 0), EFAULT);
	check_errno((long)mremap(at(HEAP), PAGE, PAGE, MREMAP_MAYMOVE |
				 MREMAP_FIXED, at(HEAP + 8 * PAGE)), EINVAL);
	drop_vas(vid);
}

/* The rest of the kernel knows what a window address means. */
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

/* Process memory is one and the same in all views, whatever happens to it. */
static void common_memory(void)
{
	int vid[3];
	char name[8];
	char *p;

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "com%d", i);
		vid[i] = new_vas(name);
		attach_self(vid[i]);
	}
	for (int round = 0; round < 30; round++) {
		p = map_private(8);
		for (int i = 0; i < 3; i++) {
			enter(vid[i]);
			for (int page = 0; page < 8; page++)
				check(p[page * PAGE] == (i ? i : 0), "%d %d",
				      i, p[page * PAGE]);
			for (int page = 0; page < 8; page++)
				p[page * PAGE] = i + 1;
		}
		enter(vid[round % 3]);
		require_call(mprotect(p, 4 * PAGE, PROT_READ) == 0);
		enter(vid[(round + 1) % 3]);
		check(!can_write(p), "mprotect is not seen by another view");
		check(can_write(p + 4 * PAGE), "too much was protected");
		require_call(munmap(p, 8 * PAGE) == 0);
		enter(vid[(round + 2) % 3]);
		check(!can_read(p), "munmap is not seen by another view");
		enter(0);
		check(!can_read(p + 5 * PAGE), "munmap is not seen outside");
	}
	for (int i = 0; i < 3; i++)
		drop_vas(vid[i]);
}

/* fork write-protects common pages in all views. */
static void copy_on_write_in_all_views(void)
{
	int vid = new_vas("cow");
	char *p = map_private(16);

	attach_self(vid);
	for (int round = 0; round < 10; round++) {
		int fd[2];
		pid_t child;
		char go;

		for (int i = 0; i < 16; i++)
			p[i * PAGE] = round;
		enter(vid);
		for (int i = 0; i < 16; i++)
			p[i * PAGE + 1] = round;
		require_call(pipe(fd) == 0);
		if (round & 1)
			enter(0);
		child = fork_or_fail();
		if (!child) {
			check(read(fd[0], &go, 1) == 1, "no go");
			for (int i = 0; i < 16; i++)
				check(p[i * PAGE] == round &&
				      p[i * PAGE + 1] == round,
				      "the parent's write came through");
			finish();
		}
		enter(round & 1 ? vid : 0);
		for (int i = 0; i < 16; i++)
			memset(p + i * PAGE, 99, 2);
		require_call(write(fd[1], "", 1) == 1);
		wait_for(child);
		close(fd[0]);
		close(fd[1]);
		enter(0);
	}
	drop_vas(vid);
}

static void add_to_pages(unsigned long pages, uint64_t expected)
{
	for (unsigned long p = 0; p < pages; p++) {
		volatile uint64_t *w = word_at(HEAP + p * PAGE);

		check(*w == expected, "page %lu: %lu, not %lu", p, *w, expected);
		*w = expected + 1;
	}
	/* Needs swap to do anything; so there is a run with swap. */
	madvise(at(HEAP), pages * PAGE, MADV_PAGEOUT);
}

/*
 * Flaw 7: pages were shared by copies of their page-table entries, which neither
 * swap nor fork could keep in step.
 */
static void shared_through_swap_and_fork(void)
{
	const unsigned long pages = 4096;
	int vid = new_vas("swap");
	pid_t child;

	make_flags();
	attach_self(vid);
	enter(vid);
	map_here(HEAP, pages);
	add_to_pages(pages, 0);
	child = fork_or_fail();
	if (!child) {
		attach_self(vid);
		enter(vid);
		for (int round = 0; round < 3; round++) {
			wait_flag(2 * round);
			add_to_pages(pages, 2 * round + 1);
			set_flag(2 * round + 1);
		}
		finish();
	}
	for (int round = 0; round < 3; round++) {
		set_flag(2 * round);
		wait_flag(2 * round + 1);
		add_to_pages(pages, 2 * round + 2);
	}
	wait_for(child);
	drop_vas(vid);
}

static void ptrace_and_process_vm(void)
{
	int sid, vid = vas_with_segment("ptrace", &sid);
	uint64_t seen = 0;
	struct iovec here = { &seen, 8 }, there = { at(WINDOW), 8 };
	pid_t child;
	int status;

	make_flags();
	child = fork_or_fail();
	if (!child) {
		attach_self(vid);
		enter(vid);
		*word_at(WINDOW) = 0x1234;
		require_call(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		raise(SIGSTOP);
		check(*word_at(WINDOW) == 0x5678, "POKE did not arrive");
		finish();
	}
	require_call(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	errno = 0;
	check(ptrace(PTRACE_PEEKDATA, child, at(WINDOW), 0) == 0x1234 && !errno,
	      "PEEK: %s", strerror(errno));
	check(process_vm_readv(child, &here, 1, &there, 1, 0) == 8 &&
	      seen == 0x1234, "process_vm_readv: %lx, %s", seen,
	      strerror(errno));
	check(ptrace(PTRACE_POKEDATA, child, at(WINDOW), 0x5678) == 0, "POKE: %s",
	      strerror(errno));
	ptrace(PTRACE_DETACH, child, 0, 0);
	wait_for(child);
	check_call(vas_delete(vid));
	check_call(vas_seg_delete(sid));
}

static void proc_maps(void)
{
	int sid, vid = vas_with_segment("mapsname", &sid);
	bool found = false;
	char line[512];
	FILE *maps;

	attach_self(vid);
	enter(vid);
	maps = fopen("/proc/self/maps", "r");
	require_call(maps);
	while (fgets(line, sizeof(line), maps))
		if (!strncmp(line, "200000000000-200000010000 rw-s", 30) &&
		    strstr(line, "mapsname"))
			found = true;
	fclose(maps);
	check(found, "the segment is not in /proc/self/maps");
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
	snprintf(path, sizeof(path), "/proc/self/vas/%d/status", vid);
	snprintf(expected, sizeof(expected), "pid:\t%d\nvid:\t%d\ntype:\trw\n",
		 (int)getpid(), vid);
	read_text(path, text, sizeof(text));
	check(!strcmp(text, expected), "status: %s", text);

	snprintf(path, sizeof(path), "/proc/self/vas/%d/maps", vid);
	read_text(path, text, sizeof(text));
	check(strstr(text, "200000000000-200000010000 rw-s") &&
	      strstr(text, "[v:-]"), "the segment is missing: %s", text);
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

static void segment_of_a_file(void)
{
	int fd = open("/tmp/vas-segment", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int vid = new_vas("filevas"), sid;
	char text[6] = {};

	require_call(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
	check_errno(vas_seg_create_fd("fileseg", WINDOW, WINDOW + PAGE, 0600,
				      -1), EBADF);
	check_errno(vas_seg_create_fd("fileseg", WINDOW, WINDOW + PAGE, 0600,
				      open("/dev/zero", O_RDWR)), EINVAL);
	check_errno(vas_seg_create_fd("fileseg", WINDOW, WINDOW + PAGE, 0600,
				      open("/tmp/vas-segment", O_WRONLY)),
		    EACCES);
	sid = vas_seg_create_fd("fileseg", WINDOW, WINDOW + 4 * PAGE, 0600, fd);
	require_call(sid > 0);
	require_call(vas_seg_attach(vid, sid, O_RDWR) == 0);
	attach_self(vid);
	enter(vid);
	memcpy(at(WINDOW + PAGE), "hello", 6);
	check(pread(fd, text, 6, PAGE) == 6 && !strcmp(text, "hello"),
	      "the file has not got it");
	drop_with_segment(vid, sid);

	/* The next one, after a reboot perhaps. */
	sid = vas_seg_create_fd("fileseg", WINDOW, WINDOW + 4 * PAGE, 0600,
				open("/tmp/vas-segment", O_RDONLY));
	require_call(sid > 0);
	vid = new_vas("filevas");
	check_errno(vas_seg_attach(vid, sid, O_RDWR), EACCES);
	require_call(vas_seg_attach(vid, sid, O_RDONLY) == 0);
	attach_self(vid);
	enter(vid);
	check(!strcmp(at(WINDOW + PAGE), "hello"), "the segment has not got it");
	drop_with_segment(vid, sid);
	unlink("/tmp/vas-segment");
}

static void mmap_inside(void)
{
	int vid = new_vas("inside");
	unsigned long p;

	require_call(vas_attach(0, vid, O_RDWR | VAS_MMAP_INSIDE) == 0);
	enter(vid);
	p = (unsigned long)mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p >= WINDOW && p < VAS_WINDOW_END, "%lx", p);
	*word_at(p) = 1;
	enter(0);
	check(!can_read(at(p)), "it is process memory");
	drop_vas(vid);
}

/* The same VAS again and again: nothing of the last one may be left. */
static void attach_again_and_again(void)
{
	int sid = new_segment("again", WINDOW, 4);

	for (int i = 0; i < 60; i++) {
		int vid = new_vas("again");

		if (i % 2)
			require_call(vas_seg_attach(vid, sid, O_RDWR) == 0);
		attach_self(vid);
		enter(vid);
		if (i % 2) {
			check(*word_at(WINDOW) == (uint64_t)(i / 2),
			      "round %d: %lu", i, *word_at(WINDOW));
			*word_at(WINDOW) = i / 2 + 1;
		} else {
			check(!can_read(at(WINDOW)), "the last one is left");
			map_here(WINDOW, 1);
			check(!*word_at(WINDOW), "not empty");
			*word_at(WINDOW) = 1;
		}
		drop_vas(vid);
	}
	check_call(vas_seg_delete(sid));
}

static const struct ktap_case cases[] = {
	{ "isolation", isolation, 0 },
	{ "memory outlives the process", memory_outlives_the_process, 0 },
	{ "coherence", coherence, 0 },
	{ "regions change shape", regions_change_shape, 0 },
	{ "read-only", read_only, 0 },
	{ "read-only segment", read_only_segment, 0 },
	{ "rules for mapping", mapping_rules, 0 },
	{ "grow and shrink", grow_and_shrink, 0 },
	{ "calls with window addresses", calls_with_window_addresses, 0 },
	{ "common memory", common_memory, 0 },
	{ "copy on write in all views", copy_on_write_in_all_views, 0 },
	{ "shared through swap and fork",
	  shared_through_swap_and_fork, 0 },
	{ "ptrace and process_vm_readv", ptrace_and_process_vm, 0 },
	{ "proc maps", proc_maps, 0 },
	{ "proc folder", proc_folder, 0 },
	{ "segment of a file", segment_of_a_file, 0 },
	{ "mmap inside", mmap_inside, 0 },
	{ "attach again and again", attach_again_and_again, 0 },
};

KTAP_TESTS(cases)
