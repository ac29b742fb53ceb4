/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __UM_SECCOMP_H
#define __UM_SECCOMP_H

#include <signal.h>

struct mm_id;
struct uml_pt_regs;

int seccomp_run_guest(struct mm_id *id, struct uml_pt_regs *regs,
		      siginfo_t *si);

#endif
