// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of one process.
 *
 * threads_compute_N	N threads compute without a call: for each, per 1000 steps
 * threads_touch_N	N threads touch memory of their own: for each, per page
 * threads_create	a thread is created and joined
 * vma_fault_M_P	two threads touch P pages in each of M VMAs of their own,
 *			again and again, while another one maps and unmaps
 *			elsewhere: per page of both
 * vma_alone_M_P	the same without the one that maps
 * vma_map_M_P	what that one takes to map and unmap
 * vma_sleep_M_P	one thread does; how long it sleeps meanwhile, per page: that
 *			is for locks. (On two CPUs: with two, one would also wait
 *			for a CPU.)
 *
 * The sizes are those that per-VMA locks were published with.
 */
#include "bench.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#define FAULTING	2
/* What the other thread maps at a time, with pages */
#define MAPPED		(64 * PAGE)
#define TOUCHED		(4 * MIB)
/* So many operations tell how long one sleeps */
#define ENOUGH		300
#define SLEEP_LEAST_NS	1000

struct work {
	const struct metric *m;
	long ops;
	uint64_t asleep;
};

static void start(pthread_t *thread, void *(*code)(void *), void *argument)
{
	if (pthread_create(thread, NULL, code, argument)) {
		fprintf(stderr, "no thread\n");
		exit(1);
	}
}

/* Returns how long nr threads take that all do the same. */
static uint64_t run_threads(void *(*code)(void *), struct work *work, long nr)
{
	uint64_t begin = now_ns();
	pthread_t thread[nr];

	for (long i = 0; i < nr; i++)
		start(&thread[i], code, work);
	for (long i = 0; i < nr; i++)
		pthread_join(thread[i], NULL);
	return now_ns() - begin;
}

static void *compute(void *argument)
{
	const struct work *work = argument;

	for (volatile long i = 0; i < 1000 * work->ops; i++)
		;
	return argument;
}

static uint64_t run_compute(const struct metric *m, long ops)
{
	struct work work = { .m = m, .ops = ops };

	return run_threads(compute, &work, number_of(m));
}

static void *touch(void *argument)
{
	const struct work *work = argument;

	for (long i = 0; i < work->ops; i++) {
		unsigned char *p = map_anonymous(TOUCHED);

		write_pages(p, TOUCHED, 1);
		checked(munmap(p, TOUCHED), "munmap");
	}
	return argument;
}

static uint64_t run_touch(const struct metric *m, long ops)
{
	struct work work = { .m = m, .ops = ops };

	return run_threads(touch, &work, number_of(m));
}

static void *nothing(void *argument)
{
	return argument;
}

static uint64_t run_create(const struct metric *m, long ops)
{
	struct work work = { .m = m };
	uint64_t sum = 0;

	for (long i = 0; i < ops; i++)
		sum += run_threads(nothing, &work, 1);
	return sum;
}

static atomic_int stop;

static void map_and_unmap(void)
{
	void *p = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	checked(munmap(p, MAPPED), "munmap");
}

static void *keep_mapping(void *argument)
{
	while (!stop)
		map_and_unmap();
	return argument;
}

static uint64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* "..._M_P" */
static void sizes_of(const struct metric *m, long *vmas, long *pages)
{
	const char *sizes = m->name + strcspn(m->name, "0123456789");

	expect(sscanf(sizes, "%ld_%ld", vmas, pages) == 2, "sizes");
}

/* Every second range of pages is a VMA; the protection of the rest differs. */
static unsigned char *map_vmas(long vmas, long pages)
{
	unsigned char *all = map_anonymous(2 * vmas * pages * PAGE);

	for (long i = 0; i < vmas; i++)
		checked(mprotect(all + (2 * i + 1) * pages * PAGE, pages * PAGE,
				 PROT_NONE), "mprotect");
	return all;
}

