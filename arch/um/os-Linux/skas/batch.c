// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merging of operations on a host address space: see tlb_batch.h.
 *
 * The newest operation is kept apart (batch->last) until an operation comes
 * that it cannot take in; then it is written to the array and never looked at
 * again. Operations run in the order in which they were appended, and only the
 * newest one ever grows, so merging never reorders anything.
 */

#include <tlb_batch.h>

/**
 * tlb_batch_init() - prepare an empty batch
 * @batch:	the batch
 * @ops:	array for the operations
 * @max:	its length, at least 1
 */
void tlb_batch_init(struct tlb_batch *batch, struct tlb_op *ops,
		    unsigned int max)
{
	batch->ops = ops;
	batch->max = max;
	tlb_batch_reset(batch);
}

/**
 * tlb_batch_reset() - forget all operations
 * @batch:	the batch
 */
void tlb_batch_reset(struct tlb_batch *batch)
{
	int kind;

	batch->nr = 0;
	batch->last.kind = TLB_NOTHING;
	for (kind = 0; kind < TLB_OP_KINDS; kind++) {
		batch->ops_made[kind] = 0;
		batch->bytes_made[kind] = 0;
	}
}

static void close_last(struct tlb_batch *batch)
{
	if (batch->last.kind == TLB_NOTHING)
		return;

	batch->ops[batch->nr++] = batch->last;
	batch->last.kind = TLB_NOTHING;
}

static void open_new(struct tlb_batch *batch, int kind, unsigned long addr,
		     unsigned long len, unsigned long offset, int prot)
{
	close_last(batch);
	batch->last = (struct tlb_op) {
		.addr = addr,
		.len = len,
		.offset = offset,
		.prot = prot,
		.kind = kind,
	};
	batch->reach = addr + len;
	batch->ops_made[kind]++;
}

/* The newest operation is of this kind and can be continued at addr. */
static bool continues(const struct tlb_batch *batch, int kind,
		      unsigned long addr, int prot)
{
	return batch->last.kind == kind && batch->last.prot == prot &&
	       batch->reach == addr;
}

static void grow_to(struct tlb_batch *batch, unsigned long end)
{
	batch->last.len = end - batch->last.addr;
	batch->reach = end;
}

/**
 * tlb_batch_fill() - map pages of the memory file
 * @batch:	the batch, not full
 * @addr:	first address, page aligned
 * @len:	length in bytes
 * @offset:	offset in the memory file in bytes, page aligned
 * @prot:	TLB_READ | TLB_WRITE | TLB_EXEC, not 0; and TLB_POPULATE
 */
void tlb_batch_fill(struct tlb_batch *batch, unsigned long addr,
		    unsigned long len, unsigned long offset, int prot)
{
	batch->bytes_made[TLB_FILL] += len;
	if (continues(batch, TLB_FILL, addr, prot) &&
	    batch->last.offset + batch->last.len == offset) {
		grow_to(batch, addr + len);
		return;
	}

	open_new(batch, TLB_FILL, addr, len, offset, prot);
}

/**
 * tlb_batch_protect() - change the protection of pages that are mapped
 * @batch:	the batch, not full
 * @addr:	first address, page aligned
 * @len:	length in bytes
 * @prot:	TLB_READ | TLB_WRITE | TLB_EXEC, not 0
 */
void tlb_batch_protect(struct tlb_batch *batch, unsigned long addr,
		       unsigned long len, int prot)
{
	batch->bytes_made[TLB_PROTECT] += len;
	if (continues(batch, TLB_PROTECT, addr, prot))
		grow_to(batch, addr + len);
	else
		open_new(batch, TLB_PROTECT, addr, len, 0, prot);
}

/**
 * tlb_batch_invalidate() - unmap pages
 * @batch:	the batch, not full
 * @addr:	first address, page aligned
 * @len:	length in bytes
 */
void tlb_batch_invalidate(struct tlb_batch *batch, unsigned long addr,
			  unsigned long len)
{
	batch->bytes_made[TLB_INVALIDATE] += len;
	if (continues(batch, TLB_INVALIDATE, addr, 0))
		grow_to(batch, addr + len);
	else
		open_new(batch, TLB_INVALIDATE, addr, len, 0, 0);
}

/**
 * tlb_batch_empty_space() - unmap whatever there is, known or not
 * @batch:	the batch, not full
 * @addr:	first address, page aligned
 * @len:	length in bytes
 *
 * As tlb_batch_invalidate(), but not counted as so many pages.
 */
void tlb_batch_empty_space(struct tlb_batch *batch, unsigned long addr,
			   unsigned long len)
{
	open_new(batch, TLB_INVALIDATE, addr, len, 0, 0);
}

/**
 * tlb_batch_pass_held() - note pages that the host maps as they should be
 * @batch:	the batch
 * @addr:	first address, page aligned
 * @len:	length in bytes
 * @prot:	the protection that they have on the host
 *
 * Lets a protect to the same protection continue behind them.
 */
void tlb_batch_pass_held(struct tlb_batch *batch, unsigned long addr,
			 unsigned long len, int prot)
{
	if (continues(batch, TLB_PROTECT, addr, prot))
		batch->reach = addr + len;
}

/**
 * tlb_batch_pass_absent() - note pages that the host does not map
 * @batch:	the batch
 * @addr:	first address, page aligned
 * @len:	length in bytes
 *
 * Lets an invalidate continue behind them.
 */
void tlb_batch_pass_absent(struct tlb_batch *batch, unsigned long addr,
			   unsigned long len)
{
	if (continues(batch, TLB_INVALIDATE, addr, 0))
		batch->reach = addr + len;
}

/**
 * tlb_batch_full() - whether there may be no room for one more operation
 * @batch:	the batch
 *
 * Return: true when the batch has to be sent before the next append.
 */
bool tlb_batch_full(const struct tlb_batch *batch)
{
	return batch->nr + (batch->last.kind != TLB_NOTHING) >= batch->max;
}

/**
 * tlb_batch_empty() - whether there is nothing to send
 * @batch:	the batch
 *
 * Return: true when no operation is in the batch.
 */
bool tlb_batch_empty(const struct tlb_batch *batch)
{
	return batch->nr == 0 && batch->last.kind == TLB_NOTHING;
}

/**
 * tlb_batch_finish() - complete the array of operations before it is sent
 * @batch:	the batch
 *
 * Return: the number of operations in batch->ops.
 */
unsigned int tlb_batch_finish(struct tlb_batch *batch)
{
	close_last(batch);
	return batch->nr;
}
