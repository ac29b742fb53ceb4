/* SPDX-License-Identifier: GPL-2.0-only */
/* userfaultfd, for tests whose pages are asked for. */
#ifndef UFFD_H
#define UFFD_H

#include "memory.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
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

/* A thread that gives page i of an area the tag first_tag + i, as it is asked for. */
struct page_server {
	char *area;
	size_t pages;
	uint32_t first_tag;
	int fd;
	pthread_t thread;
};

static inline void *serve_pages(void *server)
{
	static char page[PAGE] __attribute__((aligned(4096)));
	struct page_server *s = server;

	for (size_t i = 0; i < s->pages; i++) {
		char *wanted = asked_for(s->fd);

		page_fill(page, s->first_tag + (wanted - s->area) / PAGE);
		give_page(s->fd, wanted, page);
	}
	return NULL;
}

static inline void start_page_server(struct page_server *s)
{
	s->fd = ask_for_pages(s->area, s->pages);
	require_call(!pthread_create(&s->thread, NULL, serve_pages, s));
}

/* Once all of its pages were given. */
static inline void end_page_server(struct page_server *s)
{
	require_call(!pthread_join(s->thread, NULL));
}

#endif
