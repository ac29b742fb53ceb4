/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding the stub: the pages that the kernel keeps in each host process, above
 * the highest user address. The lowest of them is code.
 */
#ifndef STUB_H
#define STUB_H

#include "memory.h"

#define STUB_SEARCH_START 0x7ffffff00000ul
#define STUB_SEARCH_END 0x7ffffffff000ul

/* Where a fault, or another signal that is caught, goes on. */
static sigjmp_buf back;

static inline void jump_back(int sig)
{
	siglongjmp(back, sig);
}

static inline void jump_back_on(int sig, int flags)
{
	struct sigaction action = { .sa_handler = jump_back,
				    .sa_flags = flags };

	require_call(sigaction(sig, &action, NULL) == 0);
}

/*
 * The address of the stub's nth "syscall" instruction, from 0; NULL if there is
 * none. Faults must jump back.
 */
static __attribute__((noinline, noclone)) char *stub_syscall(volatile int n)
{
	char *volatile page = (char *)STUB_SEARCH_START;

	for (; page < (char *)STUB_SEARCH_END; page += PAGE) {
		volatile unsigned char *code = (volatile unsigned char *)page;
		int i;

		if (sigsetjmp(back, 1))
			continue;
		for (i = 0; i < (int)PAGE - 1; i++)
			if (code[i] == 0x0f && code[i + 1] == 0x05 && n-- == 0)
				return page + i;
	}
	return NULL;
}

#endif
