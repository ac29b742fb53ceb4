// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel stacks of tasks that are dead, for the next ones.
 *
 * fork.c gives a stack back after an RCU grace period, some 30 ms later. A
 * shell that starts a thousand programs meanwhile gets a stack for each that has
 * not been in the processor's cache for long. With CONFIG_VMAP_STACK, fork.c
 * keeps two per CPU that are used again at once; this does the same for stacks
 * that are not mapped (which they must not be here: tlb_kernel.c).
 */

#include <linux/kasan.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/thread_info.h>
#include <linux/um_stack_cache.h>

#define CACHED_STACKS	2

static DEFINE_PER_CPU(void *, cached_stacks[CACHED_STACKS]);

/**
 * um_stack_from_cache() - get a stack that was used before
 *
 * Context: process.
 * Return: the stack, cleared and charged to the current memory cgroup; NULL if
 * there is none, or if the cgroup is at its limit.
 */
void *um_stack_from_cache(void)
{
	void *stack = NULL;
	int i;

	for (i = 0; i < CACHED_STACKS && !stack; i++)
		stack = this_cpu_xchg(cached_stacks[i], NULL);
	if (!stack)
		return NULL;

	if (memcg_kmem_charge_page(virt_to_page(stack), GFP_KERNEL,
				   THREAD_SIZE_ORDER)) {
		free_pages((unsigned long)stack, THREAD_SIZE_ORDER);
		return NULL;
	}
	kasan_unpoison_range(stack, THREAD_SIZE);
	clear_pages(stack, 1 << THREAD_SIZE_ORDER);
	return stack;
}

/**
 * um_stack_to_cache() - keep a stack that nobody uses any more
 * @stack:	the stack
 *
 * Context: any.
 * Return: whether it was kept.
 */
bool um_stack_to_cache(void *stack)
{
	int i;

	for (i = 0; i < CACHED_STACKS; i++) {
		void *none = NULL;

		if (this_cpu_read(cached_stacks[i]))
			continue;
		memcg_kmem_uncharge_page(virt_to_page(stack),
					 THREAD_SIZE_ORDER);
		if (this_cpu_try_cmpxchg(cached_stacks[i], &none, stack))
			return true;
	}
	return false;
}
