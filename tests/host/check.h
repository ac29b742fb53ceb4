/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A minimal harness for tests of pure logic on the host: each CHECK() that
 * fails names its place, and the program ends with KTAP and an exit status.
 */

#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

#define CHECK(cond) do {						\
	if (!(cond)) {							\
		failures++;						\
		printf("# %s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
	}								\
} while (0)

struct test {
	const char *name;
	void (*run)(void);
};

static int run_tests(const struct test *tests, int count)
{
	int i, bad = 0;

	printf("KTAP version 1\n1..%d\n", count);
	for (i = 0; i < count; i++) {
		failures = 0;
		tests[i].run();
		printf("%sok %d %s\n", failures ? "not " : "", i + 1,
		       tests[i].name);
		bad += !!failures;
	}
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
