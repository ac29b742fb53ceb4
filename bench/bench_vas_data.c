// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work on data in first-class virtual address spaces, and on the same data in
 * the ways that there are without them. After SpaceJMP (ASPLOS 2016).
 *
 * Random updates (GUPS) of a table that is seen through a window, which shows one
 * of 1, 8 or 64 parts of it; each turns to a random part for BATCH updates.
 *
 *	vas_gups_switch_N	each part is a VAS, the process switches
 *	vas_gups_process_N	each part belongs to a process, which gets a message
 *	vas_gups_remap_N	each part is a range of a memfd, mapped anew
 *
 * A hash table that CLIENTS processes share; one operation in ten writes.
 *
 *	vas_index_segment	it is in a segment with a lock, all work on it
 *	vas_index_socket	it is in a server, which they ask through sockets
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>
#include <sys/socket.h>
#include <vas.h>

#include "bench.h"

#define PARTS_MAX	64
#define PART_BYTES	MIB
#define PART_WORDS	(PART_BYTES / sizeof(uint64_t))
#define BATCH		64
#define CLIENTS		4
#define KEYS		(1 << 14)

static uint64_t random_state = 88172645463325252ULL;

/* xorshift64 (Marsaglia, 2003) */
static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/*
 * Random updates
 */

static int parts, vid[PARTS_MAX], table_file, to_part[PARTS_MAX][2];
static pid_t part_process[PARTS_MAX];
static volatile uint64_t *window;

static void update(volatile uint64_t *words, uint64_t seed)
{
	for (int i = 0; i < BATCH; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		words[(seed >> 33) % PART_WORDS] ^= seed;
	}
}

static void setup_switch(const struct metric *m)
{
	char name[16];

	parts = number_of(m);
	window = (uint64_t *)VAS_WINDOW_START;
	for (int i = 0; i < parts; i++) {
		snprintf(name, sizeof(name), "part%d", i);
		vid[i] = checked(vas_create(name, 0600), "vas_create");
		checked(vas_attach(0, vid[i], O_RDWR), "vas_attach");
		checked(vas_switch(vid[i]), "vas_switch");
		if (mmap((void *)window, PART_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		    (void *)window)
			die("mmap");
		write_pages((unsigned char *)window, PART_BYTES, 1);
	}
}

static uint64_t run_switch(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		checked(vas_switch(vid[next_random() % parts]), "vas_switch");
		update(window, i);
	}
	return now_ns() - start;
}

static void drop_switch(const struct metric *m)
{
	(void)m;
	checked(vas_switch(0), "vas_switch");
	for (int i = 0; i < parts; i++) {
		checked(vas_detach(0, vid[i]), "vas_detach");
		checked(vas_delete(vid[i]), "vas_delete");
	}
}

static void serve_part(int fd)
{
	unsigned char *words = map_anonymous(PART_BYTES);
	uint64_t seed;

	write_pages(words, PART_BYTES, 1);
	while (read(fd, &seed, sizeof(seed)) == sizeof(seed)) {
		update((uint64_t *)words, seed);
		if (write(fd, &seed, sizeof(seed)) != sizeof(seed))
			_exit(1);
	}
	_exit(CHILD_STATUS);
}

static void setup_process(const struct metric *m)
{
	parts = number_of(m);
	for (int i = 0; i < parts; i++) {
		checked(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, to_part[i]),
			"socketpair");
		part_process[i] = checked(fork(), "fork");
		if (!part_process[i]) {
			for (int j = 0; j <= i; j++)
				close(to_part[j][0]);
			serve_part(to_part[i][1]);
		}
		close(to_part[i][1]);
	}
}

static uint64_t run_process(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		int fd = to_part[next_random() % parts][0];
		uint64_t seed = i;

		if (write(fd, &seed, sizeof(seed)) != sizeof(seed) ||
		    read(fd, &seed, sizeof(seed)) != sizeof(seed))
			die("message");
	}
	return now_ns() - start;
}

static void drop_process(const struct metric *m)
{
	(void)m;
	for (int i = 0; i < parts; i++)
		close(to_part[i][0]);
	for (int i = 0; i < parts; i++)
		wait_for_child(part_process[i]);
}

