// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots: the machine's part of first-class virtual address spaces. See
 * asm/vas_slot.h for what a slot and a tagged address are.
 *
 * Each slot that a thread was ever inside of has a view, that is a host process,
 * which maps the common addresses and the slot's window. It is started by the
 * first switch and stays for the next VAS in the slot, unless the host has many
 * processes and another slot of the mm needs one. More threads inside, on other
 * virtual CPUs, have views of their own (skas/cpu_view.c), which go with it.
 * Entries note what any of the views maps; see tlb_several.c on how the others
 * learn of changes.
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_context.h>
#include <linux/prctl.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/futex.h>
#include <asm/um_fpu.h>
#include <asm/unistd.h>
#include <asm/vas_slot.h>
#include <asm/view.h>
#include <sysdep/ptrace.h>

/* Host processes for slots, of all mms; above MAX, an mm with KEPT gets no more */
#define SLOT_VIEWS_MAX	1024
#define SLOT_VIEWS_KEPT	4

/* Giving views to slots; it may sleep for long, so no other lock will do. */
static DEFINE_MUTEX(slots_lock);
static atomic_t slot_views;

struct vas_mm **arch_vas_mm(struct mm_struct *mm)
{
	return &mm->context.vas;
}

struct vas_attachment **arch_vas_inside(struct task_struct *task)
{
	return &task->thread.vas;
}

struct vas_locks **arch_vas_locks(struct task_struct *task)
{
	return &task->thread.vas_locks;
}

unsigned long arch_vas_address(unsigned int slot, unsigned long addr)
{
	return addr | (unsigned long)slot << VAS_SLOT_SHIFT;
}

unsigned long arch_vas_shown_address(unsigned long addr)
{
	return um_vas_strip(addr);
}

unsigned long arch_vas_task_address(struct task_struct *task,
				    unsigned long addr)
{
	/* What no user can name is turned into a place where nothing is. */
	if (addr >= USER_TASK_SIZE)
		return VAS_WINDOW_END;
	return um_vas_tag(task ? READ_ONCE(task->thread.vas_slot) : 0, addr);
}

bool arch_vas_range_ok(unsigned long addr, unsigned long len)
{
	if (vas_in_window(addr))
		return len <= VAS_WINDOW_END - addr;
	return addr < USER_TASK_SIZE && len <= USER_TASK_SIZE - addr;
}

/**
 * um_vas_own_range() - is a range all in the slot of the current thread?
 * @addr:	first address, tagged
 * @len:	length, bytes
 */
bool um_vas_own_range(unsigned long addr, unsigned long len)
{
	unsigned long plain = um_vas_strip(addr);

	return um_vas_slot() && um_vas_slot_of(addr) == um_vas_slot() &&
	       vas_in_window(plain) && len <= VAS_WINDOW_END - plain;
}

/*
 * Slots of an mm
 */

/* With a view that lives, and keeps it. */
static bool pin_slot(struct um_slot *s)
{
	if (!atomic_inc_unless_negative(&s->users))
		return false;
	if (READ_ONCE(s->views.first->id.pid) > 0)
		return true;
	atomic_dec(&s->users);
	return false;
}

static void unpin_slot(struct mm_struct *mm, unsigned int slot)
{
	struct um_slot *s = um_slot_of(mm, slot);

	WRITE_ONCE(s->last_used, jiffies);
	atomic_dec(&s->users);
}

static struct um_slot *make_slot(struct mm_struct *mm, unsigned int slot)
{
	struct um_slots *slots = mm->context.slots;
	struct um_slot *s;

	if (!slots) {
		if (um_tlb_share(mm))
			return NULL;
		slots = kzalloc_obj(*slots, GFP_KERNEL_ACCOUNT);
		if (!slots)
			return NULL;
		/* pairs with um_slot_of() */
		smp_store_release(&mm->context.slots, slots);
	}
	s = slots->slot[slot];
	if (s)
		return s;
	s = kzalloc_obj(*s, GFP_KERNEL_ACCOUNT);
	if (!s)
		return NULL;
	spin_lock_init(&s->tlb.lock);
	atomic_set(&s->users, -1);
	/* pairs with um_slot_of() */
	smp_store_release(&slots->slot[slot], s);
	return s;
}

static void drop_view(struct um_view *view)
{
	atomic_dec(&slot_views);
	um_fpu_leave(view);
	um_view_release(view);
}

