/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __CPU_RELAX_H
#define __CPU_RELAX_H

/* os-Linux/skas/placement.c */
void um_cpu_relax(void);

#endif