static void show_part(int part)
{
	if (mmap((void *)window, PART_BYTES, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, table_file, part * PART_BYTES) !=
	    (void *)window)
		die("mmap");
}

static void setup_remap(const struct metric *m)
{
	parts = number_of(m);
	window = (uint64_t *)map_anonymous(PART_BYTES);
	table_file = checked(memfd_create("table", 0), "memfd_create");
	checked(ftruncate(table_file, parts * PART_BYTES), "ftruncate");
	for (int i = 0; i < parts; i++) {
		show_part(i);
		write_pages((unsigned char *)window, PART_BYTES, 1);
	}
}

static uint64_t run_remap(const struct metric *m, long ops)
{
	uint64_t start = now_ns();

	(void)m;
	for (long i = 0; i < ops; i++) {
		show_part(next_random() % parts);
		update(window, i);
	}
	return now_ns() - start;
}

static void drop_remap(const struct metric *m)
{
	(void)m;
	munmap((void *)window, PART_BYTES);
	close(table_file);
}

/*
 * The index: open addressing, never full
 */

struct slot {
	uint64_t key;
	uint64_t value;
};

struct request {
	uint64_t key;
	uint64_t value;
	int write;
};

#define INDEX_SLOTS	(2 * KEYS)
#define INDEX_BYTES	(INDEX_SLOTS * sizeof(struct slot))

static struct slot *table;
static int reader, writer, segment;

static struct slot *find_slot(uint64_t key)
{
	uint64_t at = key * 11400714819323198485ULL >> 40;

	while (table[at % INDEX_SLOTS].key != key &&
	       table[at % INDEX_SLOTS].key)
		at++;
	return &table[at % INDEX_SLOTS];
}

static void put(uint64_t key, uint64_t value)
{
	struct slot *slot = find_slot(key);

	slot->key = key;
	slot->value = value;
}

static void fill_index(void)
{
	for (uint64_t key = 1; key <= KEYS; key++)
		put(key, key);
}

static struct request some_request(void)
{
	uint64_t random = next_random();
	uint64_t key = random % KEYS + 1;

	return (struct request) { key, key, (random >> 40) % 10 == 0 };
}

/* CLIENTS processes make ops requests together; nanoseconds from first to last */
static uint64_t run_clients(long ops, void (*ask)(struct request *request),
			    void (*begin)(int client))
{
	pid_t client[CLIENTS];
	int ready[2], go[2];
	uint64_t start;
	char byte;

	checked(pipe(ready), "pipe");
	checked(pipe(go), "pipe");
	for (int i = 0; i < CLIENTS; i++) {
		client[i] = checked(fork(), "fork");
		if (client[i])
			continue;
		random_state += i;
		begin(i);
		close(go[1]);
		/* The end of the pipe is the sign for all of them. */
		if (write(ready[1], "", 1) != 1 || read(go[0], &byte, 1))
			_exit(1);
		for (long n = 0; n < ops / CLIENTS + 1; n++) {
			struct request request = some_request();
			uint64_t key = request.key;

			ask(&request);
			expect(request.value == key, "value in the index");
		}
		_exit(CHILD_STATUS);
	}
	for (int i = 0; i < CLIENTS; i++)
		if (read(ready[0], &byte, 1) != 1)
			die("client");
	start = now_ns();
	close(go[1]);
	for (int i = 0; i < CLIENTS; i++)
		wait_for_child(client[i]);
	start = now_ns() - start;
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
	return start;
}

static void answer(struct request *request)
{
	if (request->write)
		put(request->key, request->value);
	request->value = find_slot(request->key)->value;
}

static int index_vas(const char *name, int type)
{
	int id = checked(vas_create(name, 0600), "vas_create");

	checked(vas_seg_attach(id, segment, type | VAS_SEG_LOCK),
		"vas_seg_attach");
	return id;
}

static void attach_index(int client)
{
	(void)client;
	checked(vas_attach(0, reader, O_RDWR), "vas_attach");
	checked(vas_attach(0, writer, O_RDWR), "vas_attach");
}

