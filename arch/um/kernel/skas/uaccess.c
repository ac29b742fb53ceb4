// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access of the kernel to user memory.
 *
 * The kernel has all memory mapped, and looks in the page table for where a user
 * page is. The lock of its entry is held while the page is read or written:
 * another thread that unmaps the page, or a fork that write-protects it, waits
 * that long. So no freed page is ever accessed, and a page that is shared by now
 * never written to.
 */

#include <linux/atomic.h>
#include <linux/fault-inject-usercopy.h>
#include <linux/futex.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/futex.h>
#include <asm/vas_slot.h>
#include <kern_util.h>
#include "../tlb_internal.h"

/* What is done to a piece of a page; false if it was the last piece needed. */
typedef bool (*piece_op)(void *piece, size_t len, void *arg);

/*
 * Where page faults are not allowed, the caller may hold a page-table lock (as
 * the handler of write faults does when it copies a page): then one that is held
 * is as good as a page that is not there. Elsewhere it has to be waited for: the
 * page is there, and so the fault handler would be content, again and again.
 */
static pte_t *lock_entry(struct mm_struct *mm, unsigned long addr,
			 spinlock_t **ptl, bool may_wait)
{
	unsigned long next;
	pmd_t *pmd, seen;
	pte_t *ptep;

	if (may_wait)
		return um_tlb_lock_entry(mm, addr, ptl);

	pmd = um_tlb_find_table(mm, addr, &next);
	ptep = pmd ? pte_offset_map_rw_nolock(mm, pmd, addr, &seen, ptl) : NULL;
	if (!ptep)
		return NULL;
	if (spin_trylock(*ptl)) {
		if (pmd_same(seen, pmdp_get_lockless(pmd)))
			return ptep;
		spin_unlock(*ptl);
	}
	pte_unmap(ptep);
	return NULL;
}

/* Returns 1 if op has been done and wants more, 0 if no more; -EFAULT. */
static int try_piece(unsigned long addr, size_t len, bool is_write, piece_op op,
		     void *arg)
{
	/* Asked before RCU may make this an atomic context */
	bool may_wait = !faulthandler_disabled();
	int ret = -EFAULT;
	spinlock_t *ptl;
	pte_t *ptep, pte;

	guard(rcu)();
	ptep = lock_entry(current->mm, addr, &ptl, may_wait);
	if (!ptep)
		return ret;

	pte = ptep_get(ptep);
	if (pte_host_allows(pte, is_write))
		ret = op(page_address(pte_page(pte)) + offset_in_page(addr),
			 len, arg);
	um_tlb_unlock_table(ptep, ptl);
	return ret;
}

/* All of it is in one page. Returns as try_piece(). */
static int do_piece(unsigned long addr, size_t len, bool is_write, piece_op op,
		    void *arg)
{
	int ret;

	if (!current->mm || !um_vas_user_address(&addr))
		return -EFAULT;

	for (;;) {
		ret = try_piece(addr, len, is_write, op, arg);
		if (ret >= 0)
			return ret;
		if (fatal_signal_pending(current) || um_fault_in(addr, is_write))
			return -EFAULT;
	}
}

/* Returns how many bytes are left when a page could not be accessed, or 0. */
static size_t do_pieces(unsigned long addr, size_t len, bool is_write,
			piece_op op, void *arg)
{
	while (len) {
		size_t piece = min(len, PAGE_SIZE - offset_in_page(addr));
		int ret = do_piece(addr, piece, is_write, op, arg);

		if (ret < 0)
			return len;
		if (!ret)
			return 0;
		addr += piece;
		len -= piece;
	}
	return 0;
}

static bool copy_piece_from(void *piece, size_t len, void *arg)
{
	void **to = arg;

	memcpy(*to, piece, len);
	*to += len;
	return true;
}

/**
 * raw_copy_from_user() - copy from user memory
 * @to:		where to
 * @from:	where from
 * @n:		how many bytes
 *
 * Context: any where page faults can be handled, or are disabled.
 * Return: how many bytes could not be copied.
 */
unsigned long raw_copy_from_user(void *to, const void __user *from,
				 unsigned long n)
{
	return do_pieces((unsigned long)from, n, false, copy_piece_from, &to);
}
EXPORT_SYMBOL(raw_copy_from_user);

static bool copy_piece_to(void *piece, size_t len, void *arg)
{
	const void **from = arg;

	memcpy(piece, *from, len);
	*from += len;
	return true;
}

/**
 * raw_copy_to_user() - copy to user memory
 * @to:		where to
 * @from:	where from
 * @n:		how many bytes
 *
 * Context and return: as raw_copy_from_user().
 */
unsigned long raw_copy_to_user(void __user *to, const void *from,
			       unsigned long n)
{
	return do_pieces((unsigned long)to, n, true, copy_piece_to, &from);
}
EXPORT_SYMBOL(raw_copy_to_user);

static bool clear_piece(void *piece, size_t len, void *arg)
{
	memset(piece, 0, len);
	return true;
}

/**
 * __clear_user() - set user memory to zero
 * @mem:	where
 * @len:	how many bytes
 *
 * Return: how many bytes could not be set.
 */
