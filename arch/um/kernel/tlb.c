// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host process is a TLB: this file keeps it in step with the page tables.
 *
 * A changed entry is noted in itself (asm/tlb_state.h), and its address in a
 * set of ranges of its mm (um_tlb_mark()). Before the host process runs guest
 * code again, um_tlb_enter() walks these ranges and puts what the host has to do
 * into a batch: fill, lower the protection, invalidate. What does not fit into
 * one batch is sent on the way, with no lock held; the rest goes out together
 * with the resumption of the guest.
 *
 * An entry may also be present and not be on the host at all: after a fork, in
 * the child, or after an eviction. Then the guest faults, and um_tlb_refill()
 * has a window of entries filled around the address, as a processor would
 * refill its TLB, without asking the rest of the memory management.
 *
 * The kernel's own range (vmalloc, modules) is kept in step by the same walk;
 * its batch runs at once, in the kernel's own host process.
 *
 * The host has room for vm.max_map_count mappings in each process. When a host
 * call fails for want of room, everything is evicted (one munmap over all) and
 * comes back by refills. Any other failure ends the guest process concerned.
 *
 * Locks, from the outermost:
 *	turnstile of the mm (mutex)	the batch, and who may sync
 *	    page-table lock		entries, while they are walked
 *		um_tlb.lock		the set of ranges
 *	kernel_tlb_lock (irqs off)	the kernel's batch and who may sync
 *	    um_tlb.lock of init_mm
 * A host process is given work and waited for under the turnstile only. A
 * shootdown (um_tlb_shootdown()) waits under any lock for it to stop, so between
 * um_tlb_enter() and um_tlb_leave() no lock is taken.
 */

#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <asm/tlbflush.h>
#include <asm/tlb_stats.h>
#include <asm/view.h>
#include <as-layout.h>
#include <mem.h>
#include <os.h>
#include <skas.h>
#include <stub-data.h>

/* A refill takes this many entries, and more when misses come in sequence. */
#define WINDOW_PAGES_MIN	16U
#define WINDOW_PAGES_MAX	256U

/* Changes are recorded in units of this: as many entries as a window has. */
#define MARK_BYTES		(WINDOW_PAGES_MIN * PAGE_SIZE)

/* How long a host process may take to stop before it is killed, in jiffies. */
#define SHOOTDOWN_TIMEOUT	(2 * HZ)

/* Operations that the kernel does on itself in one go. */
#define KERNEL_BATCH_OPS	64

static DEFINE_RAW_SPINLOCK(kernel_tlb_lock);
static struct tlb_op kernel_ops[KERNEL_BATCH_OPS];

/**
 * um_tlb_mark() - record that translations changed
 * @mm:		the mm, or &init_mm
 * @start:	first address, bytes
 * @end:	first address behind
 *
 * Records a little more, so that the changes that mostly follow need no lock.
 *
 * Context: any; takes the um_tlb.lock of @mm.
 */
void um_tlb_mark(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct um_tlb *tlb = &mm->context.tlb;
	struct tlb_range *range;

	if (start >= end)
		return;

	start = round_down(start, MARK_BYTES);
	end = round_up(end, MARK_BYTES);

	guard(spinlock_irqsave)(&tlb->lock);
	range = tlb_ranges_add(&tlb->changed, start, end, false);
	/* The kernel's entries have no lock that would order this. */
	if (mm != &init_mm) {
		WRITE_ONCE(tlb->recorded_start, range->start);
		WRITE_ONCE(tlb->recorded_end, range->end);
	}
}
EXPORT_SYMBOL_GPL(um_tlb_mark);

/**
 * um_tlb_mark_tables_freed() - record that a table of entries is given back
 * @mm:		the mm
 * @addr:	an address that the table translated
 *
 * The notes in its entries go with it, so the next sync unmaps whatever the
 * guest does not map in the whole span of the table.
 *
 * Context: any; takes the um_tlb.lock of @mm.
 */
void um_tlb_mark_tables_freed(struct mm_struct *mm, unsigned long addr)
{
	struct um_tlb *tlb = &mm->context.tlb;
	unsigned long start = addr & PMD_MASK;

	guard(spinlock_irqsave)(&tlb->lock);
	tlb_ranges_add(&tlb->changed, start, start + PMD_SIZE, true);
}

