// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compartments in one process: a key lives in a VAS, and the thread is inside
 * only while it signs. Code that reads wild everywhere else cannot reach it:
 * the parser below follows a pointer that an attacker chose.
 *
 *	./uml run -- vas_compartments
 */

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "vas.h"

static sigjmp_buf caught;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static char *const the_key = (char *)VAS_WINDOW_START;

static void *make_key(void *unused)
{
	void *page = mmap(the_key, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (page == MAP_FAILED)
		fail("mmap");
	strcpy(the_key, "the very secret key");
	return unused;
}

/* A toy: the sum of message and key */
static void *sign(void *message)
{
	uintptr_t sum = 0;

	for (const char *p = message; *p; p++)
		sum = sum * 31 + *p;
	for (const char *p = the_key; *p; p++)
		sum = sum * 31 + *p;
	return (void *)sum;
}

static void on_fault(int sig)
{
	siglongjmp(caught, sig);
}

/* Returns whether the attacker got something. */
static int parse(const volatile char *chosen)
{
	if (sigsetjmp(caught, 1))
		return 0;
	printf("the attacker reads: %c...\n", *chosen);
	return 1;
}

int main(void)
{
	int vid = vas_open("example.key", O_RDWR | O_CREAT | O_EXCL, 0600);
	void *first, *second;
	int stolen;

	if (vid < 0 || vas_call(vid, make_key, NULL, NULL))
		fail("making the compartment");
	if (vas_call(vid, sign, "message", &first))
		fail("vas_call");

	signal(SIGSEGV, on_fault);
	stolen = parse(the_key);

	if (vas_call(vid, sign, "message", &second))
		fail("vas_call");
	printf("signed twice: %lx %lx; the key was %s\n", (unsigned long)first,
	       (unsigned long)second, stolen ? "stolen" : "out of reach");
	if (vas_detach(0, vid) || vas_delete(vid))
		fail("cleaning up");
	return stolen || first != second;
}
