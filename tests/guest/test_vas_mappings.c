// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings inside of a VAS: their shape, what may be done to them by whom, the
 * rules for addresses, and files.
 */
#include "vas_test.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE	0x0010
#endif

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
	check_errno(vas_seg_create_fd("fileseg", WINDOW, WINDOW + PAGE, 0600,
				      open("/proc/self/status", O_RDONLY)),
		    ENODEV);
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

/* A file on the disk, which ends far before the window does. */
static void file_to_be_appended_to(void)
{
	const char *path = "/vas-append";
	int attributes = FS_APPEND_FL, none = 0, fd, sid;

	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	require_call(fd >= 0);
	check_errno(vas_seg_create_fd("append", WINDOW, VAS_WINDOW_END, 0600,
				      fd), EOVERFLOW);
	require_call(ioctl(fd, FS_IOC_SETFLAGS, &attributes) == 0);
	check_errno(vas_seg_create_fd("append", WINDOW, WINDOW + PAGE, 0600,
				      open(path, O_RDWR | O_APPEND)), EACCES);
	/* Reading does no harm. */
	sid = vas_seg_create_fd("append", WINDOW, WINDOW + PAGE, 0600,
				open(path, O_RDONLY));
	require_call(sid > 0);
	check_call(vas_seg_delete(sid));
	require_call(ioctl(fd, FS_IOC_SETFLAGS, &none) == 0);
	unlink(path);
}

/* A sealed file cannot be written, also if it was sealed after the fact. */
static void sealed_files(void)
{
	int id = new_vas("sealed"), fd[2];
	unsigned long addr = WINDOW;

	attach_self(id);
	for (int i = 0; i < 2; i++) {
		fd[i] = memfd_create("sealed", MFD_ALLOW_SEALING);
		require_call(fd[i] >= 0 && ftruncate(fd[i], PAGE) == 0);
	}
	require_call(fcntl(fd[0], F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);

	enter(id);
	check_errno((long)mmap(at(addr), PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED, fd[0], 0), EACCES);
	require_call(mmap(at(addr), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED,
			  fd[0], 0) == at(addr));
	check_errno(mprotect(at(addr), PAGE, PROT_READ | PROT_WRITE), EACCES);

	addr += PAGE;
	require_call(mmap(at(addr), PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, fd[1], 0) == at(addr));
	check(can_write(at(addr)), "not writable");
	enter(0);
	check_call(vas_detach(0, id));
	require_call(fcntl(fd[1], F_ADD_SEALS, F_SEAL_WRITE) == 0);
	attach_self(id);
	enter(id);
	check(can_read(at(addr)), "not readable");
	check(!can_write(at(addr)), "a sealed file is written");
	drop_vas(id);
	close(fd[0]);
	close(fd[1]);
}

static void files_that_cannot_be_used(void)
{
	const int rw = PROT_READ | PROT_WRITE;
	int vid = new_vas("files"), sid, proc, device, memory;

	proc = open("/proc/version", O_RDONLY);
	device = open("/dev/zero", O_RDWR);
	memory = memfd_create("file", 0);
	require_call(proc >= 0 && device >= 0 && memory >= 0);
	check_errno(vas_seg_create_fd("f", WINDOW, WINDOW + PAGE, 0600, device),
		    EINVAL);
	/* One that refuses only when it is mapped leaves the rest usable. */
	sid = vas_seg_create_fd("f", WINDOW + PAGE, WINDOW + 2 * PAGE, 0600,
				proc);
	require_call(sid > 0 && vas_seg_attach(vid, sid, O_RDONLY) == 0);

	attach_self(vid);
	enter(vid);
	check(!can_read(at(WINDOW + PAGE)), "what is there?");
	check_errno((long)mmap(at(WINDOW), PAGE, PROT_READ, MAP_SHARED |
			       MAP_FIXED, proc, 0), ENODEV);
	check_errno((long)mmap(at(WINDOW), PAGE, rw, MAP_SHARED | MAP_FIXED,
			       device, 0), ENODEV);
	check_errno((long)mmap(at(WINDOW), PAGE, rw, MAP_SHARED | MAP_FIXED,
			       memory, 1ul << 63), EOVERFLOW);
	check_errno((long)mmap(at(WINDOW), PAGE, rw, MAP_PRIVATE | MAP_FIXED,
			       memory, 0), EOPNOTSUPP);
	map_here(WINDOW, 1);
	check(can_write(at(WINDOW)), "a VAS with such a file is not usable");
	drop_with_segment(vid, sid);
	close(proc);
	close(device);
	close(memory);
}

static const struct ktap_case cases[] = {
	{ "regions change shape", regions_change_shape, 0 },
	{ "read-only", read_only, 0 },
	{ "read-only segment", read_only_segment, 0 },
	{ "rules for mapping", mapping_rules, 0 },
	{ "grow and shrink", grow_and_shrink, 0 },
	{ "mmap inside", mmap_inside, 0 },
	{ "segment of a file", segment_of_a_file, 0 },
	{ "file to be appended to", file_to_be_appended_to, 0 },
	{ "sealed files", sealed_files, 0 },
	{ "files that cannot be used", files_that_cannot_be_used, 0 },
};

KTAP_TESTS(cases)
