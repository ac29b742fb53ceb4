// SPDX-License-Identifier: GPL-2.0-only
/*
 * The batch of host operations (arch/um/os-Linux/skas/batch.c), tested on the
 * host: what merges and what must not, and, with random input, that running
 * the merged operations leaves the same mappings as running them one by one.
 */

#include <string.h>
#include "check.h"
#include "../../arch/um/os-Linux/skas/batch.c"

#define P 0x1000UL
#define RX (TLB_READ | TLB_EXEC)
#define RWX (RX | TLB_WRITE)

static struct tlb_op ops[8];
static struct tlb_batch batch;

static void start(unsigned int max)
{
	memset(ops, 0xff, sizeof(ops));
	tlb_batch_init(&batch, ops, max);
}

static bool is(unsigned int i, int kind, unsigned long page,
	       unsigned long pages)
{
	return ops[i].kind == kind && ops[i].addr == page * P &&
	       ops[i].len == pages * P;
}

static void fills_merge_by_address_offset_and_prot(void)
{
	start(8);
	tlb_batch_fill(&batch, 10 * P, P, 50 * P, RWX);
	tlb_batch_fill(&batch, 11 * P, P, 51 * P, RWX);
	tlb_batch_fill(&batch, 12 * P, 2 * P, 52 * P, RWX);
	tlb_batch_fill(&batch, 14 * P, P, 99 * P, RWX);	/* other frame */
	tlb_batch_fill(&batch, 15 * P, P, 100 * P, RX);	/* other rights */
	tlb_batch_fill(&batch, 17 * P, P, 102 * P, RX);	/* a gap */
	CHECK(tlb_batch_finish(&batch) == 4);
	CHECK(is(0, TLB_FILL, 10, 4) && ops[0].offset == 50 * P);
	CHECK(ops[0].prot == RWX);
	CHECK(is(1, TLB_FILL, 14, 1) && ops[1].offset == 99 * P);
	CHECK(is(2, TLB_FILL, 15, 1) && ops[2].prot == RX);
	CHECK(is(3, TLB_FILL, 17, 1));
	CHECK(batch.ops_made[TLB_FILL] == 4);
	CHECK(batch.bytes_made[TLB_FILL] == 7 * P);
}

static void fills_do_not_merge_backwards(void)
{
	start(8);
	tlb_batch_fill(&batch, 11 * P, P, 51 * P, RWX);
	tlb_batch_fill(&batch, 10 * P, P, 50 * P, RWX);
	CHECK(tlb_batch_finish(&batch) == 2);
}

static void protects_merge_by_address(void)
{
	start(8);
	tlb_batch_protect(&batch, 1 * P, P, RX);
	tlb_batch_protect(&batch, 2 * P, 3 * P, RX);
	tlb_batch_protect(&batch, 5 * P, P, TLB_READ);
	CHECK(tlb_batch_finish(&batch) == 2);
	CHECK(is(0, TLB_PROTECT, 1, 4) && ops[0].prot == RX);
	CHECK(is(1, TLB_PROTECT, 5, 1) && ops[1].prot == TLB_READ);
}

static void protect_runs_across_held_pages_only(void)
{
	start(8);
	tlb_batch_protect(&batch, 1 * P, P, RX);
	tlb_batch_pass_held(&batch, 2 * P, P, RX);
	tlb_batch_pass_held(&batch, 3 * P, P, RX);
	tlb_batch_protect(&batch, 4 * P, P, RX);
	/* held with other rights, then a hole in the host's mappings */
	tlb_batch_pass_held(&batch, 5 * P, P, RWX);
	tlb_batch_protect(&batch, 6 * P, P, RX);
	tlb_batch_pass_absent(&batch, 7 * P, P);
	tlb_batch_protect(&batch, 8 * P, P, RX);
	/* nothing follows: must not grow */
	tlb_batch_pass_held(&batch, 9 * P, P, RX);
	CHECK(tlb_batch_finish(&batch) == 3);
	CHECK(is(0, TLB_PROTECT, 1, 4));
	CHECK(is(1, TLB_PROTECT, 6, 1));
	CHECK(is(2, TLB_PROTECT, 8, 1));
}

static void invalidate_runs_across_absent_pages_only(void)
{
	start(8);
	tlb_batch_invalidate(&batch, 1 * P, P);
	tlb_batch_pass_absent(&batch, 2 * P, 100 * P);
	tlb_batch_invalidate(&batch, 102 * P, P);
	tlb_batch_pass_held(&batch, 103 * P, P, RX);
	tlb_batch_invalidate(&batch, 104 * P, P);
	tlb_batch_pass_absent(&batch, 105 * P, P);
	CHECK(tlb_batch_finish(&batch) == 2);
	CHECK(is(0, TLB_INVALIDATE, 1, 102));
	CHECK(is(1, TLB_INVALIDATE, 104, 1));
}

