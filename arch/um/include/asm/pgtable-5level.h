/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Five levels of page tables, for an address space that is larger than what a
 * host process shows: entry k of the page directory is slot k of the mm
 * (asm/vas_slot.h), and slot 0 has the addresses that guest code uses.
 *
 * The levels below are those of asm/pgtable-4level.h one level down.
 */

#ifndef __UM_PGTABLE_5LEVEL_H
#define __UM_PGTABLE_5LEVEL_H

#include <linux/bits.h>
#include <linux/printk.h>

#define PGDIR_SHIFT	48
#define PGDIR_SIZE	BIT(PGDIR_SHIFT)
#define PGDIR_MASK	(~(PGDIR_SIZE - 1))

#define P4D_SHIFT	39
#define P4D_SIZE	BIT(P4D_SHIFT)
#define P4D_MASK	(~(P4D_SIZE - 1))

#define PUD_SHIFT	30
#define PUD_SIZE	BIT(PUD_SHIFT)
#define PUD_MASK	(~(PUD_SIZE - 1))

#define PMD_SHIFT	21
#define PMD_SIZE	BIT(PMD_SHIFT)
#define PMD_MASK	(~(PMD_SIZE - 1))

#define PTRS_PER_PTE	512
#define PTRS_PER_PMD	512
#define PTRS_PER_PUD	512
#define PTRS_PER_P4D	512
#define PTRS_PER_PGD	512

/* All of the page directory is for user addresses. */
#define USER_PTRS_PER_PGD	PTRS_PER_PGD

typedef struct { unsigned long p4d; } p4d_t;
#define p4d_val(x)	((x).p4d)
#define __p4d(x)	((p4d_t) { (x) })

static inline void pte_ERROR(pte_t e)
{
	pr_err("bad pte %016lx\n", pte_val(e));
}

static inline void pmd_ERROR(pmd_t e)
{
	pr_err("bad pmd %016lx\n", pmd_val(e));
}

static inline void pud_ERROR(pud_t e)
{
	pr_err("bad pud %016lx\n", pud_val(e));
}

static inline void p4d_ERROR(p4d_t e)
{
	pr_err("bad p4d %016lx\n", p4d_val(e));
}

static inline void pgd_ERROR(pgd_t e)
{
	pr_err("bad pgd %016lx\n", pgd_val(e));
}

/* Not a pointer to a table of the level below, and nothing else */
#define um_table_bad(val)	\
	(((val) & (~PAGE_MASK & ~_PAGE_USER)) != _KERNPG_TABLE)

#define pud_none(x)	(!pud_val(x))
#define pud_bad(x)	um_table_bad(pud_val(x))
#define pud_present(x)	(pud_val(x) & _PAGE_PRESENT)
#define p4d_none(x)	(!p4d_val(x))
#define p4d_bad(x)	um_table_bad(p4d_val(x))
#define p4d_present(x)	(p4d_val(x) & _PAGE_PRESENT)
#define pgd_none(x)	(!pgd_val(x))
#define pgd_bad(x)	um_table_bad(pgd_val(x))
#define pgd_present(x)	(pgd_val(x) & _PAGE_PRESENT)

#define set_pmd(p, val)	(*(p) = (val))
#define set_pud(p, val)	(*(p) = (val))
#define set_p4d(p, val)	(*(p) = (val))
#define set_pgd(p, val)	(*(p) = (val))

#define pud_populate(mm, pud, pmd)	\
	set_pud(pud, __pud(_PAGE_TABLE + __pa(pmd)))
#define p4d_populate(mm, p4d, pud)	\
	set_p4d(p4d, __p4d(_PAGE_TABLE + __pa(pud)))
#define pgd_populate(mm, pgd, p4d)	\
	set_pgd(pgd, __pgd(_PAGE_TABLE + __pa(p4d)))

static inline void pud_clear(pud_t *pud)
{
	set_pud(pud, __pud(0));
}

static inline void p4d_clear(p4d_t *p4d)
{
	set_p4d(p4d, __p4d(0));
}

static inline void pgd_clear(pgd_t *pgd)
{
	set_pgd(pgd, __pgd(0));
}

#define pud_page(pud)		phys_to_page(pud_val(pud) & PAGE_MASK)
#define pud_pgtable(pud)	((pmd_t *)__va(pud_val(pud) & PAGE_MASK))
#define p4d_page(p4d)		phys_to_page(p4d_val(p4d) & PAGE_MASK)
#define p4d_pgtable(p4d)	((pud_t *)__va(p4d_val(p4d) & PAGE_MASK))
#define pgd_page(pgd)		phys_to_page(pgd_val(pgd) & PAGE_MASK)
#define pgd_page_vaddr(pgd)	((unsigned long)__va(pgd_val(pgd) & PAGE_MASK))

static inline p4d_t *p4d_offset(pgd_t *pgd, unsigned long address)
{
	return (p4d_t *)pgd_page_vaddr(*pgd) +
	       ((address >> P4D_SHIFT) & (PTRS_PER_P4D - 1));
}

#define p4d_offset p4d_offset

static inline unsigned long pte_pfn(pte_t pte)
{
	return phys_to_pfn(pte_val(pte));
}

static inline pmd_t pfn_pmd(unsigned long page_nr, pgprot_t pgprot)
{
	return __pmd((page_nr << PAGE_SHIFT) | pgprot_val(pgprot));
}

#endif
