/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What os-Linux/skas does with the host process of a view: start it, hand over
 * to it, send it batches, see it end. Each function is described where it is.
 */

#ifndef __UM_HOST_PROCESS_H
#define __UM_HOST_PROCESS_H

#ifdef __UM_HOST__
#include <stdbool.h>
#else
#include <linux/types.h>
#endif
#include <mm_id.h>

/* mem.c */
void stub_batch_init(struct mm_id *id);
void stub_batch_publish(struct mm_id *id);
int stub_batch_done(struct mm_id *id);
int stub_batch_run(struct mm_id *id);
unsigned int os_batch_run(const struct tlb_op *ops, unsigned int nr, int *err);
void os_yield(void);
unsigned long os_count_mappings(int pid);

/* handoff.c */
extern unsigned int *handoff_bells;
void handoff_prepare(struct mm_id *id);
int handoff_start(struct mm_id *id);
int handoff_run(struct mm_id *id);
void handoff_place_traced(struct mm_id *id);
void handoff_lost(struct mm_id *id);
void handoff_forget(struct mm_id *id);
void handoff_poll(void);
void handoff_idle(void);
void handoff_busy(void);
void handoff_tick(void);
void handoff_settle(struct mm_id *id);
void handoff_reset(struct mm_id *id);
void handoff_alarm(struct mm_id *id);

/* view.c */
int os_view_start(struct mm_id *id, void *stack);
void os_view_kill(struct mm_id *id);
void os_view_reap(struct mm_id *id);
bool os_view_alive(struct mm_id *id);
void os_view_lost(struct mm_id *id);
int os_view_settle(struct mm_id *id);
void os_view_forget(struct mm_id *id);

#endif
