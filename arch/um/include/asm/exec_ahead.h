/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __UM_EXEC_AHEAD_H
#define __UM_EXEC_AHEAD_H

void um_exec_ahead(void);

#endif