/*
 * Takes the view of a slot that no thread is in; false if one is. A fault of the
 * last thread there may have left a hint, which names addresses of this slot.
 */
static bool take_view(struct um_slot *s, struct um_view **view)
{
	if (atomic_cmpxchg(&s->users, 0, -1))
		return false;
	um_views_give_back_others(&s->views, drop_view);
	*view = s->views.first;
	s->views.first = NULL;
	um_fpu_leave(*view);
	(*view)->again_end = 0;
	return true;
}

/* The slot with a view that was left longest ago; counts those with a view. */
static struct um_slot *oldest_slot(struct mm_struct *mm, unsigned int *nr)
{
	struct um_slot *s, *oldest = NULL;
	unsigned int i;

	*nr = 0;
	for (i = 1; i <= ARCH_VAS_SLOTS; i++) {
		s = mm->context.slots->slot[i];
		if (!s || !s->views.first)
			continue;
		++*nr;
		if (!atomic_read(&s->users) &&
		    (!oldest || time_before(s->last_used, oldest->last_used)))
			oldest = s;
	}
	return oldest;
}

/* A view that another slot of the mm can do without, or NULL. */
static struct um_view *recycle_view(struct mm_struct *mm, unsigned int keep)
{
	struct um_view *view;
	struct um_slot *s;
	unsigned int nr;

	for (;;) {
		s = oldest_slot(mm, &nr);
		if (!s || nr < keep)
			return NULL;
		if (!take_view(s, &view))
			continue;
		if (READ_ONCE(view->id.pid) > 0)
			return view;
		drop_view(view);
	}
}

/*
 * Each slot has a view until the host has many processes; then an mm makes do
 * with those that it has, if these are not too few.
 */
static struct um_view *find_view(struct mm_struct *mm)
{
	struct um_view *view = NULL;

	if (atomic_read(&slot_views) >= SLOT_VIEWS_MAX)
		view = recycle_view(mm, SLOT_VIEWS_KEPT);
	if (view)
		return view;

	view = um_view_acquire(mm);
	if (IS_ERR(view))
		return recycle_view(mm, 1);
	atomic_inc(&slot_views);
	return view;
}

/**
 * um_slot_view_acquire() - get one more view for a slot that has one
 * @mm:		the mm of the current task
 *
 * Context: process, may sleep.
 * Return: the view, or an ERR_PTR(): -EAGAIN if slots have many already, or an
 * errno as um_view_acquire().
 */
struct um_view *um_slot_view_acquire(struct mm_struct *mm)
{
	struct um_view *view;

	if (atomic_read(&slot_views) >= SLOT_VIEWS_MAX)
		return ERR_PTR(-EAGAIN);
	view = um_view_acquire(mm);
	if (!IS_ERR(view))
		atomic_inc(&slot_views);
	return view;
}

/**
 * arch_vas_prepare() - make sure that a thread can switch into a slot
 * @mm:		the mm of the current task
 * @slot:	the slot
 *
 * To be followed by arch_vas_switch() or arch_vas_forgo().
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM without memory, or if the host refuses a process, or the
 * slot's has died and threads may still be inside.
 */
int arch_vas_prepare(struct mm_struct *mm, unsigned int slot)
{
	struct um_slot *s = um_slot_of(mm, slot);
	struct um_view *view;

	if (s && pin_slot(s))
		return 0;

	guard(mutex)(&slots_lock);
	s = make_slot(mm, slot);
	if (!s)
		return -ENOMEM;
	if (pin_slot(s))
		return 0;

	/* It has none, or a dead one. */
	if (atomic_read(&s->users) >= 0) {
		if (!take_view(s, &view))
			return -ENOMEM;
		drop_view(view);
	}
	view = find_view(mm);
	if (!view)
		return -ENOMEM;
	/* Whatever it maps, it is to be emptied. */
	view->seen = READ_ONCE(mm->context.removals) - UM_TLB_LOG - 1;
	s->views.first = view;
	atomic_set_release(&s->users, 1);
	return 0;
}

/**
 * arch_vas_forgo() - do not switch after arch_vas_prepare()
 * @mm:		the mm
 * @slot:	the slot
 */
void arch_vas_forgo(struct mm_struct *mm, unsigned int slot)
{
	unpin_slot(mm, slot);
}

/**
 * arch_vas_switch() - put a thread into a slot
 * @task:	the current task, or one that does not run yet
 * @mm:		its mm
 * @slot:	the slot, which is prepared for it, or 0
 *
 * It goes on in the slot's view when it next enters user mode.
 */
