// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending batches: to a host process, which runs them in its stub page
 * (kernel/skas/stub_batch.h), or to this very process for the kernel's range.
 *
 * Every host call is checked. What a host process says of a failure is only
 * believed as far as it concerns itself: it shares its data page with guest
 * code.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <init.h>
#include <as-layout.h>
#include <host_process.h>
#include <kern_util.h>
#include <mem.h>
#include <mm_id.h>
#include <os.h>
#include <skas.h>
#include <stub-data.h>
#include <tlb_host.h>
#include "run_guest.h"

static int memory_fd(void)
{
	unsigned long long offset;

	return phys_mapping(0, &offset);
}

/**
 * stub_batch_init() - give a new host process an empty batch
 * @id:		the host process, with its shared pages in id->stack
 */
void stub_batch_init(struct mm_id *id)
{
	struct stub_data *data = (void *)id->stack;

	tlb_batch_init(&id->batch, data->syscall_data,
		       ARRAY_SIZE(data->syscall_data));
}

/**
 * stub_batch_publish() - complete the batch that the next resumption runs
 * @id:		the host process, stopped
 */
void stub_batch_publish(struct mm_id *id)
{
	struct stub_data *data = (void *)id->stack;

	um_tlb_handoff(id);
	data->syscall_data_len = tlb_batch_finish(&id->batch);
	data->mem_fd = using_seccomp ? STUB_MEMORY_FD : memory_fd();
	data->mem_token = id->batch.ops_made[TLB_FILL] ||
			  id->batch.ops_made[TLB_PROTECT] ? id->mem_token : 0;
}

/**
 * stub_batch_done() - see how the published batch went
 * @id:		the host process, stopped again
 *
 * Return: 0 if all of it was done; 1 if not, but the guest can go on; a
 * negative errno if the current process is to die. If not 0, no guest code ran.
 */
int stub_batch_done(struct mm_id *id)
{
	struct stub_data *data = (void *)id->stack;
	unsigned int nr = id->batch.nr, failed;
	struct tlb_op op;
	long err;

	if (nr == 0)
		return 0;

	err = data->err;
	if (err >= 0) {
		tlb_batch_reset(&id->batch);
		um_tlb_batch_succeeded(id);
		return 0;
	}

	failed = data->syscall_data_len;
	op = data->syscall_data[failed < nr ? failed : 0];
	err = um_tlb_recover(id, err, &op);
	return err ? err : 1;
}

/**
 * stub_batch_run() - have a host process run its batch, and nothing else
 * @id:		the host process of the current task, or of no mm; stopped
 *
 * Return: 0, also when a failure was recovered from; a negative errno if the
 * current process is to die.
 */
int stub_batch_run(struct mm_id *id)
{
	struct stub_data *data = (void *)id->stack;
	int err;

	if (tlb_batch_empty(&id->batch))
		return 0;

	stub_batch_publish(id);
	data->restart_wait = 1;
	err = using_seccomp ? handoff_run(id) : traced_run_batch(id);
	if (err) {
		os_view_lost(id);
		um_tlb_lost(id);
		return err;
	}

	err = stub_batch_done(id);
	return err < 0 ? err : 0;
}

static int run_op(const struct tlb_op *op)
{
	void *addr = (void *)op->addr;
	int err = -1;

	switch (op->kind) {
	case TLB_FILL:
		if (mmap64(addr, op->len, op->prot & TLB_PROT,
			   MAP_SHARED | MAP_FIXED, memory_fd(),
			   op->offset) != MAP_FAILED)
			err = 0;
		break;
	case TLB_PROTECT:
		err = mprotect(addr, op->len, op->prot);
		break;
	case TLB_INVALIDATE:
		err = munmap(addr, op->len);
		break;
	default:
		errno = EOPNOTSUPP;
	}
	return err ? -errno : 0;
}

/**
 * os_batch_run() - run operations in the kernel's own process
 * @ops:	the operations
 * @nr:		how many
 * @err:	set to 0, or to the negative errno of the one that failed
 *
 * Return: how many succeeded; those behind a failure are not tried.
 */
unsigned int os_batch_run(const struct tlb_op *ops, unsigned int nr, int *err)
{
	unsigned int i;

	*err = 0;
	for (i = 0; i < nr; i++) {
		*err = run_op(&ops[i]);
		if (*err)
			break;
	}
	return i;
}

/**
 * os_yield() - let another host thread run
 */
void os_yield(void)
{
	sched_yield();
}

/**
 * os_count_mappings() - how many mappings a host process has
 * @pid:	its host pid
 *
 * Return: the number of lines in its /proc/PID/maps, 0 if it cannot be read.
 */
unsigned long os_count_mappings(int pid)
{
	unsigned long lines = 0;
	char buf[1024];
	ssize_t n, i;
	int fd;

	snprintf(buf, sizeof(buf), "/proc/%d/maps", pid);
	fd = open(buf, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;

	for (;;) {
		CATCH_EINTR(n = read(fd, buf, sizeof(buf)));
		if (n <= 0)
			break;
		for (i = 0; i < n; i++)
			lines += buf[i] == '\n';
	}
	close(fd);
	return lines;
}
