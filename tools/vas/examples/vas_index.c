// SPDX-License-Identifier: GPL-2.0-only
/*
 * An index full of pointers, built by one process and used by another: nothing
 * is copied, and no pointer is translated, as a segment has the same addresses
 * in every VAS.
 *
 *	./uml run -- vas_index
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vas.h"

#define START	VAS_WINDOW_START
#define SIZE	(64UL << 20)
#define KEYS	200000U

struct node {
	uint32_t key;
	uint32_t value;
	struct node *smaller;
	struct node *larger;
};

/* The segment begins with this; nodes follow. */
struct index {
	struct node *root;
	struct node *next;
};

static struct index *const the_index = (struct index *)START;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct node **place(uint32_t key)
{
	struct node **link = &the_index->root;

	while (*link && (*link)->key != key)
		link = key < (*link)->key ? &(*link)->smaller : &(*link)->larger;
	return link;
}

static uint32_t scatter(uint32_t i)
{
	return i * 2654435761U;
}

static void build(void)
{
	the_index->next = (struct node *)(the_index + 1);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct node *node = the_index->next++;

		*node = (struct node) { .key = scatter(i), .value = i };
		*place(node->key) = node;
	}
	printf("process %d built an index of %u keys\n", getpid(), KEYS);
}

static void use(void)
{
	for (uint32_t i = 0; i < KEYS; i++) {
		struct node *node = *place(scatter(i));

		if (!node || node->value != i) {
			fprintf(stderr, "key %u is wrong\n", i);
			exit(1);
		}
	}
	printf("process %d found all of them\n", getpid());
}

/* Each process attaches the VAS for itself, and does its part inside. */
static void in_a_process(void (*part)(void))
{
	pid_t child = fork();
	int status, vid;

	if (!child) {
		vid = vas_open("example.index", O_RDWR, 0);
		if (vid < 0 || vas_switch(vid))
			fail("entering the VAS");
		part();
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status)
		exit(1);
}

int main(void)
{
	int vid = vas_create("example.index", 0600);
	int sid = vas_seg_create("example.index", START, START + SIZE, 0600);

	if (vid < 0 || sid < 0 || vas_seg_attach(vid, sid, O_RDWR))
		fail("making VAS and segment");
	fflush(stdout);
	in_a_process(build);
	in_a_process(use);
	if (vas_delete(vid) || vas_seg_delete(sid))
		fail("deleting VAS and segment");
	return 0;
}
