/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __UM_MEMORY_FILE_H
#define __UM_MEMORY_FILE_H

int os_memory_file(void);

#endif
