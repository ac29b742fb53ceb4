/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __UM_FRESH_REGISTERS_H
#define __UM_FRESH_REGISTERS_H

/* The floating point state of a new program, host_fp_size bytes */
extern unsigned long *exec_fp_regs;

void fresh_registers(unsigned long *regs, void *fp, unsigned long fp_size);

#endif