void arch_vas_switch(struct task_struct *task, struct mm_struct *mm,
		     unsigned int slot)
{
	unsigned int old = task->thread.vas_slot;

	WRITE_ONCE(task->thread.vas_slot, slot);
	/* The view of the old slot may go to others as soon as it is unpinned. */
	task->thread.view = NULL;
	if (old) {
		/* No interrupt of this CPU looks for the old view from here. */
		barrier();
		unpin_slot(mm, old);
	}
}

/*
 * Life of an mm and of a thread
 */

void um_vas_destroy_mm(struct mm_struct *mm)
{
	struct um_slots *slots = mm->context.slots;
	unsigned int slot;

	if (!slots)
		return;
	for (slot = 1; slot <= ARCH_VAS_SLOTS; slot++) {
		struct um_slot *s = slots->slot[slot];

		if (s && s->views.first) {
			um_views_give_back_others(&s->views, drop_view);
			drop_view(s->views.first);
		}
		kfree(s);
	}
	kfree(slots);
}

/*
 * Mappings of a VAS are not copied by fork (VM_DONTCOPY). Should a process have
 * found a way around that, the copies go before its child runs.
 */
int um_vas_drop_copied(struct mm_struct *mm)
{
	if (likely(!find_vma(mm, VAS_SLOT_SIZE)))
		return 0;
	return do_munmap(mm, VAS_SLOT_SIZE, TASK_SIZE - VAS_SLOT_SIZE, NULL);
}

/* A thread starts in the space that its creator is in, a process in its own. */
void um_vas_copy_thread(struct task_struct *child, unsigned long clone_flags)
{
	if (clone_flags & CLONE_VM)
		vas_copy_task(child, current);
}

/*
 * A task that execs or exits leaves the VAS that it is inside of. If its id is
 * to be cleared there, after this, exit_thread() sees to it.
 */
void um_vas_deactivate(struct task_struct *task)
{
	if (!(task->flags & PF_EXITING) ||
	    !vas_in_window((unsigned long)task->clear_child_tid))
		vas_leave(task);
}

/* Also for a thread whose creation failed, after um_vas_copy_thread(). */
void exit_thread(struct task_struct *task)
{
	vas_leave(task);
}

/*
 * Addresses
 */

/**
 * um_vas_fault_near_window() - translate an address that faulted
 * @addr:	the address: near the window, or above all that guest code uses
 *
 * Context: process, may sleep: takes vas.lock and the mmap_lock if regions of
 * the VAS are not mapped yet.
 * Return: false if nothing can be there.
 */
bool um_vas_fault_near_window(unsigned long *addr)
{
	unsigned int slot = um_vas_slot(), tag = um_vas_slot_of(*addr);

	if (!slot || (tag && tag != slot) || !vas_in_window(um_vas_strip(*addr)))
		return false;
	if (vas_catch_up())
		return false;
	*addr = um_vas_tag(slot, *addr);
	return true;
}

static bool common_range(unsigned long addr, unsigned long len)
{
	if (len > USER_TASK_SIZE || addr > USER_TASK_SIZE - len)
		return false;
	return addr + len <= VAS_WINDOW_START - VAS_GUARD ||
	       addr >= VAS_WINDOW_END + VAS_GUARD;
}

/* All mappings but those of attachments are made outside of the window. */
unsigned long arch_get_unmapped_area(struct file *file, unsigned long addr,
				     unsigned long len, unsigned long pgoff,
				     unsigned long flags, vm_flags_t vm_flags)
{
	struct vm_unmapped_area_info info = {
		.length = len,
		.low_limit = VAS_WINDOW_END + VAS_GUARD,
		.high_limit = USER_TASK_SIZE,
	};

	if (flags & MAP_FIXED)
		return common_range(addr, len) ? addr : -ENOMEM;

	if (addr && !common_range(addr, len))
		addr = 0;
	addr = generic_get_unmapped_area(file, addr, len, pgoff, flags,
					 legacy_to_vma_flags(vm_flags));
	if (IS_ERR_VALUE(addr) || common_range(addr, len))
		return addr;
	/* What comes next from below would reach into the window. */
	return vm_unmapped_area(&info);
}

/*
 * System calls
 */

#define ARG(n)	(1U << (n))

/* Only some look at a second address; others find garbage there. */
static unsigned int futex_address_args(unsigned long op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		return ARG(0) | ARG(4);
	default:
		return ARG(0);
	}
}

