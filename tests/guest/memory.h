/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest tests share about memory: pages with recognisable contents,
 * a generator of random numbers that can be repeated, probes that ask what an
 * access really does, and a two-way line between a parent and its child.
 *
 * A page filled with tag T is also a function that returns T (x86), so one
 * probe tells whether a page can be executed *and* which page is there.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "ktap.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define PAGE 4096ul
#define PAGE_WORDS (PAGE / sizeof(uint64_t))

/* Optimisation barrier: memory changes behind the compiler's back. */
static inline void barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

/* The page faults of this process among what else it has used */
static inline struct rusage usage_now(void)
{
	struct rusage usage;

	require_call(getrusage(RUSAGE_SELF, &usage) == 0);
	return usage;
}

/* --- random numbers (xorshift64*, Vigna 2014) --- */

static __attribute__((unused)) uint64_t rng_state = 88172645463325252ull;

static inline void rng_seed(uint64_t seed)
{
	rng_state = seed * 0x9e3779b97f4a7c15ull + 1;
	if (!rng_state)
		rng_state = 1;
}

static inline uint32_t rng(uint32_t below)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return ((rng_state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

/* A random order of 0 .. count - 1. */
static inline void shuffle(uint32_t *order, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t i = count; i > 1; i--) {
		uint32_t other = rng(i);
		uint32_t kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
}

/* --- pages with a tag; tag 0 means a page of zeroes --- */

/* mov eax, tag; ret */
static inline uint64_t tag_code(uint32_t tag)
{
	return 0xb8ull | (uint64_t)tag << 8 | 0xc3ull << 40;
}

static inline uint64_t tag_word(uint32_t tag, unsigned int index)
{
	return (tag + 1ull) * 0x9e3779b97f4a7c15ull ^ index;
}

static inline void page_fill(void *page, uint32_t tag)
{
	volatile uint64_t *word = page;

	for (unsigned int i = 1; i < PAGE_WORDS; i++)
		word[i] = tag ? tag_word(tag, i) : 0;
	word[0] = tag ? tag_code(tag) : 0;
}

static inline bool page_is(const void *page, uint32_t tag)
{
	const volatile uint64_t *word = page;

	if (word[0] != (tag ? tag_code(tag) : 0))
		return false;
	for (unsigned int i = 1; i < PAGE_WORDS; i++)
		if (word[i] != (tag ? tag_word(tag, i) : 0))
			return false;
	return true;
}

/* The tag that a page seems to have, for messages. */
static inline uint32_t page_tag(const void *page)
{
	return *(const volatile uint64_t *)page >> 8;
}

#define check_page(page, tag)						\
	do {								\
		const void *page_ = (page);				\
		uint32_t tag_ = (tag);					\
									\
		check(page_is(page_, tag_),				\
		      "page %p: tag %#x, expected %#x", page_,		\
		      page_tag(page_), tag_);				\
	} while (0)

/* The same for many: page i has tag first_tag + i. */
static inline void fill_pages(char *base, size_t pages, uint32_t first_tag)
{
	for (size_t i = 0; i < pages; i++)
		page_fill(base + i * PAGE, first_tag + i);
}

#define check_pages(base, pages, first_tag)				\
	do {								\
		uint32_t first_ = (first_tag);				\
									\
		for (size_t i_ = 0; i_ < (size_t)(pages); i_++)		\
			check_page((base) + i_ * PAGE, first_ + i_);	\
	} while (0)

#define check_zero(base, pages)						\
	do {								\
		for (size_t i_ = 0; i_ < (size_t)(pages); i_++)		\
			check_page((base) + i_ * PAGE, 0);		\
	} while (0)

/* --- mappings --- */

static inline char *map_at(void *where, size_t pages, int prot,
			   int flags, int fd, off_t offset)
{
	void *p = mmap(where, pages * PAGE, prot,
		       flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, offset);

	require_call(p != MAP_FAILED);
	return p;
}

static inline char *map_private(size_t pages)
{
	return map_at(NULL, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, 0);
}

static inline char *map_shared(size_t pages)
{
	return map_at(NULL, pages, PROT_READ | PROT_WRITE, MAP_SHARED, -1, 0);
}

static inline void protect(void *p, size_t pages, int prot)
{
	require_call(mprotect(p, pages * PAGE, prot) == 0);
}

static inline void unmap(void *p, size_t pages)
{
	require_call(munmap(p, pages * PAGE) == 0);
}

/* Private memory in a VMA that cannot merge with its neighbours. */
static inline char *map_apart(size_t pages)
{
	char *p = map_at(NULL, pages + 2, PROT_NONE, MAP_PRIVATE, -1, 0);

	protect(p + PAGE, pages, PROT_READ | PROT_WRITE);
	return p + PAGE;
}

static inline void fill_file(int fd, size_t pages,
			     uint32_t first_tag)
{
	static uint64_t page[PAGE_WORDS];

	for (size_t i = 0; i < pages; i++) {
		page_fill(page, first_tag + i);
		require_call(pwrite(fd, page, PAGE, i * PAGE) == PAGE);
	}
}

/* A nameless file in memory; page i has tag first_tag + i. */
static inline int memory_file(size_t pages, uint32_t first_tag)
{
	int fd = memfd_create("test", 0);

	require_call(fd >= 0);
	fill_file(fd, pages, first_tag);
	return fd;
}

/* The same on the root file system, which is on a disk. */
static inline int disk_file(size_t pages, uint32_t first_tag)
{
	char name[] = "/var/tmp/uml-test-XXXXXX";
	int fd;

	mkdir("/var", 0755);
	mkdir("/var/tmp", 01777);
	fd = mkstemp(name);
	require_call(fd >= 0);
	require_call(unlink(name) == 0);
	fill_file(fd, pages, first_tag);
	return fd;
}

/* --- probes --- */

enum probe {
	PROBE_OK,
	PROBE_MAPERR,		/* SIGSEGV, nothing mapped */
	PROBE_ACCERR,		/* SIGSEGV, not permitted */
	PROBE_BUS,		/* SIGBUS, beyond the end of the file */
	PROBE_ODD,		/* anything else: always a failure */
};

static inline const char *probe_name(enum probe p)
{
	static const char *const names[] = { "ok", "SEGV_MAPERR", "SEGV_ACCERR",
					     "SIGBUS", "odd signal" };

	return names[p];
}

static __attribute__((unused)) jmp_buf probe_jump;
static __attribute__((unused)) volatile uintptr_t probe_address;

static inline void probe_signal(int sig, siginfo_t *info,
				void *context)
{
	enum probe result = PROBE_ODD;

	(void)context;
	if ((uintptr_t)info->si_addr == probe_address) {
		if (sig == SIGSEGV && info->si_code == SEGV_MAPERR)
			result = PROBE_MAPERR;
		else if (sig == SIGSEGV && info->si_code == SEGV_ACCERR)
			result = PROBE_ACCERR;
		else if (sig == SIGBUS && info->si_code == BUS_ADRERR)
			result = PROBE_BUS;
	}
	_longjmp(probe_jump, result);
}

static inline void probe_init(void)
{
	struct sigaction action = {
		.sa_sigaction = probe_signal,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	require_call(sigaction(SIGSEGV, &action, NULL) == 0);
	require_call(sigaction(SIGBUS, &action, NULL) == 0);
}

static __attribute__((unused, noinline)) enum probe
probe_read(const volatile void *p)
{
	int result = _setjmp(probe_jump);

	if (result)
		return result;
	probe_address = (uintptr_t)p;
	barrier();
	(void)*(const volatile uint8_t *)p;
	barrier();
	return PROBE_OK;
}

/* Writes back what is there, so a permitted write changes no contents. */
static __attribute__((unused, noinline)) enum probe
probe_write(volatile void *p)
{
	int result = _setjmp(probe_jump);

	if (result)
		return result;
	probe_address = (uintptr_t)p;
	__asm__ volatile("orb $0, %0" : "+m"(*(volatile uint8_t *)p)
			 : : "memory", "cc");
	return PROBE_OK;
}

/* Runs the page; *returned is what it gave, which is the page's tag. */
static __attribute__((unused, noinline)) enum probe
probe_exec(const void *p, uint32_t *returned)
{
	int result = _setjmp(probe_jump);

	if (result)
		return result;
	probe_address = (uintptr_t)p;
	barrier();
	*returned = ((uint32_t (*)(void))(uintptr_t)p)();
	barrier();
	return PROBE_OK;
}

#define check_probe(got, wanted, what)					\
	do {								\
		enum probe got_ = (got), wanted_ = (wanted);		\
									\
		check(got_ == wanted_, "%s: %s, expected %s", what,	\
		      probe_name(got_), probe_name(wanted_));		\
	} while (0)

/* --- parent and child in step --- */

/* One end of a two-way line; tell() and hear() make the two take turns. */
struct line {
	int in;
	int out;
};

static inline void tell(struct line *l)
{
	require_call(write(l->out, "", 1) == 1);
}

static inline void hear(struct line *l)
{
	char c;

	require(read(l->in, &c, 1) == 1, "the other process is gone");
}

/* fork() with a line between the two; each gets its own end. */
static inline pid_t fork_with_line(struct line *l)
{
	int down[2], up[2];
	pid_t pid;

	require_call(pipe(down) == 0 && pipe(up) == 0);
	pid = fork_or_fail();
	l->in = pid ? up[0] : down[0];
	l->out = pid ? down[1] : up[1];
	close(pid ? up[1] : down[1]);
	close(pid ? down[0] : up[0]);
	return pid;
}

static inline void line_close(struct line *l)
{
	close(l->in);
	close(l->out);
}

/* --- what is resident; one byte for each page --- */

static inline size_t resident(const char *base, size_t pages)
{
	unsigned char *present = malloc(pages);
	size_t count = 0;

	require_call(present);
	require_call(mincore((void *)base, pages * PAGE, present) == 0);
	for (size_t i = 0; i < pages; i++)
		count += present[i] & 1;
	free(present);
	return count;
}

static inline void write_pages(char *base, size_t pages, char value)
{
	for (size_t i = 0; i < pages; i++)
		*(volatile char *)(base + i * PAGE) = value;
}

static inline void check_value(const char *base, size_t pages, char value)
{
	for (size_t i = 0; i < pages; i++)
		check(base[i * PAGE] == value, "page %zu: %d, expected %d", i,
		      base[i * PAGE], value);
}

#endif
