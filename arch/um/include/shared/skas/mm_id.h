/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host process of an mm, as the host side and the kernel side know it.
 */

#ifndef __MM_ID_H
#define __MM_ID_H

#include <linux/compiler_types.h>
#include <tlb_batch.h>

/**
 * struct mm_id - a host process
 * @pid:	its host pid, negative once it has died
 * @stack:	kernel address of the pages that it shares with the kernel
 *		(struct stub_data)
 * @mem_token:	with which its batches may map the memory file (seccomp mode)
 * @bell:	on which bell it sleeps (handoff.h)
 * @where:	on which host CPUs it may run (os-Linux/skas/placement.c)
 * @proc_file:	its /proc/PID/syscall on the host, if that is open, or -1
 * @resetting:	it is being made as new by its next resumption (handoff_alarm())
 * @batch:	operations that it has to run before guest code
 */
struct mm_id {
	int pid;
	unsigned long stack;
	unsigned long mem_token;
	unsigned int bell;
	int where;
	int proc_file;
	int resetting;
	struct tlb_batch batch;
};

struct mutex *__get_turnstile(struct mm_id *mm_id);
void enter_turnstile(struct mm_id *mm_id) __acquires(__get_turnstile(mm_id));
void exit_turnstile(struct mm_id *mm_id) __releases(__get_turnstile(mm_id));

#endif