unsigned long __clear_user(void __user *mem, unsigned long len)
{
	return do_pieces((unsigned long)mem, len, true, clear_piece, NULL);
}
EXPORT_SYMBOL(__clear_user);

static bool copy_string_piece(void *piece, size_t len, void *arg)
{
	char **to = arg;
	size_t n = strnlen(piece, len);

	memcpy(*to, piece, n);
	*to += n;
	if (n < len)
		**to = 0;
	return n == len;
}

/**
 * strncpy_from_user() - copy a string from user memory
 * @dst:	where to
 * @src:	where from
 * @count:	room at @dst, bytes; what is copied has no NUL if it is all used
 *
 * Return: the length of the string, at most @count; -EFAULT if it cannot be
 * read up to its end.
 */
long strncpy_from_user(char *dst, const char __user *src, long count)
{
	char *end = dst;

	might_fault();
	if (should_fail_usercopy() || !access_ok(src, 1))
		return -EFAULT;
	if (count <= 0)
		return 0;
	if (do_pieces((unsigned long)src, count, false, copy_string_piece,
		      &end))
		return -EFAULT;
	return end - dst;
}
EXPORT_SYMBOL(strncpy_from_user);

static bool measure_piece(void *piece, size_t len, void *arg)
{
	size_t *sum = arg, n = strnlen(piece, len);

	*sum += n;
	return n == len;
}

/**
 * strnlen_user() - measure a string in user memory
 * @str:	the string
 * @len:	where to stop, bytes
 *
 * Return: its length with its NUL, or more than @len if it is longer; 0 if it
 * cannot be read up to its end.
 */
long strnlen_user(const char __user *str, long len)
{
	size_t sum = 0;

	if (len <= 0 || !access_ok(str, 1) ||
	    do_pieces((unsigned long)str, len, false, measure_piece, &sum))
		return 0;
	return sum + 1;
}
EXPORT_SYMBOL(strnlen_user);

/* Futex words: guest code on other CPUs changes them at the same time. */

/* The caller may hold spinlocks: it faults the page in if this returns -EFAULT. */
static int do_word(u32 __user *uaddr, piece_op op, void *arg)
{
	size_t left;

	if (!access_ok(uaddr, sizeof(*uaddr)))
		return -EFAULT;
	pagefault_disable();
	left = do_pieces((unsigned long)uaddr, sizeof(*uaddr), true, op, arg);
	pagefault_enable();
	return left ? -EFAULT : 0;
}

struct word_op {
	int op;
	u32 arg;
	int old;
};

static bool change_word(void *piece, size_t len, void *arg)
{
	struct word_op *op = arg;
	atomic_t *word = piece;

	switch (op->op) {
	case FUTEX_OP_SET:
		op->old = atomic_xchg(word, op->arg);
		break;
	case FUTEX_OP_ADD:
		op->old = atomic_fetch_add(op->arg, word);
		break;
	case FUTEX_OP_OR:
		op->old = atomic_fetch_or(op->arg, word);
		break;
	case FUTEX_OP_ANDN:
		op->old = atomic_fetch_andnot(op->arg, word);
		break;
	case FUTEX_OP_XOR:
		op->old = atomic_fetch_xor(op->arg, word);
		break;
	}
	return true;
}

/**
 * arch_futex_atomic_op_inuser() - change a futex word
 * @op:		FUTEX_OP_SET, ...
 * @oparg:	its argument
 * @oval:	set to what the word was
 * @uaddr:	the word, aligned
 *
 * Context: any.
 * Return: 0; -EFAULT if the word is not there, or may not be written to, or
 * could not be had without waiting; -ENOSYS if there is no such operation.
 */
int arch_futex_atomic_op_inuser(int op, u32 oparg, int *oval, u32 __user *uaddr)
{
	struct word_op word = { .op = op, .arg = oparg };
	int err;

	if (op < FUTEX_OP_SET || op > FUTEX_OP_XOR)
		return -ENOSYS;
	err = do_word(uaddr, change_word, &word);
	if (!err)
		*oval = word.old;
	return err;
}
EXPORT_SYMBOL(arch_futex_atomic_op_inuser);

struct word_exchange {
	u32 old;
	u32 new;
};

static bool exchange_word(void *piece, size_t len, void *arg)
{
	struct word_exchange *exchange = arg;

	exchange->old = cmpxchg((u32 *)piece, exchange->old, exchange->new);
	return true;
}

/**
 * futex_atomic_cmpxchg_inatomic() - change a futex word if it is as expected
 * @uval:	set to what the word was
 * @uaddr:	the word, aligned
 * @oldval:	what is expected
 * @newval:	what it becomes then
 *
 * Context: any.
 * Return: 0; -EFAULT as arch_futex_atomic_op_inuser().
 */
int futex_atomic_cmpxchg_inatomic(u32 *uval, u32 __user *uaddr, u32 oldval,
				  u32 newval)
{
	struct word_exchange exchange = { .old = oldval, .new = newval };
	int err = do_word(uaddr, exchange_word, &exchange);

	if (!err)
		*uval = exchange.old;
	return err;
}
EXPORT_SYMBOL(futex_atomic_cmpxchg_inatomic);
