/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages for neighbours in a file that are neighbours in memory, too: they are
 * taken from one block, as far as one is free, so that one mapping can cover
 * them. They are single pages all the same, as small folios are.
 */

#ifndef _LINUX_PAGE_BLOCK_H
#define _LINUX_PAGE_BLOCK_H

#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/minmax.h>

/**
 * struct page_block - pages that are not used yet
 * @page:	the first
 * @nr:		how many
 */
struct page_block {
	struct page *page;
	unsigned int nr;
};

/**
 * page_block_take() - take the next page
 * @block:	what is left of the last block; initially zeroes
 * @gfp:	as for a page
 * @wanted:	how many pages will be taken, with this one; at least 1
 *
 * Blocks are tried for without reclaiming or compacting anything.
 *
 * Context: as @gfp says.
 * Return: a page with one reference; NULL without memory for a block of even two
 * pages at once, when the caller takes a page as usual.
 */
static inline struct page *page_block_take(struct page_block *block, gfp_t gfp,
					   unsigned long wanted)
{
	unsigned int order = min_t(unsigned int, ilog2(wanted), MAX_PAGE_ORDER);

	gfp = (gfp & ~(__GFP_RECLAIM | __GFP_COMP)) | __GFP_NOWARN;
	for (; !block->nr && order; order--) {
		block->page = alloc_pages(gfp, order);
		if (!block->page)
			continue;
		split_page(block->page, order);
		block->nr = 1U << order;
	}
	if (!block->nr)
		return NULL;
	block->nr--;
	return block->page++;
}

/**
 * page_block_end() - give back the pages that were not taken
 * @block:	the block
 */
static inline void page_block_end(struct page_block *block)
{
	for (; block->nr; block->nr--)
		__free_page(block->page++);
}

#endif