static void take_changed(struct um_tlb *tlb, struct tlb_ranges *changed)
{
	guard(spinlock_irqsave)(&tlb->lock);
	*changed = tlb->changed;
	tlb->changed.nr = 0;
	WRITE_ONCE(tlb->recorded_start, 0);
	WRITE_ONCE(tlb->recorded_end, 0);
}

/**
 * um_tlb_start_empty() - leave a forked mm's host process as empty as it is
 * @mm:		the new mm, which does not run yet
 *
 * Its entries are filled when the child faults on them.
 */
void um_tlb_start_empty(struct mm_struct *mm)
{
	struct tlb_ranges dropped;

	take_changed(&mm->context.tlb, &dropped);
}

/*
 * The table of entries that translates addr. Where there is none, NULL, and
 * *next is the end of the span that is known to be empty.
 */
static pmd_t *find_table(struct mm_struct *mm, unsigned long addr,
			 unsigned long *next)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	*next = (addr & PGDIR_MASK) + PGDIR_SIZE;
	if (!pgd_present(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (!p4d_present(*p4d))
		return NULL;

	pud = pud_offset(p4d, addr);
	*next = (addr & PUD_MASK) + PUD_SIZE;
	if (!pud_present(*pud))
		return NULL;

	pmd = pmd_offset(pud, addr);
	*next = (addr & PMD_MASK) + PMD_SIZE;
	if (!pmd_present(*pmd))
		return NULL;
	return pmd;
}

/* Kernel entries have no lock: they are live, and do not go away. */
static pte_t *lock_table(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			 spinlock_t **ptl)
{
	if (mm != &init_mm)
		return pte_offset_map_lock(mm, pmd, addr, ptl);

	*ptl = NULL;
	return pte_offset_kernel(pmd, addr);
}

static void unlock_table(pte_t *ptep, spinlock_t *ptl)
{
	if (ptl)
		pte_unmap_unlock(ptep, ptl);
}

/* Changes the state bits of an entry; not if a kernel entry changed meanwhile. */
static void set_tlb_state(struct mm_struct *mm, pte_t *ptep, pte_t pte,
			  unsigned long state)
{
	unsigned long old = pte_val(pte), new = (old & ~_PAGE_TLB) | state;

	if (mm == &init_mm)
		cmpxchg(&pte_val(*ptep), old, new);
	else
		WRITE_ONCE(pte_val(*ptep), new);
}

/* Where the walk is: what it walks, and what it adds to. */
struct tlb_walk {
	struct mm_struct *mm;
	struct tlb_batch *batch;
	bool tables_freed;
};

static void sync_absent(struct tlb_walk *walk, unsigned long addr,
			unsigned long len, bool on_host)
{
	if (!on_host && !walk->tables_freed) {
		tlb_batch_pass_absent(walk->batch, addr, len);
		return;
	}
	tlb_batch_invalidate(walk->batch, addr, len);
}

static void sync_entry(struct tlb_walk *walk, unsigned long addr, pte_t *ptep)
{
	pte_t pte = READ_ONCE(*ptep);
	int prot = pte_host_prot(pte);

	if (pte_tlb_synced(pte)) {
		if (prot)
			tlb_batch_pass_held(walk->batch, addr, PAGE_SIZE, prot);
		else
			sync_absent(walk, addr, PAGE_SIZE, false);
		return;
	}

	if (!prot) {
		sync_absent(walk, addr, PAGE_SIZE, pte_on_host(pte));
		set_tlb_state(walk->mm, ptep, pte, 0);
		return;
	}

	if (pte_get_bits(pte, _PAGE_TLB_LOWER))
		tlb_batch_protect(walk->batch, addr, PAGE_SIZE, prot);
	else
		tlb_batch_fill(walk->batch, addr, PAGE_SIZE,
			       pte_val(pte) & PAGE_MASK, prot);
	set_tlb_state(walk->mm, ptep, pte, _PAGE_TLB_HOST);
}

/* Returns how far it came: end, or less when the batch is full. */
static unsigned long sync_table(struct tlb_walk *walk, pmd_t *pmd,
				unsigned long addr, unsigned long end)
{
	spinlock_t *ptl;
	pte_t *table, *ptep;

	table = lock_table(walk->mm, pmd, addr, &ptl);
	if (!table) {
		/* It went away just now; whoever took it records that. */
		sync_absent(walk, addr, end - addr, false);
		return end;
	}

	for (ptep = table; addr < end && !tlb_batch_full(walk->batch);
	     ptep++, addr += PAGE_SIZE)
		sync_entry(walk, addr, ptep);

	unlock_table(table, ptl);
	return addr;
}

/* Returns how far it came: end, or less when the batch is full. */
static unsigned long sync_range(struct tlb_walk *walk, unsigned long addr,
				unsigned long end)
{
	unsigned long next;
	pmd_t *pmd;

	guard(rcu)();

	while (addr < end && !tlb_batch_full(walk->batch)) {
		pmd = find_table(walk->mm, addr, &next);
		next = min(next, end);
		if (pmd) {
			addr = sync_table(walk, pmd, addr, next);
		} else {
			sync_absent(walk, addr, next - addr, false);
			addr = next;
		}
	}
	return addr;
}

/*
 * Walks what changed. Calls send() each time that the batch is full, and leaves
 * the rest in it. Stops when send() fails and returns what it returned.
 */
static int sync_changed(struct mm_struct *mm, struct tlb_batch *batch,
			int (*send)(struct mm_struct *mm))
{
	struct tlb_walk walk = { .mm = mm, .batch = batch };
	struct tlb_ranges changed;
	unsigned int i;
	int err;

	take_changed(&mm->context.tlb, &changed);

	for (i = 0; i < changed.nr; i++) {
		unsigned long addr = changed.range[i].start;
		unsigned long end = min(changed.range[i].end, TASK_SIZE);

		walk.tables_freed = changed.range[i].tables_freed;
		while (addr < end) {
			addr = sync_range(&walk, addr, end);
			if (addr >= end)
				break;
			err = send(mm);
			if (err)
				return err;
		}
	}
	return 0;
}

static void count_batch(const struct tlb_batch *batch, bool kernel)
{
	static const enum um_tlb_counter ops[][2] = {
		[TLB_FILL] = { UM_TLB_FILLS, UM_TLB_KERNEL_FILLS },
		[TLB_PROTECT] = { UM_TLB_PROTECTS, UM_TLB_KERNEL_PROTECTS },
		[TLB_INVALIDATE] = { UM_TLB_INVALIDATES,
				     UM_TLB_KERNEL_INVALIDATES },
	};
	static const enum um_tlb_counter pages[][2] = {
		[TLB_FILL] = { UM_TLB_FILL_PAGES, UM_TLB_KERNEL_FILL_PAGES },
		[TLB_PROTECT] = { UM_TLB_PROTECT_PAGES,
				  UM_TLB_KERNEL_PROTECT_PAGES },
		[TLB_INVALIDATE] = { UM_TLB_INVALIDATE_PAGES,
				     UM_TLB_KERNEL_INVALIDATE_PAGES },
	};
	int kind;

	for (kind = TLB_FILL; kind < TLB_OP_KINDS; kind++) {
		if (!batch->ops_made[kind])
			continue;
		um_tlb_count(ops[kind][kernel], batch->ops_made[kind]);
		um_tlb_count(pages[kind][kernel],
			     batch->bytes_made[kind] >> PAGE_SHIFT);
	}
	um_tlb_count(UM_TLB_BATCHES, 1);
}

/* Running out of mappings is what eviction is for: said once, then counted. */
static void report_full(const char *who, const struct tlb_op *op)
{
	pr_info_once("um_tlb: %s: the host has no room for another mapping at 0x%lx: evicting (see vm.max_map_count)\n",
		     who, op->addr);
}

static void report_failure(const char *who, int err, const struct tlb_op *op)
{
	static const char * const call[] = {
		[TLB_FILL] = "mmap",
		[TLB_PROTECT] = "mprotect",
		[TLB_INVALIDATE] = "munmap",
	};
	bool known = op->kind > TLB_NOTHING && op->kind < TLB_OP_KINDS;

	um_tlb_count(UM_TLB_ERRORS, 1);
	pr_err_ratelimited("um_tlb: %s: host %s(0x%lx, 0x%lx, prot %d, offset 0x%lx) failed: errno %d\n",
			   who, known ? call[op->kind] : "call", op->addr,
			   op->len, op->prot, op->offset, -err);
}

/*
 * Eviction
 */

static void forget_table(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			 unsigned long end)
{
	spinlock_t *ptl;
	pte_t *table, *ptep;

	table = lock_table(mm, pmd, addr, &ptl);
	if (!table)
		return;

	for (ptep = table; addr < end; ptep++, addr += PAGE_SIZE) {
		pte_t pte = READ_ONCE(*ptep);

		if (pte_get_bits(pte, _PAGE_TLB))
			set_tlb_state(mm, ptep, pte,
				      pte_host_prot(pte) ? _PAGE_TLB_STALE : 0);
	}
	unlock_table(table, ptl);
}

/* Notes in all entries that the host maps nothing between addr and end. */
static void forget_range(struct mm_struct *mm, unsigned long addr,
			 unsigned long end)
{
	unsigned long next;
	pmd_t *pmd;

	guard(rcu)();

	for (; addr < end; addr = next) {
		pmd = find_table(mm, addr, &next);
		next = min(next, end);
		if (pmd)
			forget_table(mm, pmd, addr, next);
	}
}

/* Empties the host process of mm; what it needs comes back by refills. */
static int evict_user(struct mm_struct *mm)
{
	struct mm_id *id = &mm->context.view->id;
	struct tlb_ranges dropped;

	um_tlb_count(UM_TLB_EVICTIONS, 1);
	take_changed(&mm->context.tlb, &dropped);
	forget_range(mm, 0, TASK_SIZE);

	tlb_batch_reset(&id->batch);
	tlb_batch_empty_space(&id->batch, 0, STUB_START);
	return stub_batch_run(id);
}

/**
 * um_tlb_recover() - a host process could not do an operation
 * @id:		the host process, of the current task or of no mm
 * @err:	negative errno of the host call that failed
 * @op:		that operation, as far as the host process can be believed
 *
 * For want of room the whole address space is evicted. Otherwise, or when that
 * has just been done, the failure is reported and the guest process gets a
 * SIGBUS that it cannot handle.
 *
 * Context: process, the turnstile of the mm held.
 * Return: 0 when the guest can go on; negative errno when it is to die.
 */
int um_tlb_recover(struct mm_id *id, int err, const struct tlb_op *op)
{
	struct mm_struct *mm = um_view_of(id)->mm;
	struct um_tlb *tlb;

	tlb_batch_reset(&id->batch);
	if (!mm)
		return err;

	tlb = &mm->context.tlb;
	um_tlb_leave(mm);

	if (err == -ENOMEM && !tlb->evicted) {
		report_full(current->comm, op);
		tlb->evicted = true;
		err = evict_user(mm);
		tlb->evicted = true;	/* this success is no progress */
		if (!err)
			return 0;
	}

	report_failure(current->comm, err, op);
	force_fatal_sig(SIGBUS);
	return err;
}

/*
 * User address spaces
 */

/**
 * um_tlb_handoff() - count that a host process is about to be resumed
 * @id:		the host process
 */
void um_tlb_handoff(struct mm_id *id)
{
	um_tlb_count(UM_TLB_HANDOFFS, 1);
	if (!tlb_batch_empty(&id->batch))
		count_batch(&id->batch, false);
}

/**
 * um_tlb_batch_succeeded() - note that the host process did all of a batch
 * @id:		the host process
 */
void um_tlb_batch_succeeded(struct mm_id *id)
{
	struct mm_struct *mm = um_view_of(id)->mm;

	if (mm)
		mm->context.tlb.evicted = false;
}

static int send_user(struct mm_struct *mm)
{
	return stub_batch_run(&mm->context.view->id);
}

/* Leaves the last operations in the batch, to go out with the resumption. */
static int um_tlb_sync(struct mm_struct *mm)
{
	if (!READ_ONCE(mm->context.tlb.changed.nr))
		return 0;

	return sync_changed(mm, &mm->context.view->id.batch, send_user);
}

/**
 * um_tlb_enter() - bring a host process up to date; it may run guest code then
 * @mm:		the mm of the current task
 *
 * From here to um_tlb_leave(), a change of translations stops it.
 *
 * Context: process, the turnstile of @mm held, no spinlock.
 * Return: 0, or a negative errno of a host call when the process is to die.
 */
int um_tlb_enter(struct mm_struct *mm)
{
	struct um_tlb *tlb = &mm->context.tlb;
	int err;

	for (;;) {
		err = um_tlb_sync(mm);
		if (err)
			return err;

		WRITE_ONCE(tlb->runs, tlb->runs + 1);
		/* pairs with um_tlb_shootdown(): one sees what the other did */
		smp_mb();
		if (!READ_ONCE(tlb->changed.nr))
			return 0;
		um_tlb_leave(mm);
	}
}

/**
 * um_tlb_leave() - note that a host process runs no guest code any more
 * @mm:		the mm of the current task
 *
 * To be called before any lock is taken that a shootdown may be made under.
 */
void um_tlb_leave(struct mm_struct *mm)
{
	struct um_tlb *tlb = &mm->context.tlb;

	if (tlb->runs & 1)
		smp_store_release(&tlb->runs, tlb->runs + 1);
}

/**
 * um_tlb_shootdown() - let no old translation of an mm be in use
 * @mm:		the mm
 *
 * If the host process of @mm runs guest code, on another CPU, it is interrupted
 * and waited for; it syncs before it goes on. A host process that does not stop
 * has blocked the signal by foul means, and is killed.
 *
 * Context: any but interrupt; the changes are recorded.
 */
void um_tlb_shootdown(struct mm_struct *mm)
{
	struct um_tlb *tlb = &mm->context.tlb;
	unsigned long deadline;
	unsigned int runs;

	if (!IS_ENABLED(CONFIG_SMP))
		return;

	/* pairs with um_tlb_enter() */
	smp_mb();
	runs = READ_ONCE(tlb->runs);
	if (likely(!(runs & 1)))
		return;

	um_tlb_count(UM_TLB_SHOOTDOWNS, 1);
	handoff_alarm(&mm->context.view->id);
	deadline = jiffies + SHOOTDOWN_TIMEOUT;
	while (smp_load_acquire(&tlb->runs) == runs) {
		if (time_after(jiffies, deadline)) {
			os_kill_process(mm->context.view->id.pid, 0);
			deadline = jiffies + SHOOTDOWN_TIMEOUT;
		}
		os_yield();
	}
}

/* Chooses what to fill after a miss at addr: more when misses are sequential. */
static void mark_window(struct mm_struct *mm, unsigned long addr)
{
	struct um_tlb *tlb = &mm->context.tlb;
	unsigned int pages = WINDOW_PAGES_MIN;
	unsigned long start;

	addr &= PAGE_MASK;
	if (addr == tlb->next_miss) {
		pages = min(tlb->window_pages * 2, WINDOW_PAGES_MAX);
		start = addr;
	} else {
		start = round_down(addr, WINDOW_PAGES_MIN * PAGE_SIZE);
	}
	tlb->window_pages = pages;
	tlb->next_miss = start + pages * PAGE_SIZE;
	um_tlb_mark(mm, start, tlb->next_miss);
}

static void send_again(struct mm_struct *mm, pte_t *ptep, pte_t pte)
{
	set_tlb_state(mm, ptep, pte,
		      pte_get_bits(pte, _PAGE_TLB_HOST) | _PAGE_TLB_STALE);
}

/**
 * um_tlb_refill() - handle a fault for which the page table has the answer
 * @mm:		the mm of the current task
 * @addr:	the address that faulted
 * @is_write:	whether it was written
 *
 * If the entry of @addr allows the access, it and a window of present entries
 * around it will be filled by the next sync. The entry itself is sent again
 * even if it is noted as mapped: the guest would fault for ever if the host had
 * lost it.
 *
 * Context: process; takes the page-table lock. No mmap lock is needed: like a
 * processor, this uses present entries only and changes none.
 * Return: true if the fault is handled.
 */
bool um_tlb_refill(struct mm_struct *mm, unsigned long addr, bool is_write)
{
	unsigned long next;
	spinlock_t *ptl;
	pmd_t *pmd;
	pte_t *ptep, pte;
	bool hit = false;

	if (addr >= TASK_SIZE)
		return false;

	guard(rcu)();
	pmd = find_table(mm, addr, &next);
	if (!pmd)
		return false;
	ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return false;

	pte = *ptep;
	if (pte_host_allows(pte, is_write)) {
		send_again(mm, ptep, pte);
		hit = true;
	}
	pte_unmap_unlock(ptep, ptl);

	if (hit) {
		um_tlb_count(UM_TLB_MISSES, 1);
		mark_window(mm, addr);
	}
	return hit;
}

/*
 * The kernel's own address space
 */

static struct tlb_batch kernel_batch = {
	.ops = kernel_ops,
	.max = KERNEL_BATCH_OPS,
};

static int send_kernel(struct mm_struct *mm)
{
	unsigned int nr = tlb_batch_finish(&kernel_batch), done;
	int err;

	if (!nr)
		return 0;

	count_batch(&kernel_batch, true);
	done = os_batch_run(kernel_ops, nr, &err);
	tlb_batch_reset(&kernel_batch);
	if (err == -ENOMEM)
		report_full("kernel", &kernel_ops[done]);
	else if (err)
		report_failure("kernel", err, &kernel_ops[done]);
	return err;
}

/*
 * Unmaps the kernel's whole range but the stack that this runs on. The rest
 * comes back by refills, which run on the signal stack.
 */
static int evict_kernel(void)
{
	unsigned long stack = (unsigned long)task_stack_page(current);
	unsigned long keep_start = VMALLOC_END, keep_end = VMALLOC_END;
	struct tlb_ranges dropped;

	if (is_vmalloc_addr((void *)stack)) {
		keep_start = stack;
		keep_end = stack + THREAD_SIZE;
	}

	um_tlb_count(UM_TLB_EVICTIONS, 1);
	take_changed(&init_mm.context.tlb, &dropped);
	forget_range(&init_mm, VMALLOC_START, keep_start);
	forget_range(&init_mm, keep_end, VMALLOC_END);

	tlb_batch_reset(&kernel_batch);
	tlb_batch_empty_space(&kernel_batch, VMALLOC_START,
			      keep_start - VMALLOC_START);
	if (keep_end < VMALLOC_END)
		tlb_batch_empty_space(&kernel_batch, keep_end,
				      VMALLOC_END - keep_end);
	return send_kernel(&init_mm);
}

static int sync_kernel(void)
{
	int err;

	guard(raw_spinlock_irqsave)(&kernel_tlb_lock);

	err = sync_changed(&init_mm, &kernel_batch, send_kernel);
	if (!err)
		err = send_kernel(&init_mm);
	if (err == -ENOMEM)
		err = evict_kernel();
	return err;
}

/**
 * flush_tlb_kernel_range() - make the kernel's host mappings follow its entries
 * @start:	first address, bytes
 * @end:	first address behind
 *
 * Context: any; takes kernel_tlb_lock. Panics if the host can neither change
 * nor drop mappings of the kernel.
 */
void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	int err;

	um_tlb_mark(&init_mm, start, end);
	err = sync_kernel();
	if (err)
		panic("The host cannot map kernel memory: errno %d\n", -err);
}
EXPORT_SYMBOL_GPL(flush_tlb_kernel_range);

/**
 * flush_tlb_all() - flush_tlb_kernel_range() over all kernel addresses
 */
void flush_tlb_all(void)
{
	flush_tlb_kernel_range(VMALLOC_START, VMALLOC_END);
}

/**
 * um_tlb_kernel_refill() - handle a fault in the kernel's own range
 * @addr:	the address that faulted, between start_vm and end_vm
 * @is_write:	whether it was written
 *
 * Context: signal handler of the host, on the signal stack.
 * Return: true if the kernel maps the address, and the host now does too.
 */
bool um_tlb_kernel_refill(unsigned long addr, bool is_write)
{
	unsigned long start, next;
	pmd_t *pmd = find_table(&init_mm, addr, &next);
	pte_t *ptep, pte;

	if (!pmd)
		return false;
	ptep = pte_offset_kernel(pmd, addr);
	pte = READ_ONCE(*ptep);
	if (!pte_host_allows(pte, is_write))
		return false;

	send_again(&init_mm, ptep, pte);
	um_tlb_count(UM_TLB_MISSES, 1);
	start = round_down(addr, WINDOW_PAGES_MIN * PAGE_SIZE);
	flush_tlb_kernel_range(start, start + WINDOW_PAGES_MIN * PAGE_SIZE);
	return true;
}
