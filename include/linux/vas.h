/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * First-class virtual address spaces: what the rest of the kernel calls, and
 * what an architecture supplies. Without CONFIG_VAS all of it is empty.
 */

#ifndef _LINUX_VAS_H
#define _LINUX_VAS_H

#include <linux/types.h>
#include <asm/current.h>
#include <uapi/linux/vas.h>

struct file;
struct ipc_namespace;
struct mm_struct;
struct task_struct;
struct vas_attachment;
struct vas_locks;
struct vas_mm;

/* Addresses next to the window, on both sides, that nobody can map. */
#define VAS_GUARD		0x200000UL

static inline bool vas_in_window(unsigned long addr)
{
	return addr >= VAS_WINDOW_START && addr < VAS_WINDOW_END;
}

#ifdef CONFIG_VAS

/*
 * Called by the rest of the kernel.
 */

void vas_exit_mm(struct mm_struct *mm);
void vas_exit_ipc_ns(struct ipc_namespace *ns);
void vas_leave(struct task_struct *task);
void vas_copy_task(struct task_struct *child, struct task_struct *parent);
int vas_catch_up(void);

unsigned long vas_mmap(unsigned long addr, unsigned long len,
		       unsigned long prot, unsigned long flags,
		       unsigned long fd, unsigned long offset);
int vas_munmap(unsigned long addr, unsigned long len);
unsigned long vas_mremap(unsigned long addr, unsigned long old_len,
			 unsigned long new_len, unsigned long flags);
bool vas_mmap_inside(void);

/* /proc/<pid>/vas */
extern const struct inode_operations vas_proc_inode_operations;
extern const struct file_operations vas_proc_operations;

/*
 * Supplied by the architecture. A slot is a number from 1 to ARCH_VAS_SLOTS;
 * the regions of the VAS that has it are mapped in the mm at arch_vas_address().
 * Slot 0 is the process itself, which has nothing inside of the window.
 */

#define ARCH_VAS_SLOTS		511

/*
 * Where the mm keeps its attachments, and a task the one that it is inside of
 * and the locks that it holds there
 */
struct vas_mm **arch_vas_mm(struct mm_struct *mm);
struct vas_attachment **arch_vas_inside(struct task_struct *task);
struct vas_locks **arch_vas_locks(struct task_struct *task);

unsigned long arch_vas_address(unsigned int slot, unsigned long addr);
int arch_vas_prepare(struct mm_struct *mm, unsigned int slot);
void arch_vas_forgo(struct mm_struct *mm, unsigned int slot);
void arch_vas_switch(struct task_struct *task, struct mm_struct *mm,
		     unsigned int slot);
unsigned long arch_vas_shown_address(unsigned long addr);
unsigned long arch_vas_task_address(struct task_struct *task,
				    unsigned long addr);
bool arch_vas_range_ok(unsigned long addr, unsigned long len);

/* An address of an mm as its process knows it, for /proc. */
#define vas_shown_address(addr)		arch_vas_shown_address(addr)
/* The address in its mm that a stopped task means. */
#define vas_task_address(task, addr)	arch_vas_task_address(task, addr)
/* Whether user space can name a range; it does not reach into a slot, then. */
#define vas_range_ok(addr, len)		arch_vas_range_ok(addr, len)
/* As far as user space goes; the slots are between that and TASK_SIZE. */
#define VAS_TASK_SIZE			USER_TASK_SIZE

/* The address in its mm that an offset in /proc/<pid>/mem means. */
unsigned long vas_mem_address(struct file *file, unsigned long addr);

#else

#define VAS_TASK_SIZE			TASK_SIZE

#define vas_shown_address(addr)		(addr)

static inline unsigned long vas_task_address(struct task_struct *task,
					     unsigned long addr)
{
	return addr;
}

static inline unsigned long vas_mem_address(struct file *file,
					    unsigned long addr)
{
	return addr;
}

static inline bool vas_range_ok(unsigned long addr, unsigned long len)
{
	return true;
}

static inline void vas_exit_mm(struct mm_struct *mm)
{
}

static inline void vas_exit_ipc_ns(struct ipc_namespace *ns)
{
}

#endif

/* Whether the current thread has an address of its mm where it is. */
static inline bool vas_current_reaches(unsigned long addr)
{
	return vas_task_address(current, vas_shown_address(addr)) == addr;
}

#endif