static void another_kind_ends_a_run(void)
{
	start(8);
	tlb_batch_invalidate(&batch, 1 * P, P);
	tlb_batch_fill(&batch, 2 * P, P, 0, RX);
	tlb_batch_invalidate(&batch, 3 * P, P);
	CHECK(tlb_batch_finish(&batch) == 3);
}

static void full_and_empty(void)
{
	start(2);
	CHECK(tlb_batch_empty(&batch) && !tlb_batch_full(&batch));
	tlb_batch_invalidate(&batch, 1 * P, P);
	CHECK(!tlb_batch_empty(&batch) && !tlb_batch_full(&batch));
	tlb_batch_invalidate(&batch, 5 * P, P);
	CHECK(tlb_batch_full(&batch));
	CHECK(tlb_batch_finish(&batch) == 2);
	CHECK(tlb_batch_full(&batch) && ops[2].kind == -1);
	tlb_batch_reset(&batch);
	CHECK(tlb_batch_empty(&batch) && tlb_batch_finish(&batch) == 0);
}

/* A model of host mappings: what each page shows, and its rights. */
#define PAGES 64

struct model {
	unsigned long frame[PAGES];
	int prot[PAGES];
};

/* Returns false where the host would fail: a protect of what is not mapped. */
static bool apply(struct model *m, const struct tlb_op *op)
{
	unsigned long i, first = op->addr / P, n = op->len / P;

	for (i = 0; i < n; i++) {
		unsigned long page = first + i;

		switch (op->kind) {
		case TLB_FILL:
			m->frame[page] = op->offset / P + i;
			m->prot[page] = op->prot;
			break;
		case TLB_PROTECT:
			if (!m->prot[page])
				return false;
			m->prot[page] = op->prot;
			break;
		case TLB_INVALIDATE:
			m->frame[page] = 0;
			m->prot[page] = 0;
			break;
		}
	}
	return true;
}

static void random_walks_match_the_model(void)
{
	static const int prots[] = { 0, RX, RWX };
	int round;

	for (round = 0; round < 20000; round++) {
		struct model one = {}, merged;
		struct tlb_op big[PAGES], op;
		unsigned int i, nr;

		for (i = 0; i < PAGES; i++) {
			one.prot[i] = prots[rand() % 3];
			one.frame[i] = one.prot[i] ? 100 + i : 0;
		}
		merged = one;
		tlb_batch_init(&batch, big, PAGES);

		for (i = 0; i < PAGES; i++) {
			op = (struct tlb_op) { i * P, P, 0, 0, TLB_NOTHING };
			switch (rand() % 4) {
			case 0:
				op.kind = TLB_FILL;
				op.offset = (rand() % 2 ? 200 + i : 7) * P;
				op.prot = rand() % 2 ? RX : RWX;
				tlb_batch_fill(&batch, op.addr, P, op.offset,
					       op.prot);
				break;
			case 1:
				if (!one.prot[i])
					break;
				op.kind = TLB_PROTECT;
				op.prot = rand() % 2 ? RX : RWX;
				tlb_batch_protect(&batch, op.addr, P, op.prot);
				break;
			case 2:
				op.kind = TLB_INVALIDATE;
				tlb_batch_invalidate(&batch, op.addr, P);
				break;
			}
			if (op.kind != TLB_NOTHING)
				apply(&one, &op);
			else if (one.prot[i])
				tlb_batch_pass_held(&batch, op.addr, P,
						    one.prot[i]);
			else
				tlb_batch_pass_absent(&batch, op.addr, P);
		}

		nr = tlb_batch_finish(&batch);
		for (i = 0; i < nr; i++)
			CHECK(apply(&merged, &big[i]));
		CHECK(!memcmp(&one, &merged, sizeof(one)));
	}
}

int main(void)
{
	static const struct test tests[] = {
		{ "fills_merge", fills_merge_by_address_offset_and_prot },
		{ "fills_backwards", fills_do_not_merge_backwards },
		{ "protects_merge", protects_merge_by_address },
		{ "protect_across_held", protect_runs_across_held_pages_only },
		{ "invalidate_across_absent",
		  invalidate_runs_across_absent_pages_only },
		{ "another_kind", another_kind_ends_a_run },
		{ "full_and_empty", full_and_empty },
		{ "random_walks", random_walks_match_the_model },
	};

	return run_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