static void *fault(void *argument)
{
	struct work *work = argument;
	long vmas, pages;
	uint64_t began, used;
	unsigned char *all;

	sizes_of(work->m, &vmas, &pages);
	all = map_vmas(vmas, pages);
	began = now_ns();
	used = own_cpu_ns();
	for (long i = 0; i < work->ops && !stop; i++)
		for (long v = 0; v < vmas; v++) {
			unsigned char *vma = all + 2 * v * pages * PAGE;

			write_pages(vma, pages * PAGE, 1);
			checked(madvise(vma, pages * PAGE, MADV_DONTNEED),
				"madvise");
		}
	used = own_cpu_ns() - used;
	began = now_ns() - began;
	work->asleep = began > used ? began - used : 0;
	checked(munmap(all, 2 * vmas * pages * PAGE), "munmap");
	return argument;
}

static uint64_t fault_beside_mapper(struct work *work, long threads)
{
	pthread_t mapper;
	uint64_t ns;

	stop = 0;
	start(&mapper, keep_mapping, NULL);
	ns = run_threads(fault, work, threads);
	stop = 1;
	pthread_join(mapper, NULL);
	return ns;
}

static uint64_t run_fault(const struct metric *m, long ops)
{
	struct work work = { .m = m, .ops = ops };

	return fault_beside_mapper(&work, FAULTING);
}

static uint64_t run_alone(const struct metric *m, long ops)
{
	struct work work = { .m = m, .ops = ops };

	stop = 0;
	return run_threads(fault, &work, FAULTING);
}

static uint64_t run_map(const struct metric *m, long ops)
{
	struct work work = { .m = m, .ops = LONG_MAX };
	pthread_t thread[FAULTING];
	uint64_t ns;

	stop = 0;
	for (int i = 0; i < FAULTING; i++)
		start(&thread[i], fault, &work);
	ns = now_ns();
	for (long i = 0; i < ops; i++)
		map_and_unmap();
	ns = now_ns() - ns;
	stop = 1;
	for (int i = 0; i < FAULTING; i++)
		pthread_join(thread[i], NULL);
	return ns;
}

static uint64_t run_sleep(const struct metric *m, long ops)
{
	long done = ops < ENOUGH ? ops : ENOUGH;
	struct work work = { .m = m, .ops = done };

	fault_beside_mapper(&work, 1);
	/* It may not sleep at all: then this is what can be told from nothing. */
	return (work.asleep / done + SLEEP_LEAST_NS) * ops;
}

static const struct metric metrics[] = {
	{ .name = "threads_compute_1", .unit = "us", .first_ops = 10000,
	  .run = run_compute },
	{ .name = "threads_compute_2", .unit = "us", .first_ops = 10000,
	  .run = run_compute },
	{ .name = "threads_touch_1", .unit = "us", .first_ops = 4,
	  .scale = TOUCHED / PAGE, .run = run_touch },
	{ .name = "threads_touch_2", .unit = "us", .first_ops = 4,
	  .scale = TOUCHED / PAGE, .run = run_touch },
	{ .name = "threads_create", .unit = "us", .first_ops = 100,
	  .run = run_create },
	{ .name = "vma_fault_2_10", .unit = "us", .first_ops = 200,
	  .scale = FAULTING * 2 * 10, .run = run_fault },
	{ .name = "vma_fault_10_2", .unit = "us", .first_ops = 200,
	  .scale = FAULTING * 10 * 2, .run = run_fault },
	{ .name = "vma_fault_10_10", .unit = "us", .first_ops = 100,
	  .scale = FAULTING * 10 * 10, .run = run_fault },
	{ .name = "vma_fault_30_30", .unit = "us", .first_ops = 20,
	  .scale = FAULTING * 30 * 30, .run = run_fault },
	{ .name = "vma_alone_10_10", .unit = "us", .first_ops = 100,
	  .scale = FAULTING * 10 * 10, .run = run_alone },
	{ .name = "vma_map_10_10", .unit = "us", .first_ops = 100,
	  .run = run_map },
	{ .name = "vma_sleep_10_10", .unit = "us", .first_ops = 100,
	  .scale = 10 * 10, .run = run_sleep },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics,
			  sizeof(metrics) / sizeof(metrics[0]));
}
