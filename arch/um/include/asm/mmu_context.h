/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Life of an mm, as far as the architecture takes part in it.
 */

#ifndef __UM_MMU_CONTEXT_H
#define __UM_MMU_CONTEXT_H

#include <linux/sched.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <asm/ahead.h>
#include <asm/mmu.h>
#include <asm/tlbflush.h>
#include <asm/um_fpu.h>
#include <asm/vas_slot.h>

/* The mm of a task comes with its host process; there is nothing to switch. */
static inline void switch_mm(struct mm_struct *prev, struct mm_struct *next,
			     struct task_struct *tsk)
{
}

#define init_new_context init_new_context
int init_new_context(struct task_struct *task, struct mm_struct *mm);

#define destroy_context destroy_context
void destroy_context(struct mm_struct *mm);

/* A forked mm has copied entries, which its host process gets as it faults. */
static inline int arch_dup_mmap(struct mm_struct *oldmm, struct mm_struct *mm)
{
	um_tlb_start_empty(mm);
	oldmm->context.forked = UM_FORK_PARENT;
	mm->context.forked = UM_FORK_CHILD;
	um_fork_join(oldmm, mm);
	return um_vas_drop_copied(mm);
}

static inline void arch_exit_mmap(struct mm_struct *mm)
{
}

static inline bool arch_vma_access_permitted(struct vm_area_struct *vma,
					     bool write, bool execute,
					     bool foreign)
{
	return true;
}

/* A task execs or exits. */
#define deactivate_mm deactivate_mm
static inline void deactivate_mm(struct task_struct *tsk, struct mm_struct *mm)
{
	um_fpu_drop(tsk);
	tsk->thread.view = NULL;
	um_vas_deactivate(tsk);
}

#include <asm-generic/mmu_context.h>

#endif
