// SPDX-License-Identifier: GPL-2.0-only
/*
 * No way from one VAS of a process into another one: not by the address that
 * the kernel uses for it, whatever call that is given to, and not by a range
 * that is too long.
 */
#include "vas_test.h"

#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef __NR_process_madvise
#define __NR_process_madvise	440
#endif

#define SLOTS	3

/* Two VASes in slots 1 and 2 with 1 and 2 in them; the thread is in the second. */
static int vid[2], sid[2];

static void two_vases(void)
{
	vid[0] = vas_with_segment("one", &sid[0]);
	vid[1] = vas_with_segment("two", &sid[1]);
	for (int i = 0; i < 2; i++) {
		attach_self(vid[i]);
		enter(vid[i]);
		*word_at(WINDOW) = i + 1;
	}
}

static void still_as_they_were(void)
{
	for (int i = 1; i >= 0; i--) {
		enter(vid[i]);
		check(*word_at(WINDOW) == i + 1u, "changed: %lu",
		      *word_at(WINDOW));
		check(can_write(at(WINDOW)), "not writable any more");
		drop_with_segment(vid[i], sid[i]);
	}
}

static void *tagged(unsigned long slot)
{
	return at(slot << 48 | WINDOW);
}

static void calls_on_mappings(void)
{
	char resident;

	two_vases();
	for (unsigned long slot = 1; slot <= SLOTS; slot++) {
		void *p = tagged(slot);

		check_errno((long)mmap(p, PAGE, PROT_READ, MAP_PRIVATE |
				       MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			    ENOMEM);
		check_errno(munmap(p, PAGE), EFAULT);
		check_errno(mprotect(p, PAGE, PROT_READ), EFAULT);
		check_errno(madvise(p, PAGE, MADV_REMOVE), EFAULT);
		check_errno(mlock(p, PAGE), EFAULT);
		check_errno(msync(p, PAGE, MS_SYNC), EFAULT);
		check_errno(mincore(p, PAGE, (void *)&resident), EFAULT);
		check_errno((long)mremap(p, PAGE, PAGE, MREMAP_MAYMOVE |
					 MREMAP_FIXED, at(WINDOW + 0x100000)), EFAULT);
		check_errno((long)mremap((void *)&resident, PAGE, PAGE,
					 MREMAP_MAYMOVE | MREMAP_FIXED, p),
			    EFAULT);
		check(!can_read(p), "a tagged address can be read");
	}
	still_as_they_were();
}

/* Also the slot that the thread is in: its own tag is no address either. */
static void reads_and_writes(void)
{
	int fd = open("/dev/zero", O_RDONLY), out[2];
	struct iovec iov;

	require_call(pipe(out) == 0);
	two_vases();
	for (unsigned long slot = 1; slot <= SLOTS; slot++) {
		void *p = tagged(slot);

		iov = (struct iovec) { p, 8 };
		check_errno(read(fd, p, 8), EFAULT);
		check_errno(readv(fd, &iov, 1), EFAULT);
		check_errno(write(out[1], p, 8), EFAULT);
		check_errno(syscall(SYS_futex, p, FUTEX_WAIT, 0, NULL),
			    EFAULT);
		check_errno(vas_find(p), EFAULT);
		if (slot == 2)
			continue;
		check_errno(vmsplice(out[1], &iov, 1, 0), EFAULT);
	}
	/* These do not fail at once; still, nothing is to be written. */
	syscall(SYS_set_tid_address, tagged(1));
	prctl(PR_SET_NAME, "name");
	check_errno(prctl(PR_GET_NAME, tagged(1)), EFAULT);
	close(fd);
	close(out[0]);
	close(out[1]);
	still_as_they_were();
}

static void other_ways_to_memory(void)
{
	int mem = open("/proc/self/mem", O_RDWR);
	uint64_t word = 7;
	struct iovec here = { &word, 8 }, there;
	int pidfd;

	require_call(mem >= 0);
	two_vases();
	pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	require_call(pidfd >= 0);
	for (unsigned long slot = 1; slot <= SLOTS; slot++) {
		there = (struct iovec) { tagged(slot), PAGE };
		check_errno(pread(mem, &word, 8, slot << 48 | WINDOW), EIO);
		check_errno(pwrite(mem, &word, 8, slot << 48 | WINDOW), EIO);
		check_errno(process_vm_readv(getpid(), &here, 1, &there, 1, 0),
			    EFAULT);
		check_errno(process_vm_writev(getpid(), &here, 1, &there, 1, 0),
			    EFAULT);
		check_errno(syscall(__NR_process_madvise, pidfd, &there, 1,
				    MADV_REMOVE, 0),
			    slot == 2 ? ENOMEM : EFAULT);
	}
	check(pread(mem, &word, 8, WINDOW) == 8 && word == 2,
	      "own window in /proc/self/mem: %lu", word);
	close(mem);
	close(pidfd);
	still_as_they_were();
}

static void user_faults(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	two_vases();
	require_call(fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0);
	for (unsigned long slot = 0; slot <= SLOTS; slot++) {
		struct uffdio_register what = {
			.range = { (unsigned long)tagged(slot), PAGE },
			.mode = UFFDIO_REGISTER_MODE_MISSING,
		};

		check_errno(ioctl(fd, UFFDIO_REGISTER, &what), EINVAL);
	}
	close(fd);
	still_as_they_were();
}

/* Ranges that begin where the thread may and end in the next slot. */
static void long_ranges(void)
{
	unsigned long from[] = { WINDOW, VAS_WINDOW_END - PAGE, 0x7f0000000000 };

	two_vases();
	enter(vid[0]);
	for (unsigned int i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		size_t len = (2ul << 48 | VAS_WINDOW_END) - from[i];
		void *p = at(from[i]);

		check_errno(madvise(p, len, MADV_REMOVE), ENOMEM);
		check_errno(madvise(p, len, MADV_DONTNEED), ENOMEM);
		check_errno(mprotect(p, len, PROT_NONE), ENOMEM);
		check_errno(mlock(p, len), ENOMEM);
		check_errno(munlock(p, len), ENOMEM);
		check_errno(msync(p, len, MS_ASYNC), ENOMEM);
		check_errno(munmap(p, len), EINVAL);
	}
	enter(vid[1]);
	still_as_they_were();
}

/* A call that takes no second address leaves what is in its register alone. */
static void unused_arguments(void)
{
	static uint32_t word;
	void *garbage = tagged(1), *mapped = map_private(1);

	two_vases();
	check_errno(syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, garbage, 0),
		    EAGAIN);
	check(syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, garbage, 0) == 0,
	      "wake: %s", strerror(errno));
	check_errno(syscall(SYS_futex, &word, FUTEX_REQUEUE, 0, 1L, garbage, 0),
		    EFAULT);
	check(syscall(SYS_mremap, mapped, PAGE, PAGE, 0, garbage) ==
	      (long)mapped, "mremap: %s", strerror(errno));
	unmap(mapped, 1);
	still_as_they_were();
}

