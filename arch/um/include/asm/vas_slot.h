/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots: how one mm holds the process's own memory and all address spaces that
 * it has attached.
 *
 * Guest code uses addresses below USER_TASK_SIZE. The page tables go further: a
 * VAS in slot k is mapped at its window addresses with k in the bits from
 * VAS_SLOT_SHIFT on. While a thread is in slot k, an address in the window means
 * its tagged form; all other addresses are common to all slots. Tagging is done
 * where the kernel strips tags from addresses on other architectures
 * (untagged_addr()), in uaccess, on faults, in futex keys and for ptrace.
 *
 * Nobody maps anything in the window of slot 0 or next to it, so a tagged
 * address is not mistaken for one that has to be tagged, and a thread outside of
 * all VASes finds nothing there.
 */

#ifndef __UM_VAS_SLOT_H
#define __UM_VAS_SLOT_H

#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/vas.h>

#define VAS_SLOT_SHIFT		48
#define VAS_SLOT_SIZE		BIT(VAS_SLOT_SHIFT)

struct mm_struct;
struct task_struct;
struct um_slot;
struct um_view;
struct uml_pt_regs;

/* Only where um_vas_slot() is not 0 */
struct um_view *um_slot_view_acquire(struct mm_struct *mm);

#ifdef CONFIG_VAS

/* The slot in whose part of the page tables an address is. */
static inline unsigned int um_vas_slot_of(unsigned long addr)
{
	return addr >> VAS_SLOT_SHIFT;
}

/* What guest code, and its host process, call an address. */
static inline unsigned long um_vas_strip(unsigned long addr)
{
	return addr & (VAS_SLOT_SIZE - 1);
}

static inline unsigned long um_vas_tag(unsigned int slot, unsigned long addr)
{
	return vas_in_window(addr) ? addr | (unsigned long)slot << VAS_SLOT_SHIFT
				   : addr;
}

/* The first address behind the slot that an address is in. */
static inline unsigned long um_vas_slot_end(unsigned long addr)
{
	return (addr | (VAS_SLOT_SIZE - 1)) + 1;
}

/* The first address of its slot that guest code cannot use. */
#define um_vas_user_end(addr)						\
	(((addr) & ~(VAS_SLOT_SIZE - 1)) + USER_TASK_SIZE)

static inline bool um_vas_near_window(unsigned long addr)
{
	return addr >= VAS_WINDOW_START - VAS_GUARD &&
	       addr < VAS_WINDOW_END + VAS_GUARD;
}

/* What was ever made stays while the mm lives. */
struct um_slots {
	struct um_slot *slot[ARCH_VAS_SLOTS + 1];
};

/*
 * This header comes before struct mm_struct and current are known, so what
 * needs them is macros.
 */

/* Whether a thread of an mm was ever inside of a slot. */
#define um_has_slots(mm)	(READ_ONCE((mm)->context.slots))

/* The slot that the current thread is in. */
#define um_vas_slot()		(current->thread.vas_slot)

/* The slot of an mm, or NULL if no thread was ever inside of it. */
#define um_slot_of(mm, nr)						\
({									\
	/* pairs with make_slot() */					\
	struct um_slots *__slots = smp_load_acquire(&(mm)->context.slots); \
									\
	/* pairs with make_slot() */					\
	__slots ? smp_load_acquire(&__slots->slot[nr]) : NULL;		\
})

#define untagged_addr(addr)						\
	((__force __typeof__(addr))					\
	 um_vas_tag(um_vas_slot(), (__force unsigned long)(addr)))

/* Another process's address has no tag that the caller could know. */
#define untagged_addr_remote(mm, addr)					\
({									\
	__typeof__(addr) __addr = (addr);				\
									\
	(mm) == current->mm ? untagged_addr(__addr) : __addr;		\
})

bool um_vas_fault_near_window(unsigned long *addr);
bool um_vas_own_range(unsigned long addr, unsigned long len);
bool um_vas_handle_syscall(int nr, struct uml_pt_regs *regs,
			   unsigned long *ret);
void um_vas_copy_thread(struct task_struct *child, unsigned long clone_flags);
void um_vas_destroy_mm(struct mm_struct *mm);
int um_vas_drop_copied(struct mm_struct *mm);
void um_vas_deactivate(struct task_struct *task);

/*
 * May the current thread name this range? Some ask after untagged_addr(), so a
 * range of its own slot passes.
 */
static inline bool um_vas_access_ok(unsigned long addr, unsigned long len)
{
	return likely(addr + len <= USER_TASK_SIZE) ||
	       um_vas_own_range(addr, len);
}

/*
 * Translates an address that a thread accessed. False if there can be nothing:
 * it is another slot's, or in the window outside of all VASes.
 */
#define um_vas_fault(addr)						\
({									\
	unsigned long *__at = (addr);					\
									\
	(likely(!um_vas_near_window(*__at) && *__at < USER_TASK_SIZE)) || \
		um_vas_fault_near_window(__at);				\
})

/* The same for an address that the kernel was given by the current thread. */
#define um_vas_user_address(addr)					\
({									\
	unsigned long *__at = (addr);					\
	bool __ok = *__at < USER_TASK_SIZE;				\
									\
	*__at = untagged_addr(*__at);					\
	__ok;								\
})

/*
 * Handles a system call that concerns the window, or has a range of addresses
 * that reaches above what guest code can use; false if it does not.
 */
#define um_vas_syscall(nr, regs, ret)					\
({									\
	struct uml_pt_regs *__regs = (regs);				\
									\
	unlikely(current->mm->context.vas ||				\
		 UPT_SYSCALL_ARG1(__regs) >= USER_TASK_SIZE ||		\
		 UPT_SYSCALL_ARG2(__regs) >				\
			USER_TASK_SIZE - UPT_SYSCALL_ARG1(__regs)) &&	\
		um_vas_handle_syscall(nr, __regs, ret);			\
})

#else

#define um_vas_slot()			0

static inline struct um_slot *um_slot_of(struct mm_struct *mm, unsigned int nr)
{
	return NULL;
}

static inline unsigned int um_vas_slot_of(unsigned long addr)
{
	return 0;
}

static inline unsigned long um_vas_strip(unsigned long addr)
{
	return addr;
}

static inline unsigned long um_vas_slot_end(unsigned long addr)
{
	return ULONG_MAX;
}

#define um_vas_user_end(addr)	((void)(addr), TASK_SIZE)

static inline unsigned long arch_vas_address(unsigned int slot,
					     unsigned long addr)
{
	return addr;
}

static inline bool um_has_slots(struct mm_struct *mm)
{
	return false;
}

static inline bool um_vas_fault(unsigned long *addr)
{
	return true;
}

static inline bool um_vas_user_address(unsigned long *addr)
{
	return true;
}

static inline bool um_vas_access_ok(unsigned long addr, unsigned long len)
{
	return true;
}

static inline bool um_vas_syscall(int nr, struct uml_pt_regs *regs,
				  unsigned long *ret)
{
	return false;
}

static inline void um_vas_copy_thread(struct task_struct *child,
				      unsigned long clone_flags)
{
}

static inline void um_vas_destroy_mm(struct mm_struct *mm)
{
}

static inline int um_vas_drop_copied(struct mm_struct *mm)
{
	return 0;
}

static inline void um_vas_deactivate(struct task_struct *task)
{
}

#endif

#endif
