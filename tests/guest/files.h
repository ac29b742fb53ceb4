/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The small files by which the kernel shows what it has and is told what to do:
 * those of /proc, /sys and of control groups.
 */
#ifndef FILES_H
#define FILES_H

#include "ktap.h"

#include <fcntl.h>

static inline void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	require(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text),
		"%s: %s", path, strerror(errno));
	close(fd);
}

/* As much of it as fits into size bytes, with a zero behind. */
static inline void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	require(n >= 0, "%s: %s", path, strerror(errno));
	text[n] = 0;
	close(fd);
}

/* The number behind a name that a line begins with; -1 if there is none. */
static inline long number_in(const char *path, const char *name)
{
	FILE *f = fopen(path, "r");
	char line[256];
	long value = -1;

	require(f, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name));
	fclose(f);
	return value;
}

#endif
