/* SPDX-License-Identifier: GPL-2.0-only */
/* Running guest code in a host process: seccomp.c and traced.c, one for each mode */
#ifndef __UM_RUN_GUEST_H
#define __UM_RUN_GUEST_H

#include <signal.h>

struct mm_id;
struct uml_pt_regs;

int seccomp_run_guest(struct mm_id *id, struct uml_pt_regs *regs,
		      siginfo_t *si);
int traced_run_guest(struct mm_id *id, struct uml_pt_regs *regs,
		     siginfo_t *si);
int traced_run_batch(struct mm_id *id);

#endif
