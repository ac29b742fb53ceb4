// SPDX-License-Identifier: GPL-2.0-only
/*
 * vasctl: list, show, make and delete virtual address spaces and segments, as
 * ipcs and ipcrm do for System V IPC, and run a command with one attached.
 *
 * Exit status: 0; 1 if the kernel refused, 2 if the command line is wrong; of
 * exec, the command's own, 126 if it cannot be run, 127 if there is none.
 */

#define _GNU_SOURCE
#include <argp.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vas.h"

#define EXIT_REFUSED	1
#define EXIT_USAGE	2
#define EXIT_NO_EXEC	126
#define EXIT_NOT_FOUND	127

#define SYSFS	"/sys/kernel/"
#define SPACES	"vas"
#define SEGMENTS	"vas_segs"

struct options {
	bool json;
	bool read_only;
	unsigned int mode;
	int argc;
	char **argv;
};

static const struct argp_option option_table[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ "mode", 'm', "OCTAL", 0, "Permissions of what is made (0600)", 0 },
	{ "read-only", 'r', NULL, 0, "Attach read-only", 0 },
	{ 0 }
};

static const char commands[] =
	"list\n"
	"show VAS\n"
	"create NAME\n"
	"clone VAS NAME\n"
	"delete VAS\n"
	"exec VAS -- COMMAND [ARGUMENT...]\n"
	"seg list\n"
	"seg show SEGMENT\n"
	"seg create NAME START END [FILE]\n"
	"seg delete SEGMENT\n"
	"seg attach VAS SEGMENT\n"
	"seg detach VAS SEGMENT";

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	char *end;

	switch (key) {
	case 'j':
		options->json = true;
		break;
	case 'r':
		options->read_only = true;
		break;
	case 'm':
		options->mode = strtoul(argument, &end, 8);
		if (!*argument || *end || options->mode > 0666)
			argp_error(state, "%s is no mode", argument);
		break;
	case ARGP_KEY_ARGS:
		options->argc = state->argc - state->next;
		options->argv = state->argv + state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp parser = {
	option_table, parse_option, commands,
	"Manage virtual address spaces and segments.\vVAS, SEGMENT: a name, or an id as @1\n"
	"START, END: addresses; END can be a size, as +64K", NULL, NULL, NULL
};

static int usage(const char *what)
{
	fprintf(stderr, "vasctl: %s (see vasctl --help)\n", what);
	return EXIT_USAGE;
}

static int refused(const char *what)
{
	fprintf(stderr, "vasctl: %s: %s\n", what,
		errno == ESRCH ? "no such object" : strerror(errno));
	return EXIT_REFUSED;
}

/* The id that a name or @id means; below 0 with errno set if there is none. */
static int find(const char *what, int (*by_name)(const char *name))
{
	char *end;
	long id;

	if (*what != '@')
		return by_name(what);
	id = strtol(what + 1, &end, 10);
	if (what[1] && !*end && id > 0 && id <= INT_MAX)
		return id;
	errno = EINVAL;
	return -1;
}

/*
 * Showing
 */

static bool read_attribute(const char *folder, int id, const char *file,
			   char *text, size_t size)
{
	char path[64];
	FILE *stream;
	size_t n;

	snprintf(path, sizeof(path), SYSFS "%s/%d/%s", folder, id, file);
	stream = fopen(path, "re");
	if (!stream)
		return false;
	n = fread(text, 1, size - 1, stream);
	if (ferror(stream))
		n = 0;
	fclose(stream);
	text[n] = 0;
	if (n && text[n - 1] == '\n')
		text[n - 1] = 0;
	return n;
}

static void print_json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* Control characters in a name must not reach the terminal. */
static void print_name(const char *text)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

/* False if it has gone meanwhile, or belongs to another ipc namespace. */
static bool show_one(const char *folder, int id, bool json, const char *before)
{
	char name[VAS_NAME_MAX + 2], mode[16], user[16], group[16];
	char region[64] = "";
	bool segment = !strcmp(folder, SEGMENTS);

	if (!read_attribute(folder, id, "name", name, sizeof(name)) ||
	    !read_attribute(folder, id, "mode", mode, sizeof(mode)) ||
	    !read_attribute(folder, id, "user", user, sizeof(user)) ||
	    !read_attribute(folder, id, "group", group, sizeof(group)) ||
	    (segment && !read_attribute(folder, id, "region", region,
					sizeof(region))))
		return false;

	if (!json) {
		printf("%6d  %-4s %6s %6s  %s%s", id, mode, user, group,
		       region, segment ? "  " : "");
		print_name(name);
		putchar('\n');
		return true;
	}
	printf("%s{\"id\": %d, \"name\": ", before, id);
	print_json_string(name);
	printf(", \"mode\": \"%s\", \"user\": %s, \"group\": %s", mode, user,
	       group);
	if (segment)
		printf(", \"region\": \"%s\"", region);
	putchar('}');
	return true;
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	long x = strtol((*a)->d_name, NULL, 10);
	long y = strtol((*b)->d_name, NULL, 10);

	return (x > y) - (x < y);
}

static int is_number(const struct dirent *entry)
{
	return isdigit((unsigned char)entry->d_name[0]);
}

static int list(const char *folder, const struct options *options)
{
	struct dirent **entry;
	const char *before = "";
	char path[64];
	int i, count;

	snprintf(path, sizeof(path), SYSFS "%s", folder);
	count = scandir(path, &entry, is_number, by_number);
	if (count < 0)
		return refused(path);

	if (options->json)
		putchar('[');
	else
		printf("%6s  %-4s %6s %6s  %s\n", "ID", "MODE", "USER", "GROUP",
		       strcmp(folder, SEGMENTS) ? "NAME" :
		       "REGION                     NAME");
	for (i = 0; i < count; i++) {
		if (show_one(folder, strtol(entry[i]->d_name, NULL, 10),
			     options->json, before))
			before = ", ";
		free(entry[i]);
	}
	free(entry);
	if (options->json)
		puts("]");
	return 0;
}

static int show(const char *folder, const char *what,
		const struct options *options)
{
	int id = find(what, strcmp(folder, SEGMENTS) ? vas_find : vas_seg_find);

	errno = id < 0 ? errno : ESRCH;
	if (id < 0 || !show_one(folder, id, options->json, ""))
		return refused(what);
	if (options->json)
		putchar('\n');
	return 0;
}

/*
 * Changing
 */

static int made(int id, const char *name, const struct options *options)
{
	if (id < 0)
		return refused(name);
	printf(options->json ? "{\"id\": %d}\n" : "%d\n", id);
	return 0;
}

static int clone_vas(const struct options *options)
{
	int vid = find(options->argv[1], vas_find);

	if (vid < 0)
		return refused(options->argv[1]);
	return made(vas_clone(vid, options->argv[2], options->mode),
		    options->argv[2], options);
}

static int delete_vas(const char *what)
{
	int vid = find(what, vas_find);

	return vid < 0 || vas_delete(vid) ? refused(what) : 0;
}

static int delete_segment(const char *what)
{
	int sid = find(what, vas_seg_find);

	return sid < 0 || vas_seg_delete(sid) ? refused(what) : 0;
}

static int run_command(char **argv)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	execvp(*argv, argv);
	fprintf(stderr, "vasctl: %s: %s\n", *argv, strerror(errno));
	return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXEC;
}

