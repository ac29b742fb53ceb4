// SPDX-License-Identifier: GPL-2.0-only
/*
 * A load like that of make: a busybox shell that runs small programs, looks
 * for files, pipes and redirects. One operation is one "object": a source is
 * written, copied, compared, counted and listed in an index. Each program is
 * started as "busybox NAME", so that the shell cannot run it within itself.
 * The index must come out right.
 */

#include "bench.h"

static const char script[] =
	"set -e\n"
	"i=0\n"
	"while [ $i -lt $1 ]; do\n"
	"	i=$((i + 1))\n"
	"	echo \"int object_$i;\" > source\n"
	"	busybox sed s/int/long/ source > object\n"
	"	busybox cp object copy\n"
	"	busybox cmp object copy\n"
	"	name=$(busybox cut -d' ' -f2 copy)\n"
	"	lines=$(busybox cat source object copy | busybox wc -l)\n"
	"	busybox test $lines -eq 3\n"
	"	echo \"$name\" >> index\n"
	"	busybox rm source object copy\n"
	"done\n";

static char directory[256];

static void enter_new_directory(const struct metric *m)
{
	const char *parent = getenv("TMPDIR");

	(void)m;
	snprintf(directory, sizeof(directory), "%s/bench_shell.XXXXXX",
		 parent ? parent : "/tmp");
	if (!mkdtemp(directory) || chdir(directory))
		die(directory);
}

static void leave_directory(const struct metric *m)
{
	(void)m;
	if (chdir("/") || rmdir(directory))
		die(directory);
}

static void check_index(long ops)
{
	FILE *index = fopen("index", "r");
	long number;

	if (!index)
		die("index");
	for (long i = 1; i <= ops; i++)
		expect(fscanf(index, "object_%ld;\n", &number) == 1 &&
		       number == i, "line of the index");
	expect(fgetc(index) == EOF, "length of the index");
	fclose(index);
	if (unlink("index"))
		die("index");
}

static uint64_t run_shell(const struct metric *m, long ops)
{
	char count[32];
	uint64_t start;
	int status;
	pid_t pid;

	(void)m;
	snprintf(count, sizeof(count), "%ld", ops);
	start = now_ns();
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		execlp("busybox", "busybox", "sh", "-c", script, "sh", count,
		       (char *)NULL);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	start = now_ns() - start;
	expect(!status, "exit status of the shell");
	check_index(ops);
	return start;
}

static const struct metric metrics[] = {
	{ .name = "shell_build", .unit = "us", .first_ops = 1,
	  .setup = enter_new_directory, .run = run_shell,
	  .teardown = leave_directory },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics, 1);
}