/* Which arguments are addresses of memory that is not read through uaccess. */
static unsigned int address_args(int nr, const unsigned long *args)
{
	switch (nr) {
	case __NR_mprotect:
	case __NR_munmap:
	case __NR_msync:
	case __NR_mincore:
	case __NR_madvise:
	case __NR_shmdt:
	case __NR_mlock:
	case __NR_munlock:
	case __NR_mlock2:
	case __NR_remap_file_pages:
	case __NR_mbind:
	case __NR_pkey_mprotect:
	case __NR_mseal:
		return ARG(0);
	case __NR_mremap:
		return args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP) ?
		       ARG(0) | ARG(4) : ARG(0);
	case __NR_shmat:
		return ARG(1);
	case __NR_futex:
		return futex_address_args(args[1]);
	case __NR_prctl:
		return args[0] == PR_SET_VMA || args[0] == PR_SET_MM ? ARG(2) :
								       0;
	default:
		return 0;
	}
}

static bool has_high_address(unsigned int which, const unsigned long *args)
{
	int i;

	for (i = 0; i < 6; i++)
		if ((which & ARG(i)) && args[i] >= USER_TASK_SIZE)
			return true;
	return false;
}

/* Calls on a range, which the mm would take to reach into the next slot. */
static bool has_long_range(int nr, const unsigned long *args)
{
	switch (nr) {
	case __NR_mprotect:
	case __NR_munmap:
	case __NR_msync:
	case __NR_mincore:
	case __NR_mlock:
	case __NR_munlock:
	case __NR_mlock2:
	case __NR_pkey_mprotect:
	case __NR_mseal:
		return !arch_vas_range_ok(args[0], args[1]);
	default:
		return false;
	}
}

static bool makes_vas_memory(const unsigned long *args)
{
	if (vas_in_window(args[0]))
		return true;
	return !args[0] && !(args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE |
					MAP_GROWSDOWN | MAP_STACK)) &&
	       vas_mmap_inside();
}

/* Calls on window addresses that the rest of the kernel cannot do. */
static bool handle_in_window(int nr, const unsigned long *args,
			     unsigned long *ret)
{
	if (nr == __NR_mmap) {
		if (!makes_vas_memory(args))
			return false;
		*ret = vas_mmap(args[0], args[1], args[2], args[3], args[4],
				args[5]);
		return true;
	}
	if (nr == __NR_shmat) {
		*ret = -EINVAL;
		return vas_in_window(args[1]);
	}
	if (!vas_in_window(args[0]))
		return false;

	switch (nr) {
	case __NR_munmap:
		*ret = vas_munmap(args[0], args[1]);
		return true;
	case __NR_mremap:
		*ret = vas_mremap(args[0], args[1], args[2], args[3]);
		return true;
	case __NR_madvise:
		*ret = -EINVAL;
		return args[2] == MADV_DOFORK;
	case __NR_mseal:
	case __NR_remap_file_pages:
		*ret = -EINVAL;
		return true;
	}
	return false;
}

/**
 * um_vas_handle_syscall() - look at a system call with care
 * @nr:		its number
 * @regs:	its arguments
 * @ret:	set to its result, if it is handled
 *
 * Refuses addresses above what guest code can use, and ranges that reach there:
 * a thread has no business in a slot that it is not in. (mmap() does so in
 * arch_get_unmapped_area(), madvise() in vas_range_ok().) Does those calls that
 * change what is in a VAS.
 *
 * Return: whether the call is handled.
 */
bool um_vas_handle_syscall(int nr, struct uml_pt_regs *regs, unsigned long *ret)
{
	const unsigned long args[6] = {
		UPT_SYSCALL_ARG1(regs), UPT_SYSCALL_ARG2(regs),
		UPT_SYSCALL_ARG3(regs), UPT_SYSCALL_ARG4(regs),
		UPT_SYSCALL_ARG5(regs), UPT_SYSCALL_ARG6(regs),
	};
	unsigned int which = address_args(nr, args);

	if (has_high_address(which, args)) {
		*ret = -EFAULT;
		return true;
	}
	if (has_long_range(nr, args)) {
		*ret = nr == __NR_munmap ? -EINVAL : -ENOMEM;
		return true;
	}
	if (!um_vas_slot())
		return false;
	/* What others added has to be there, also for get_user_pages(). */
	vas_catch_up();
	if (!which && nr != __NR_mmap)
		return false;
	return handle_in_window(nr, args, ret);
}
