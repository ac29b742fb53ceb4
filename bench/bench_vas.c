// SPDX-License-Identifier: GPL-2.0-only
/*
 * First-class virtual address spaces, each figure with its rival beside it.
 *
 *	vas_switch		there and back, with a touch in each; two calls
 *	vas_switch_null		two null system calls and two touches
 *	vas_switch_pipe		two processes that have the data each, by pipes
 *	vas_switch_memfd	the data of the other one mapped at its address, and
 *				back: what memfd at a fixed address takes
 *	vas_create		create, attach, first switch, detach, delete
 *	vas_create_null		as many null system calls
 *	vas_create_fork		fork, exit, wait
 *
 * and how that depends on size. The number at the end of the name is:
 *
 *	vas_switch_size_	MiB that the process has resident
 *	vas_switch_regions_	regions of each VAS
 *	vas_switch_attached_	VASes that are attached, and were all entered; into
 *				one and out again
 *	vas_attach_size_	attach and detach, by a process of so many MiB
 *	vas_attach_regions_	attach and detach of a VAS with so many regions
 *	vas_first_regions_	with a first switch between, which maps them
 *	vas_create_size_	vas_create, by a process of so many MiB
 *	vas_create_attached_	vas_create, with so many others attached and entered
 *	vas_fork_size_		vas_create_fork, by a process of so many MiB
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/syscall.h>
#include <vas.h>

#include "partner.h"

#define DATA_PAGES	16
#define VASES_MAX	500

static int vid[VASES_MAX], vases, parent;
static unsigned char *resident;

static void switch_to(int id)
{
	checked(vas_switch(id), "vas_switch");
}

static volatile unsigned char *data(int page)
{
	return (volatile unsigned char *)VAS_WINDOW_START + page * 2 * PAGE;
}

static int new_vas(void)
{
	char name[32];

	snprintf(name, sizeof(name), "bench%d", vases);
	vid[vases] = checked(vas_create(name, 0600), "vas_create");
	checked(vas_attach(0, vid[vases], O_RDWR), "vas_attach");
	return vid[vases++];
}

static void fill_vas(int id, int regions)
{
	switch_to(id);
	for (int i = 0; i < regions; i++)
		if (mmap((void *)data(i), PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		    (void *)data(i))
			die("mmap");
	*data(0) = id;
	switch_to(0);
}

static void make_vases(int count, int regions)
{
	for (int i = 0; i < count; i++)
		fill_vas(new_vas(), regions);
	parent = getppid();
}

static void setup_two(const struct metric *m)
{
	(void)m;
	make_vases(2, 1);
}

static void setup_regions(const struct metric *m)
{
	make_vases(2, number_of(m));
}

static void setup_attached(const struct metric *m)
{
	make_vases(number_of(m), 1);
}

static void setup_resident(const struct metric *m)
{
	resident = map_anonymous(number_of(m) * MIB);
	make_resident(resident, number_of(m) * MIB, 1);
}

static void drop_resident(const struct metric *m)
{
	munmap(resident, number_of(m) * MIB);
}

static void setup_switch_size(const struct metric *m)
{
	setup_resident(m);
	make_vases(2, 1);
}

static void drop_vases(const struct metric *m)
{
	(void)m;
	switch_to(0);
	while (vases) {
		vases--;
		checked(vas_detach(0, vid[vases]), "vas_detach");
		checked(vas_delete(vid[vases]), "vas_delete");
	}
}

static void drop_switch_size(const struct metric *m)
{
	drop_vases(m);
	drop_resident(m);
}

static uint64_t run_switch(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		switch_to(vid[0]);
		expect(*data(0) == (unsigned char)vid[0], "data of the first");
		switch_to(vid[1]);
		expect(*data(0) == (unsigned char)vid[1], "data of the second");
	}
	return now_ns() - start;
}

static uint64_t run_in_and_out(const struct metric *m, long ops)
{
	static volatile unsigned char touched;
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		switch_to(vid[0]);
		expect(*data(0) == (unsigned char)vid[0], "data of the VAS");
		switch_to(0);
		touched++;
	}
	return now_ns() - start;
}

static uint64_t run_null(const struct metric *m, long ops)
{
	static volatile unsigned char touched;
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		expect(syscall(SYS_getppid) == parent, "getppid");
		touched++;
		expect(syscall(SYS_getppid) == parent, "getppid");
		touched++;
	}
	return now_ns() - start;
}

static void setup_null(const struct metric *m)
{
	(void)m;
	parent = getppid();
}

/* A round trip, which the other process's data comes back with. */
static struct partner partner;
static volatile unsigned char *own;

static unsigned char own_data(unsigned char byte)
{
	(void)byte;
	return *own;
}

static void setup_pipe(const struct metric *m)
{
	(void)m;
	own = map_anonymous(PAGE);
	*own = 7;
	partner = start_partner(own_data);
}

static uint64_t run_pipe(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++)
		expect(ask_partner(&partner, 0) == 7,
		       "data of the other process");
	return now_ns() - start;
}

static void teardown_pipe(const struct metric *m)
{
	(void)m;
	stop_partner(&partner);
}

static int memory_file[2];

static void setup_memfd(const struct metric *m)
{
	(void)m;
	for (int i = 0; i < 2; i++) {
		unsigned char byte = 40 + i;

		memory_file[i] = memfd_create("bench", 0);
		if (memory_file[i] < 0 ||
		    ftruncate(memory_file[i], DATA_PAGES * PAGE) ||
		    pwrite(memory_file[i], &byte, 1, 0) != 1)
			die("memfd");
	}
}

static void look_at_file(unsigned char *place, int i)
{
	if (mmap(place, DATA_PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, memory_file[i], 0) != place)
		die("mmap");
	expect(*(volatile unsigned char *)place == 40 + i, "data of the file");
}

