/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A batch of operations on the mappings of one host address space.
 *
 * The walk over the guest's page tables (arch/um/kernel/tlb.c) appends
 * operations in address order; the batch merges what touches, so that one
 * host call covers as many pages as possible:
 *
 *  - fills (mmap of the memory file) merge when they are contiguous in address
 *    and in file offset and have the same protection;
 *  - protects (mprotect) and invalidates (munmap) merge by
 *    address alone, whatever lies behind the addresses.
 *
 * Pages that need no operation are told to the batch too, as "held" or
 * "absent". A protect may run across held pages of the protection that it
 * sets, and an invalidate across absent pages, without changing anything, so
 * these gaps do not split a run.
 *
 * Pure logic: no kernel and no host headers, tested by tests/host/ and KUnit.
 * Nothing here locks; the owner of the batch does.
 */

#ifndef __UM_TLB_BATCH_H
#define __UM_TLB_BATCH_H

#ifdef __UM_HOST__
#include <stdbool.h>
#else
#include <linux/types.h>
#endif

/* Protections, in the values of the host's PROT_* */
#define TLB_READ	0x1
#define TLB_WRITE	0x2
#define TLB_EXEC	0x4

/* With a fill: enter the pages into the host's page table, too (MAP_POPULATE) */
#define TLB_POPULATE	0x1000
#define TLB_PROT	(TLB_READ | TLB_WRITE | TLB_EXEC)

enum tlb_op_kind {
	TLB_NOTHING,
	TLB_FILL,		/* mmap of the memory file, MAP_FIXED */
	TLB_PROTECT,		/* mprotect */
	TLB_INVALIDATE,		/* munmap */
	TLB_OP_KINDS,
};

/**
 * struct tlb_op - one host call
 * @addr:	first address, page aligned
 * @len:	length in bytes, whole pages
 * @offset:	offset in the memory file in bytes (TLB_FILL only)
 * @prot:	TLB_READ | TLB_WRITE | TLB_EXEC (not for TLB_INVALIDATE), and
 *		TLB_POPULATE (TLB_FILL only)
 * @kind:	one of enum tlb_op_kind
 */
struct tlb_op {
	unsigned long addr;
	unsigned long len;
	unsigned long offset;
	int prot;
	int kind;
};

/**
 * struct tlb_batch - operations not yet sent to the host
 * @ops:	where finished operations go; may be shared with a host process
 *		that is not trusted, so it is only written
 * @max:	how many operations @ops can hold
 * @nr:		how many are in @ops
 * @last:	the newest operation, which may still grow
 * @reach:	@last may grow up to here without a change to what lies between
 * @ops_made:	operations of each kind since the last reset
 * @bytes_made:	bytes of pages that they were asked for
 */
struct tlb_batch {
	struct tlb_op *ops;
	unsigned int max;
	unsigned int nr;
	struct tlb_op last;
	unsigned long reach;
	unsigned int ops_made[TLB_OP_KINDS];
	unsigned long bytes_made[TLB_OP_KINDS];
};

void tlb_batch_init(struct tlb_batch *batch, struct tlb_op *ops,
		    unsigned int max);
void tlb_batch_reset(struct tlb_batch *batch);

void tlb_batch_fill(struct tlb_batch *batch, unsigned long addr,
		    unsigned long len, unsigned long offset, int prot);
void tlb_batch_protect(struct tlb_batch *batch, unsigned long addr,
		       unsigned long len, int prot);
void tlb_batch_invalidate(struct tlb_batch *batch, unsigned long addr,
			  unsigned long len);
void tlb_batch_empty_space(struct tlb_batch *batch, unsigned long addr,
			   unsigned long len);
void tlb_batch_pass_held(struct tlb_batch *batch, unsigned long addr,
			 unsigned long len, int prot);
void tlb_batch_pass_absent(struct tlb_batch *batch, unsigned long addr,
			   unsigned long len);

bool tlb_batch_full(const struct tlb_batch *batch);
bool tlb_batch_empty(const struct tlb_batch *batch);
unsigned int tlb_batch_finish(struct tlb_batch *batch);

#endif
