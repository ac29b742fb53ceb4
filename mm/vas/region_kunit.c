// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the regions of a VAS, against a table with one entry for each
 * page.
 */

#include <kunit/test.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/shmem_fs.h>
#include "vas.h"

#define PAGES	64UL
#define ADDR(page)	(VAS_WINDOW_START + (page) * PAGE_SIZE)

struct fixture {
	struct vas_regions regions;
	struct file *file[2];
	/* Which file and which page of it, plus one; 0 for nothing */
	unsigned int model[PAGES];
};

static int init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int i;

	if (!f)
		return -ENOMEM;
	test->priv = f;
	vas_regions_init(&f->regions);
	for (i = 0; i < 2; i++) {
		f->file[i] = shmem_kernel_file_setup("kunit", PAGES * PAGE_SIZE,
						     EMPTY_VMA_FLAGS);
		if (IS_ERR(f->file[i]))
			return PTR_ERR(f->file[i]);
	}
	return 0;
}

static void fini(struct kunit *test)
{
	struct fixture *f = test->priv;
	int i;

	vas_regions_remove_all(&f->regions);
	for (i = 0; i < 2; i++)
		fput(f->file[i]);
}

static int add(struct fixture *f, unsigned long page, unsigned long end,
	       int file, unsigned long pgoff)
{
	struct vas_region region = {
		.start = ADDR(page),
		.end = ADDR(end),
		.file = f->file[file],
		.pgoff = pgoff,
		.prot = PROT_READ,
		.prot_max = PROT_READ,
	};

	return vas_region_add(&f->regions, &region);
}

static unsigned int count(struct fixture *f)
{
	struct vas_region *region;
	unsigned long addr = 0;
	unsigned int n = 0;

	mt_for_each(&f->regions.tree, region, addr, ULONG_MAX)
		n++;
	return n;
}

static void neighbours_become_one(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct vas_region *region;

	KUNIT_EXPECT_EQ(test, add(f, 0, 2, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, add(f, 2, 5, 0, 2), 0);
	KUNIT_EXPECT_EQ(test, count(f), 1);
	region = vas_region_next(&f->regions, ADDR(4), ADDR(5));
	KUNIT_ASSERT_NOT_NULL(test, region);
	KUNIT_EXPECT_EQ(test, region->start, ADDR(0));
	KUNIT_EXPECT_EQ(test, region->end, ADDR(5));
	KUNIT_EXPECT_EQ(test, region->generation, f->regions.generation);

	/* Not the same file, or not the next page of it */
	KUNIT_EXPECT_EQ(test, add(f, 5, 6, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, add(f, 6, 7, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, count(f), 3);
}

static void overlap_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 before;

	KUNIT_EXPECT_EQ(test, add(f, 4, 8, 0, 0), 0);
	before = f->regions.generation;
	KUNIT_EXPECT_EQ(test, add(f, 0, 5, 0, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, add(f, 7, 9, 0, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, add(f, 5, 6, 0, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, add(f, 0, 60, 0, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, add(f, 3, 4, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, f->regions.generation, before + 1);
}

static void gaps(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, vas_region_gap(&f->regions, 0, PAGE_SIZE),
			ADDR(0));
	add(f, 0, 4, 0, 0);
	add(f, 6, 8, 0, 6);
	KUNIT_EXPECT_EQ(test, vas_region_gap(&f->regions, 0, 2 * PAGE_SIZE),
			ADDR(4));
	KUNIT_EXPECT_EQ(test, vas_region_gap(&f->regions, 0, 3 * PAGE_SIZE),
			ADDR(8));
	KUNIT_EXPECT_EQ(test, vas_region_gap(&f->regions, ADDR(5), PAGE_SIZE),
			ADDR(5));
	KUNIT_EXPECT_EQ(test, vas_region_gap(&f->regions, ADDR(7), PAGE_SIZE),
			ADDR(4));
	KUNIT_EXPECT_EQ(test, vas_region_gap(&f->regions,
					     VAS_WINDOW_END - PAGE_SIZE,
					     2 * PAGE_SIZE), ADDR(4));
	KUNIT_EXPECT_EQ(test, vas_region_gap(&f->regions, 0,
					     VAS_WINDOW_END - VAS_WINDOW_START),
			0);
	KUNIT_EXPECT_EQ(test, vas_region_gap(&f->regions, 0, -PAGE_SIZE), 0);
}

static void check_model(struct kunit *test, struct fixture *f)
{
	unsigned long page;

	for (page = 0; page < PAGES; page++) {
		struct vas_region *region;
		unsigned int have = 0;

		region = vas_region_next(&f->regions, ADDR(page),
					 ADDR(page + 1));
		if (region)
			have = 1 + (region->file == f->file[1]) * PAGES +
			       region->pgoff +
			       ((ADDR(page) - region->start) >> PAGE_SHIFT);
		KUNIT_ASSERT_EQ_MSG(test, have, f->model[page], "page %lu",
				    page);
	}
}

static void like_a_table_of_pages(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct rnd_state rnd;
	int round;

	prandom_seed_state(&rnd, 20261121);
	for (round = 0; round < 3000; round++) {
		unsigned long page = prandom_u32_state(&rnd) % PAGES;
		unsigned long end = min(PAGES, page + 1 +
					prandom_u32_state(&rnd) % 9);
		int file = prandom_u32_state(&rnd) % 2;
		unsigned long p;
		bool taken = false;

		for (p = page; p < end; p++)
			taken |= f->model[p];
		if (prandom_u32_state(&rnd) % 2) {
			KUNIT_ASSERT_EQ(test, add(f, page, end, file, page),
					taken ? -EEXIST : 0);
			for (p = page; p < end && !taken; p++)
				f->model[p] = 1 + file * PAGES + p;
		} else {
			KUNIT_ASSERT_EQ(test,
					vas_region_remove(&f->regions,
							  ADDR(page), ADDR(end)),
					0);
			memset(&f->model[page], 0,
			       (end - page) * sizeof(f->model[0]));
		}
		check_model(test, f);
	}
}

static struct kunit_case region_cases[] = {
	KUNIT_CASE(neighbours_become_one),
	KUNIT_CASE(overlap_is_refused),
	KUNIT_CASE(gaps),
	KUNIT_CASE(like_a_table_of_pages),
	{}
};

static struct kunit_suite region_suite = {
	.name = "vas_region",
	.init = init,
	.exit = fini,
	.test_cases = region_cases,
};

kunit_test_suite(region_suite);
