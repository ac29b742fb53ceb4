/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the memory path (arch/um/kernel/tlb*.c) has for the code that talks to
 * the host. Each function is described where it is.
 */

#ifndef __UM_TLB_HOST_H
#define __UM_TLB_HOST_H

struct mm_id;
struct tlb_op;

int um_tlb_recover(struct mm_id *id, int err, const struct tlb_op *op);
void um_tlb_lost(struct mm_id *id);
void um_tlb_handoff(struct mm_id *id);
void um_tlb_batch_succeeded(struct mm_id *id);
void um_tlb_kernel_touch(const void *buf, int len);

#endif