/* A tracer sees what the tracee would, and no more. */
static void tracer(void)
{
	int segment, id = vas_with_segment("tracee", &segment);
	uint64_t word = 0;
	struct iovec here = { &word, 8 }, there = { at(WINDOW), 8 };
	int status, mem;
	char path[64];
	pid_t child = fork_or_fail();

	if (!child) {
		attach_self(id);
		enter(id);
		*word_at(WINDOW) = 0x1234;
		require_call(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		raise(SIGSTOP);
		check(*word_at(WINDOW) == 0x5678, "the write did not arrive");
		check(*word_at(WINDOW + 8) == 0x9abc, "POKE did not arrive");
		finish();
	}
	require_call(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	errno = 0;
	check(ptrace(PTRACE_PEEKDATA, child, at(WINDOW), 0) == 0x1234 && !errno,
	      "PEEK: %s", strerror(errno));
	check(ptrace(PTRACE_POKEDATA, child, at(WINDOW + 8), 0x9abc) == 0,
	      "POKE: %s", strerror(errno));
	check(process_vm_readv(child, &here, 1, &there, 1, 0) == 8 &&
	      word == 0x1234, "process_vm_readv: %lx, %s", word,
	      strerror(errno));
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	mem = open(path, O_RDWR);
	require_call(mem >= 0);
	check(pread(mem, &word, 8, WINDOW) == 8 && word == 0x1234,
	      "mem: %lx, %s", word, strerror(errno));
	word = 0x5678;
	check(pwrite(mem, &word, 8, WINDOW) == 8, "mem: %s", strerror(errno));
	check_errno(pread(mem, &word, 8, 1ul << 48 | WINDOW), EIO);
	check_errno(ptrace(PTRACE_PEEKDATA, child, tagged(1), &word), EIO);
	check_errno(ptrace(PTRACE_POKEDATA, child, tagged(1), 1), EIO);
	ptrace(PTRACE_DETACH, child, 0, 0);
	wait_for(child);
	close(mem);
	check_call(vas_delete(id));
	check_call(vas_seg_delete(segment));
}

/* PROCMAP_QUERY; the headers of the host may be too old to have it. */
struct procmap_query {
	uint64_t size, query_flags, query_addr, vma_start, vma_end, vma_flags;
	uint64_t vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};

/* The mappings of a VAS come behind all others, at the addresses of the window. */
static void query_of_maps(void)
{
	struct procmap_query query = {
		.size = sizeof(query), .query_flags = 0x10 /* or the next */,
		.query_addr = VAS_WINDOW_END,
	};
	int fd = open("/proc/self/maps", O_RDONLY), found = 0;

	two_vases();
	while (ioctl(fd, _IOWR('f', 17, struct procmap_query), &query) == 0) {
		check(query.vma_end < 1ul << 47, "%lx", query.vma_end);
		if (query.vma_start == WINDOW) {
			found++;
			break;
		}
		query.query_addr = query.vma_end;
	}
	check(found == 1, "not among the mappings: %s", strerror(errno));
	close(fd);
	still_as_they_were();
}

static const struct ktap_case cases[] = {
	{ "calls on mappings", calls_on_mappings, 0 },
	{ "reads and writes", reads_and_writes, 0 },
	{ "other ways to memory", other_ways_to_memory, 0 },
	{ "userfaultfd", user_faults, 0 },
	{ "long ranges", long_ranges, 0 },
	{ "unused arguments", unused_arguments, 0 },
	{ "a tracer", tracer, 0 },
	{ "PROCMAP_QUERY", query_of_maps, 0 },
};

KTAP_TESTS(cases)
