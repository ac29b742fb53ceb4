/* SPDX-License-Identifier: GPL-2.0-only */
/* userfaultfd, for tests whose pages are asked for. */
#ifndef UFFD_H
#define UFFD_H

#include "memory.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* A descriptor that is asked for each page of the area that is missing. */
static inline int ask_for_pages(void *area, size_t pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register what = {
		.range = { (uintptr_t)area, pages * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	require_call(fd >= 0);
	require_call(ioctl(fd, UFFDIO_API, &api) == 0);
	require_call(ioctl(fd, UFFDIO_REGISTER, &what) == 0);
	return fd;
}

/* Waits until a page is asked for, and returns its address. */
static inline void *asked_for(int fd)
{
	struct uffd_msg message;

	require_call(read(fd, &message, sizeof(message)) == sizeof(message));
	return (void *)(message.arg.pagefault.address & ~(PAGE - 1));
}

static inline void give_page(int fd, void *addr, const void *contents)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)addr,
		.src = (uintptr_t)contents,
		.len = PAGE,
	};

	require_call(ioctl(fd, UFFDIO_COPY, &copy) == 0);
}

#endif