static void setup_index(const struct metric *m)
{
	(void)m;
	table = (struct slot *)VAS_WINDOW_START;
	segment = checked(vas_seg_create("index", VAS_WINDOW_START,
					 VAS_WINDOW_START + INDEX_BYTES, 0600),
			  "vas_seg_create");
	reader = index_vas("reader", O_RDONLY);
	writer = index_vas("writer", O_RDWR);
	checked(vas_attach(0, writer, O_RDWR), "vas_attach");
	checked(vas_switch(writer), "vas_switch");
	fill_index();
	checked(vas_switch(0), "vas_switch");
	checked(vas_detach(0, writer), "vas_detach");
}

static void ask_segment(struct request *request)
{
	checked(vas_switch(request->write ? writer : reader), "vas_switch");
	answer(request);
	checked(vas_switch(0), "vas_switch");
}

static uint64_t run_index(const struct metric *m, long ops)
{
	(void)m;
	return run_clients(ops, ask_segment, attach_index);
}

static void drop_index(const struct metric *m)
{
	(void)m;
	checked(vas_delete(reader), "vas_delete");
	checked(vas_delete(writer), "vas_delete");
	checked(vas_seg_delete(segment), "vas_seg_delete");
}

static int server_socket[CLIENTS][2], client_socket;
static pid_t server;

static void serve_index(void)
{
	struct pollfd fds[CLIENTS];
	struct request request;

	for (int i = 0; i < CLIENTS; i++)
		fds[i] = (struct pollfd) { server_socket[i][1], POLLIN, 0 };
	for (;;) {
		if (poll(fds, CLIENTS, -1) < 0)
			_exit(1);
		for (int i = 0; i < CLIENTS; i++) {
			if (!(fds[i].revents & POLLIN))
				continue;
			/* The parent ends it by a message without contents. */
			if (read(fds[i].fd, &request, sizeof(request)) !=
			    sizeof(request))
				_exit(CHILD_STATUS);
			answer(&request);
			if (write(fds[i].fd, &request, sizeof(request)) !=
			    sizeof(request))
				_exit(1);
		}
	}
}

static void setup_socket(const struct metric *m)
{
	(void)m;
	for (int i = 0; i < CLIENTS; i++)
		checked(socketpair(AF_UNIX, SOCK_SEQPACKET, 0,
				   server_socket[i]), "socketpair");
	server = checked(fork(), "fork");
	if (server)
		return;
	table = (struct slot *)map_anonymous(INDEX_BYTES);
	fill_index();
	serve_index();
}

static void take_socket(int client)
{
	client_socket = server_socket[client][0];
}

static void ask_socket(struct request *request)
{
	if (write(client_socket, request, sizeof(*request)) !=
	    sizeof(*request) ||
	    read(client_socket, request, sizeof(*request)) != sizeof(*request))
		die("request");
}

static uint64_t run_socket(const struct metric *m, long ops)
{
	(void)m;
	return run_clients(ops, ask_socket, take_socket);
}

static void drop_socket(const struct metric *m)
{
	(void)m;
	checked(send(server_socket[0][0], "", 0, 0), "send");
	wait_for_child(server);
	for (int i = 0; i < CLIENTS; i++) {
		close(server_socket[i][0]);
		close(server_socket[i][1]);
	}
}

#define GUPS(way, number)						\
	{ .name = "vas_gups_" #way "_" number, .unit = "us",		\
	  .first_ops = 20, .setup = setup_##way, .run = run_##way,	\
	  .teardown = drop_##way }

static const struct metric metrics[] = {
	GUPS(switch, "1"), GUPS(process, "1"), GUPS(remap, "1"),
	GUPS(switch, "8"), GUPS(process, "8"), GUPS(remap, "8"),
	GUPS(switch, "64"), GUPS(process, "64"), GUPS(remap, "64"),
	{ .name = "vas_index_segment", .unit = "us", .first_ops = 1000,
	  .setup = setup_index, .run = run_index, .teardown = drop_index },
	{ .name = "vas_index_socket", .unit = "us", .first_ops = 1000,
	  .setup = setup_socket, .run = run_socket, .teardown = drop_socket },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, metrics,
			  sizeof(metrics) / sizeof(metrics[0]));
}
