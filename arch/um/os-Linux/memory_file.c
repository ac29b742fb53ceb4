// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file behind the guest's physical memory.
 *
 * An anonymous memory file needs no directory: it is not bound by the size of
 * /dev/shm (64 MB in many containers) and cannot be on a disk or on a mount
 * without exec. A directory that the user names in the environment, and a host
 * that refuses such files, lead back to a temporary file.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <init.h>
#include <memory_file.h>
#include <user.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int __init directory_named(void)
{
	static const char * const vars[] = { "TMPDIR", "TMP", "TEMP" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vars); i++) {
		const char *dir = getenv(vars[i]);

		if (dir && *dir)
			return 1;
	}
	return 0;
}

/**
 * os_memory_file() - make an anonymous file that can be mapped executable
 *
 * Return: a file descriptor, or -1 when a temporary file is to be used.
 */
int __init os_memory_file(void)
{
	int fd;

	if (directory_named())
		return -1;

	fd = memfd_create("uml-memory", MFD_CLOEXEC | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)	/* hosts before Linux 6.3 */
		fd = memfd_create("uml-memory", MFD_CLOEXEC);
	return fd;
}
