// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own mappings: vmalloc and vfree of 1000 pages, one pair an
 * operation. The work is done by the kernel's lib/test_vmalloc.c, built as a
 * module, whose first test (fix_size_alloc_test) is just that loop. The module
 * measures itself, reports to the kernel log, and then refuses to stay loaded
 * with EAGAIN, so loading it is one run. Needs root.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "bench.h"

#define PAGES	1000
#define TEST	"Summary: fix_size_alloc_test"
#define REPORT	TEST " passed: %d failed: %d xfailed: %d repeat: %d loops: %ld avg: %llu usec"

static int open_module(void)
{
	struct utsname kernel;
	char path[512];
	int fd;

	uname(&kernel);
	snprintf(path, sizeof(path), "/lib/modules/%s/test_vmalloc.ko",
		 kernel.release);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die(path);
	return fd;
}

static int open_log_at_end(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	return fd;
}

/* The test's report is the only record with a "Summary" in it */
static uint64_t total_us_from_log(int log, long ops)
{
	char record[1024];

	for (;;) {
		ssize_t got = read(log, record, sizeof(record) - 1);
		int passed, failed, xfailed, repeat;
		unsigned long long us;
		char *summary;
		long loops;

		if (got < 0 && errno == EPIPE)
			continue;	/* records were overwritten, go on */
		if (got <= 0)
			break;
		record[got] = 0;
		summary = strstr(record, TEST);
		if (!summary)
			continue;
		if (sscanf(summary, REPORT, &passed, &failed, &xfailed,
			   &repeat, &loops, &us) != 6)
			break;
		expect(passed == 1 && !failed && loops == ops,
		       "summary of test_vmalloc");
		return us;
	}
	expect(0, "no summary of test_vmalloc in the kernel log");
	return 0;
}

static uint64_t run_vmalloc(const struct metric *m, long ops)
{
	int module = open_module(), log = open_log_at_end();
	char parameters[128];
	uint64_t us;

	(void)m;
	snprintf(parameters, sizeof(parameters),
		 "nr_threads=1 run_test_mask=1 nr_pages=%d test_loop_count=%ld",
		 PAGES, ops);
	if (syscall(SYS_finit_module, module, parameters, 0) != -1 ||
	    errno != EAGAIN)
		die("loading test_vmalloc.ko");
	us = total_us_from_log(log, ops);
	close(log);
	close(module);
	return us * 1000;
}

static const struct metric metrics[] = {
	{ .name = "vmalloc_1000", .unit = "us", .first_ops = 5,
	  .run = run_vmalloc },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 1);
}
