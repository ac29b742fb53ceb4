// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/um_tlb/stats: the counters of the memory path, a line
 * "name value" each, and how many mappings the host holds for us right now.
 *
 * Counting is an addition to a per-CPU word. The host's mappings are not
 * counted while they change; the host is asked when the file is read.
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/oom.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <asm/mmu.h>
#include <asm/tlb_stats.h>
#include <asm/view.h>
#include <host_process.h>
#include <os.h>
#include <tlb_batch.h>

DEFINE_PER_CPU(struct um_tlb_stats, um_tlb_stats);

static const char * const counter_names[UM_TLB_COUNTERS] = {
	[UM_TLB_FILLS]				= "fills",
	[UM_TLB_FILL_PAGES]			= "fill_pages",
	[UM_TLB_PROTECTS]			= "protects",
	[UM_TLB_PROTECT_PAGES]			= "protect_pages",
	[UM_TLB_INVALIDATES]			= "invalidates",
	[UM_TLB_INVALIDATE_PAGES]		= "invalidate_pages",
	[UM_TLB_KERNEL_FILLS]			= "kernel_fills",
	[UM_TLB_KERNEL_FILL_PAGES]		= "kernel_fill_pages",
	[UM_TLB_KERNEL_PROTECTS]		= "kernel_protects",
	[UM_TLB_KERNEL_PROTECT_PAGES]		= "kernel_protect_pages",
	[UM_TLB_KERNEL_INVALIDATES]		= "kernel_invalidates",
	[UM_TLB_KERNEL_INVALIDATE_PAGES]	= "kernel_invalidate_pages",
	[UM_TLB_BATCHES]			= "batches",
	[UM_TLB_HANDOFFS]			= "handoffs",
	[UM_TLB_MISSES]				= "misses",
	[UM_TLB_AHEAD_PAGES]			= "ahead_pages",
	[UM_TLB_AHEAD_COPIES]			= "ahead_copies",
	[UM_TLB_SHOOTDOWNS]			= "shootdowns",
	[UM_TLB_EVICTIONS]			= "evictions",
	[UM_TLB_ERRORS]				= "errors",
	[UM_TLB_VIEWS_CREATED]			= "views_created",
	[UM_TLB_VIEWS_RECYCLED]			= "views_recycled",
};

/**
 * um_tlb_count_batch() - count what is in a batch that is about to be sent
 * @batch:	the batch
 * @kernel:	it is the kernel's own
 */
void um_tlb_count_batch(const struct tlb_batch *batch, bool kernel)
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

static unsigned long sum(enum um_tlb_counter counter)
{
	unsigned long total = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		total += READ_ONCE(per_cpu(um_tlb_stats, cpu).count[counter]);
	return total;
}

/* Mappings of the host processes behind all user processes. */
static unsigned long user_host_mappings(void)
{
	struct task_struct *leader;
	unsigned long total = 0;

	guard(rcu)();
	for_each_process(leader) {
		struct task_struct *task = find_lock_task_mm(leader);

		if (!task)
			continue;
		total += os_count_mappings(task->mm->context.views.first->id.pid);
		task_unlock(task);
	}
	return total;
}

static int stats_show(struct seq_file *m, void *unused)
{
	int i;

	for (i = 0; i < UM_TLB_COUNTERS; i++)
		seq_printf(m, "%s %lu\n", counter_names[i], sum(i));
	seq_printf(m, "host_mappings %lu\n", user_host_mappings());
	seq_printf(m, "kernel_host_mappings %lu\n",
		   os_count_mappings(os_getpid()));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int __init um_tlb_stats_init(void)
{
	struct dentry *dir = debugfs_create_dir("um_tlb", NULL);

	debugfs_create_file("stats", 0444, dir, NULL, &stats_fops);
	return 0;
}
late_initcall(um_tlb_stats_init);
