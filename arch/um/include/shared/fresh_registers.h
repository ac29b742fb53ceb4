/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __UM_FRESH_REGISTERS_H
#define __UM_FRESH_REGISTERS_H

void fresh_registers(unsigned long *regs, void *fp, unsigned long fp_size);

#endif
