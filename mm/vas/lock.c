// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments with a lock, which a thread takes by switching into a VAS that has
 * them: shared if it has the segment read-only there, else exclusively. After
 * SpaceJMP (ASPLOS 2016).
 *
 * A thread holds the locks of the VAS that it is inside of and no others: it
 * gives them up before it waits for those of the next one, and takes several in
 * the order of the segments' ids. So no two switches can wait for each other.
 */

#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/wait.h>
#include "vas.h"

struct vas_held {
	struct vas_segment *segment;
	bool exclusive;
};

/**
 * struct vas_locks - the locks that a thread holds
 * @nr:		how many
 * @lock:	by ascending id of the segment, each with a reference
 */
struct vas_locks {
	unsigned int nr;
	struct vas_held lock[] __counted_by(nr);
};

/**
 * vas_segment_lock_init() - set up the lock of a new segment
 * @segment:	the segment
 */
void vas_segment_lock_init(struct vas_segment *segment)
{
	init_waitqueue_head(&segment->wait);
}

/* Waiting writers come before new readers, or they might wait for ever. */
static bool try_lock(struct vas_segment *segment, bool exclusive)
{
	guard(spinlock)(&segment->wait.lock);
	if (exclusive) {
		if (segment->holders)
			return false;
		segment->holders = -1;
	} else {
		if (segment->holders < 0 || segment->writers_waiting)
			return false;
		segment->holders++;
	}
	return true;
}

static void unlock(struct vas_segment *segment, bool exclusive)
{
	guard(spinlock)(&segment->wait.lock);
	segment->holders = exclusive ? 0 : segment->holders - 1;
	if (!segment->holders)
		wake_up_all_locked(&segment->wait);
}

static void count_writer(struct vas_segment *segment, int by)
{
	guard(spinlock)(&segment->wait.lock);
	segment->writers_waiting += by;
	if (!segment->writers_waiting)
		wake_up_all_locked(&segment->wait);
}

static int lock(struct vas_segment *segment, bool exclusive)
{
	int err;

	if (try_lock(segment, exclusive))
		return 0;
	if (exclusive)
		count_writer(segment, 1);
	err = wait_event_killable(segment->wait, try_lock(segment, exclusive));
	if (exclusive)
		count_writer(segment, -1);
	return err ? -EINTR : 0;
}

static int by_id(const void *a, const void *b)
{
	const struct vas_held *x = a, *y = b;

	return x->segment->object.id - y->segment->object.id;
}

/**
 * vas_locks_list() - find out which locks entering a VAS takes
 * @attachment:	the attachment; the thread is counted in
 *
 * Context: process; takes vas.lock.
 * Return: the locks, for vas_locks_take(); NULL if it has none; an ERR_PTR():
 * -ENOMEM.
 */
struct vas_locks *vas_locks_list(struct vas_attachment *attachment)
{
	struct vas *vas = attachment->vas;
	struct vas_region *region;
	struct vas_locks *locks;
	unsigned long addr = 0;
	unsigned int nr = 0;

	if (!READ_ONCE(vas->lockable))
		return NULL;

	guard(mutex)(&vas->lock);
	locks = kzalloc_flex(*locks, lock, vas->lockable, GFP_KERNEL_ACCOUNT);
	if (!locks)
		return ERR_PTR(-ENOMEM);
	locks->nr = vas->lockable;

	mt_for_each(&vas->regions.tree, region, addr, ULONG_MAX) {
		if (!region->locking)
			continue;
		vas_object_get_ref(&region->segment->object);
		locks->lock[nr++] = (struct vas_held) {
			.segment = region->segment,
			.exclusive = vas_type_writes(attachment->type) &&
				     (region->prot_max & PROT_WRITE),
		};
	}
	sort(locks->lock, nr, sizeof(locks->lock[0]), by_id, NULL);
	return locks;
}

static void put_locks(struct vas_locks *locks, unsigned int nr_held)
{
	unsigned int i;

	for (i = 0; i < locks->nr; i++) {
		if (i < nr_held)
			unlock(locks->lock[i].segment,
			       locks->lock[i].exclusive);
		vas_segment_put(locks->lock[i].segment);
	}
	kfree(locks);
}

/**
 * vas_locks_take() - take the locks for entering a VAS
 * @locks:	what vas_locks_list() found; NULL is allowed
 *
 * Context: process, no lock held; waits for other threads to leave.
 * Return: 0, and they are to be given to vas_locks_release(); -EINTR if the
 * thread was killed, and @locks is no more.
 */
int vas_locks_take(struct vas_locks *locks)
{
	unsigned int i;
	int err;

	for (i = 0; locks && i < locks->nr; i++) {
		err = lock(locks->lock[i].segment, locks->lock[i].exclusive);
		if (err) {
			put_locks(locks, i);
			return err;
		}
	}
	return 0;
}

/**
 * vas_locks_release() - give locks back
 * @locks:	locks that vas_locks_take() has taken; NULL is allowed
 */
void vas_locks_release(struct vas_locks *locks)
{
	if (locks)
		put_locks(locks, locks->nr);
}