static int exit_status(pid_t child, int status)
{
	while (!WIFEXITED(status) && !WIFSIGNALED(status))
		if (waitpid(child, &status, 0) < 0)
			return EXIT_REFUSED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * execve() drops attachments. So the command is stopped when it has been loaded,
 * has the VAS attached from here, and goes on; it finds the id in VAS_ID.
 */
static int run_with(const struct options *options)
{
	char **argv = options->argv + 2;
	int vid, status, refusal = 0;
	char number[16];
	pid_t child;

	if (options->argc > 2 && !strcmp(*argv, "--"))
		argv++;
	if (!*argv)
		return usage("exec needs a command");
	vid = find(options->argv[1], vas_find);
	if (vid < 0)
		return refused(options->argv[1]);

	snprintf(number, sizeof(number), "%d", vid);
	setenv("VAS_ID", number, 1);
	child = fork();
	if (!child)
		_exit(run_command(argv));
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return refused(*argv);
	if (!WIFSTOPPED(status))
		return exit_status(child, status);

	if (vas_attach(child, vid, options->read_only ? O_RDONLY : O_RDWR)) {
		refusal = refused(options->argv[1]);
		kill(child, SIGKILL);
	}
	ptrace(PTRACE_DETACH, child, NULL, NULL);
	status = exit_status(child, status);
	return refusal ? refusal : status;
}

static bool parse_address(const char *text, unsigned long base,
			  unsigned long *address)
{
	unsigned int shift = 0;
	const char *unit;
	char *end;

	errno = 0;
	*address = strtoul(*text == '+' ? text + 1 : text, &end, 0);
	if (errno || end == text)
		return false;
	for (unit = "KMG"; *unit; unit++) {
		shift += 10;
		if (*end == *unit) {
			*address <<= shift;
			end++;
			break;
		}
	}
	if (*text == '+')
		*address += base;
	return !*end;
}

static int create_segment(const struct options *options)
{
	char **argv = options->argv + 1;
	unsigned long start, end;
	int sid, fd;

	if (!parse_address(argv[2], 0, &start) ||
	    !parse_address(argv[3], start, &end))
		return usage("START and END are addresses");
	if (options->argc == 5)
		return made(vas_seg_create(argv[1], start, end, options->mode),
			    argv[1], options);

	fd = open(argv[4], (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return refused(argv[4]);
	sid = vas_seg_create_fd(argv[1], start, end, options->mode, fd);
	close(fd);
	return made(sid, argv[1], options);
}

static int change_segment(const struct options *options, bool attach)
{
	int vid = find(options->argv[2], vas_find), sid, err;

	if (vid < 0)
		return refused(options->argv[2]);
	sid = find(options->argv[3], vas_seg_find);
	if (sid < 0)
		return refused(options->argv[3]);
	if (attach)
		err = vas_seg_attach(vid, sid, options->read_only ? O_RDONLY
								  : O_RDWR);
	else
		err = vas_seg_detach(vid, sid);
	return err ? refused(options->argv[3]) : 0;
}

static bool is(const struct options *options, int word, const char *name,
	       int min, int max)
{
	return options->argc >= min && options->argc <= max &&
	       !strcmp(options->argv[word], name);
}

static int segment_command(const struct options *options)
{
	if (is(options, 1, "list", 2, 2))
		return list(SEGMENTS, options);
	if (is(options, 1, "show", 3, 3))
		return show(SEGMENTS, options->argv[2], options);
	if (is(options, 1, "create", 5, 6))
		return create_segment(options);
	if (is(options, 1, "delete", 3, 3))
		return delete_segment(options->argv[2]);
	if (is(options, 1, "attach", 4, 4))
		return change_segment(options, true);
	if (is(options, 1, "detach", 4, 4))
		return change_segment(options, false);
	return usage("no such command");
}

int main(int argc, char **argv)
{
	struct options options = { .mode = 0600 };

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&parser, argc, argv, 0, NULL, &options);

	if (options.argc > 1 && !strcmp(options.argv[0], "seg"))
		return segment_command(&options);
	if (is(&options, 0, "list", 1, 1))
		return list(SPACES, &options);
	if (is(&options, 0, "show", 2, 2))
		return show(SPACES, options.argv[1], &options);
	if (is(&options, 0, "create", 2, 2))
		return made(vas_create(options.argv[1], options.mode),
			    options.argv[1], &options);
	if (is(&options, 0, "clone", 3, 3))
		return clone_vas(&options);
	if (is(&options, 0, "delete", 2, 2))
		return delete_vas(options.argv[1]);
	if (is(&options, 0, "exec", 2, INT_MAX))
		return run_with(&options);
	return usage("no such command");
}
