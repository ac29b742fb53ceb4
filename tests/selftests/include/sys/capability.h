/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of libcap as the kernel's selftests in mm/ use: giving up all
 * capabilities. They can then be built where libcap's headers are missing.
 */
#ifndef SELFTESTS_CAPABILITY_H
#define SELFTESTS_CAPABILITY_H

#include <linux/capability.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define cap_t struct __user_cap_data_struct *

/* A set without any capability; NULL if there is no memory. */
static inline cap_t cap_init(void)
{
	return calloc(_LINUX_CAPABILITY_U32S_3,
		      sizeof(struct __user_cap_data_struct));
}

/* Give the set to this process; 0, or -1 with errno set. */
static inline int cap_set_proc(cap_t cap)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	return syscall(SYS_capset, &header, cap);
}

#endif /* SELFTESTS_CAPABILITY_H */
