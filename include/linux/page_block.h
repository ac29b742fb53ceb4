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
#include <linux/pagemap.h>

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
 * page_block_folio() - take the next page for what is read ahead of a file
 * @block:	what is left of the last block; initially zeroes
 * @ractl:	what is read ahead
 * @gfp:	as for a page
 * @wanted:	how many pages will be taken, with this one; at least 1
 *
 * Context: as @gfp says.
 * Return: a small folio; NULL where there is no block, or the file's are large.
 */
static inline struct folio *page_block_folio(struct page_block *block,
					     const struct readahead_control *ractl,
					     gfp_t gfp, unsigned long wanted)
{
	struct page *page;

	if (mapping_min_folio_order(ractl->mapping))
		return NULL;
	page = page_block_take(block, gfp, wanted);
	if (!page)
		return NULL;
	if (ractl->dropbehind)
		__folio_set_dropbehind(page_folio(page));
	return page_folio(page);
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