static uint64_t run_memfd(const struct metric *m, long ops)
{
	unsigned char *place = map_anonymous(DATA_PAGES * PAGE);
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		look_at_file(place, 0);
		look_at_file(place, 1);
	}
	start = now_ns() - start;
	munmap(place, DATA_PAGES * PAGE);
	return start;
}

static uint64_t run_create(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		int id = checked(vas_create("bench", 0600), "vas_create");

		checked(vas_attach(0, id, O_RDWR), "vas_attach");
		switch_to(id);
		switch_to(0);
		checked(vas_detach(0, id), "vas_detach");
		checked(vas_delete(id), "vas_delete");
	}
	return now_ns() - start;
}

static uint64_t run_six_null(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops * 6; i++)
		expect(syscall(SYS_getppid) == parent, "getppid");
	return now_ns() - start;
}

static void setup_attach(const struct metric *m)
{
	setup_resident(m);
	make_vases(1, 1);
	checked(vas_detach(0, vid[0]), "vas_detach");
}

static void setup_attach_regions(const struct metric *m)
{
	make_vases(1, number_of(m));
	checked(vas_detach(0, vid[0]), "vas_detach");
}

static uint64_t run_first(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		checked(vas_attach(0, vid[0], O_RDWR), "vas_attach");
		switch_to(vid[0]);
		switch_to(0);
		checked(vas_detach(0, vid[0]), "vas_detach");
	}
	return now_ns() - start;
}

static uint64_t run_attach(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		checked(vas_attach(0, vid[0], O_RDWR), "vas_attach");
		checked(vas_detach(0, vid[0]), "vas_detach");
	}
	return now_ns() - start;
}

static void drop_detached(const struct metric *m)
{
	(void)m;
	checked(vas_delete(vid[0]), "vas_delete");
	vases = 0;
}

static void drop_attach(const struct metric *m)
{
	drop_detached(m);
	drop_resident(m);
}

#define METRIC(metric_name, operation, before, after)			\
	{ .name = metric_name, .unit = "us", .first_ops = 20,		\
	  .setup = before, .run = operation, .teardown = after }
#define SWITCH_SIZE(mib)						\
	METRIC("vas_switch_size_" mib, run_switch, setup_switch_size,	\
	       drop_switch_size)
#define REGIONS(number)							\
	METRIC("vas_switch_regions_" number, run_switch, setup_regions,	\
	       drop_vases)
#define ATTACHED(what, operation, number)				\
	METRIC(what number, operation, setup_attached, drop_vases)
#define ATTACH_REGIONS(what, operation, number)				\
	METRIC(what number, operation, setup_attach_regions, drop_detached)
#define SIZE(what, operation, mib)					\
	METRIC(what mib, operation, setup_resident, drop_resident)
#define ATTACH_SIZE(mib)						\
	METRIC("vas_attach_size_" mib, run_attach, setup_attach, drop_attach)

static const struct metric metrics[] = {
	METRIC("vas_switch", run_switch, setup_two, drop_vases),
	METRIC("vas_switch_null", run_null, setup_null, NULL),
	METRIC("vas_switch_pipe", run_pipe, setup_pipe, teardown_pipe),
	METRIC("vas_switch_memfd", run_memfd, setup_memfd, NULL),
	METRIC("vas_create", run_create, NULL, NULL),
	METRIC("vas_create_null", run_six_null, setup_null, NULL),
	METRIC("vas_create_fork", run_fork_exit, NULL, NULL),
	SWITCH_SIZE("1"), SWITCH_SIZE("8"), SWITCH_SIZE("64"),
	SWITCH_SIZE("512"),
	REGIONS("1"), REGIONS("10"), REGIONS("100"), REGIONS("1000"),
	ATTACHED("vas_switch_attached_", run_in_and_out, "1"),
	ATTACHED("vas_switch_attached_", run_in_and_out, "10"),
	ATTACHED("vas_switch_attached_", run_in_and_out, "100"),
	ATTACHED("vas_switch_attached_", run_in_and_out, "500"),
	ATTACH_REGIONS("vas_attach_regions_", run_attach, "1"),
	ATTACH_REGIONS("vas_attach_regions_", run_attach, "10"),
	ATTACH_REGIONS("vas_attach_regions_", run_attach, "100"),
	ATTACH_REGIONS("vas_attach_regions_", run_attach, "1000"),
	ATTACH_REGIONS("vas_first_regions_", run_first, "1"),
	ATTACH_REGIONS("vas_first_regions_", run_first, "10"),
	ATTACH_REGIONS("vas_first_regions_", run_first, "100"),
	ATTACH_REGIONS("vas_first_regions_", run_first, "1000"),
	ATTACHED("vas_create_attached_", run_create, "1"),
	ATTACHED("vas_create_attached_", run_create, "10"),
	ATTACHED("vas_create_attached_", run_create, "100"),
	ATTACHED("vas_create_attached_", run_create, "500"),
	ATTACH_SIZE("1"), ATTACH_SIZE("8"), ATTACH_SIZE("64"),
	ATTACH_SIZE("512"),
	SIZE("vas_create_size_", run_create, "1"),
	SIZE("vas_create_size_", run_create, "8"),
	SIZE("vas_create_size_", run_create, "64"),
	SIZE("vas_create_size_", run_create, "512"),
	SIZE("vas_fork_size_", run_fork_exit, "1"),
	SIZE("vas_fork_size_", run_fork_exit, "8"),
	SIZE("vas_fork_size_", run_fork_exit, "64"),
	SIZE("vas_fork_size_", run_fork_exit, "512"),
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics,
			  sizeof(metrics) / sizeof(metrics[0]));
}
