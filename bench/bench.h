/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all guest benchmarks share: the clock, the choice of how often to
 * repeat, the output line.
 *
 * Each bench_NAME.c is one program that measures one family of metrics. It
 * hands a table of struct metric to bench_main(), which measures each one and
 * prints
 *
 *	name value unit
 *
 * with the value in microseconds for one operation. A metric's run() does a
 * number of operations and returns the time they took. That number grows until
 * one run takes RUN_NS, so slow and fast kernels both get a figure in good
 * time; then SAMPLES runs are made and their median is printed.
 *
 * Whatever goes wrong ends the program with a message and exit status 1: a
 * figure is printed only for work that was really done.
 *
 * Usage: bench_NAME [--smoke | --ops N] [METRIC...]
 *	--smoke	one shortest run for each metric: does it work at all
 *	--ops N	one run of exactly N operations: to count host system calls
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE		4096UL
#define MIB		(1UL << 20)
#define RUN_NS		60000000ULL
#define SAMPLES		5
/* The child's exit status; not 0, so that no other path can look like it */
#define CHILD_STATUS	42

/**
 * struct metric - one line of output
 * @name:	as it is printed and asked for
 * @unit:	as it is printed
 * @first_ops:	operations in the first, unmeasured run
 * @scale:	parts that one operation consists of; the figure is per part.
 *		0 means 1
 * @mib:	size of the memory to work on, for the metrics that have one
 * @fragmented:	its neighbouring pages are to be physically far apart
 * @setup:	makes ready for run(), or NULL
 * @run:	does @ops operations, returns the nanoseconds that they took
 * @teardown:	undoes @setup, or NULL
 */
struct metric {
	const char *name;
	const char *unit;
	long first_ops;
	long scale;
	size_t mib;
	int fragmented;
	void (*setup)(const struct metric *m);
	uint64_t (*run)(const struct metric *m, long ops);
	void (*teardown)(const struct metric *m);
};

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* For a call that gives less than 0 when it fails */
static inline long checked(long result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

/* For a result that must hold: errno says nothing about it */
static inline void expect(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "wrong result: %s\n", what);
	exit(1);
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline void wait_for_child(pid_t pid)
{
	int status;

	if (pid < 0)
		die("fork");
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	expect(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_STATUS,
	       "exit status of the child");
}

/* A run() of its own: fork, exit of the child, wait */
static inline uint64_t run_fork_exit(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(CHILD_STATUS);
		wait_for_child(pid);
	}
	return now_ns() - start;
}

/* Anonymous memory in small pages, so that the host's own figures compare */
static inline unsigned char *map_anonymous(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, size, MADV_NOHUGEPAGE);	/* fails where there are none */
	return p;
}

static inline void write_pages(unsigned char *p, size_t size, int value)
{
	for (size_t i = 0; i < size; i += PAGE)
		*(volatile unsigned char *)(p + i) = value;
}

static inline void expect_pages(const unsigned char *p, size_t size, int value)
{
	for (size_t i = 0; i < size; i += PAGE)
		expect(p[i] == value, "content of a page");
}

/*
 * Make the whole range resident, writable and known to the processor. The
 * kernel does most of it in one call; the writes then fault only where it
 * left something to do (everywhere in gVisor, which lacks the call).
 */
static inline void make_resident(unsigned char *p, size_t size, int value)
{
	if (madvise(p, size, MADV_POPULATE_WRITE) && errno != EINVAL)
		die("madvise(MADV_POPULATE_WRITE)");
	write_pages(p, size, value);
}

static inline int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The number of operations that fills RUN_NS, found by trying */
static inline long enough_ops(const struct metric *m)
{
	long ops = m->first_ops;
	uint64_t took = m->run(m, ops);

	while (took < RUN_NS) {
		uint64_t factor = took ? RUN_NS / took + 1 : 10;

		ops *= factor < 10 ? factor : 10;
		took = m->run(m, ops);
	}
	return ops;
}

static inline double us_per_part(const struct metric *m, long ops)
{
	return m->run(m, ops) / 1000.0 / ops / (m->scale ? m->scale : 1);
}

static inline double median_of_runs(const struct metric *m)
{
	long ops = enough_ops(m);
	double us[SAMPLES];

	for (int i = 0; i < SAMPLES; i++)
		us[i] = us_per_part(m, ops);
	qsort(us, SAMPLES, sizeof(us[0]), compare_doubles);
	return us[SAMPLES / 2];
}

/* @ops is the exact number of operations, or 0: measure properly */
static inline void measure(const struct metric *m, long ops)
{
	double us;

	if (m->setup)
		m->setup(m);
	us = ops ? us_per_part(m, ops) : median_of_runs(m);
	if (m->teardown)
		m->teardown(m);
	printf("%s %.4f %s\n", m->name, us, m->unit);
	fflush(stdout);
}

/* The number at the end of a metric's name */
static inline long number_of(const struct metric *m)
{
	return atol(strrchr(m->name, '_') + 1);
}

static inline const struct metric *find_metric(const struct metric *metrics,
					       size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(metrics[i].name, name))
			return &metrics[i];
	fprintf(stderr, "no such metric: %s\n", name);
	exit(2);
}

static inline int bench_main(int argc, char **argv,
			     const struct metric *metrics, size_t count)
{
	int smoke = argc > 1 && !strcmp(argv[1], "--smoke");
	int fixed = argc > 2 && !strcmp(argv[1], "--ops");
	int first_name = 1 + smoke + 2 * fixed;
	long ops = fixed ? atol(argv[2]) : 0;

	if (fixed && ops <= 0) {
		fprintf(stderr, "--ops needs a number above 0\n");
		return 2;
	}
	for (int i = first_name; i < argc; i++) {
		const struct metric *m = find_metric(metrics, count, argv[i]);

		measure(m, smoke ? m->first_ops : ops);
	}
	for (size_t i = 0; first_name >= argc && i < count; i++)
		measure(&metrics[i], smoke ? metrics[i].first_ops : ops);
	return 0;
}

#endif /* BENCH_H */
