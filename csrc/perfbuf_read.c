/*
 * Reading perf buffers: our own walk of the mappings that libbpf has made (perfbuf.c).
 *
 * libbpf's reader cannot do what a reader in Python must, for the reasons that ringbuf.c has: perf_buffer__consume()
 * and perf_buffer__poll() go on for as long as a producer keeps up with them; a sample function has no way to leave in
 * the buffer what does not fit (perf_event_read_simple() passes over a record for which it stops, too); and a record
 * that wraps around is copied twice. The walk here moves at most so many records and bytes into memory of the caller's,
 * publishes `data_tail` behind what has been copied, and leaves the rest. The other thing that libbpf lacks is the order
 * of time among CPUs. tests/kernel/test_perf_buffer_walk.py compares the two readers.
 *
 * Waiting and closing are a ring buffer reader's, of no rings (the gate). A perf event is not readable for as long as
 * it has records: the kernel forgets that it was at the first poll (perf_poll()). So each wait is preceded and followed
 * by a look at the buffers themselves, and for who waits elsewhere lbc_perf_reader__look() makes the gate's eventfd say
 * what is there.
 *
 * The events of several CPUs in the order of time: each buffer is in that order by itself, so that the next event is the
 * oldest of the first ones. What is still being written cannot be seen: an event must be so old (the window) that none
 * older comes. Meanwhile it stays in its buffer, where neither a close nor a fork can lose it.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "perfbuf.h"
#include "ring_gate.h"

/* As in ringbuf.c: bytes between two publications, records of a buffer in turn, turns of one call. */
#define PUBLISH 8192
#define QUANTUM 256
#define MOST_TURNS 1024

/* Records that nobody wants, passed over by one call. */
#define MOST_PASSED (1U << 20)

/* As they come */

/* Move records of one buffer, at most `quantum`. Give how many were passed, those that nobody wants too, or -EBADMSG. */
static int walk(struct lbc_perf_reader *reader, __u32 index, struct lbc_ring_batch *batch, __u32 quantum)
{
	struct lbc_perf_ring *ring = &reader->rings[index];
	__u64 tail = tail_of(ring), head = head_of(ring), published = tail;
	__u32 stop = batch->limit;
	int passed = 0, len = 0;

	if (stop - batch->count > quantum)
		stop = batch->count + quantum;
	if (!makes_sense(ring, tail, head))
		return -EBADMSG;
	while (tail != head && !batch->special) {
		len = lbc_perf_pass(reader, index, tail, head, batch, stop);
		if (len <= 0)
			break;
		tail += len;
		passed++;
		if (tail - published >= PUBLISH) {
			publish(ring, tail);
			published = tail;
		}
	}
	if (tail != published)
		publish(ring, tail);
	return len < 0 && !passed ? len : passed;
}

/* Move what there is and fits. Give how many records there are now, or -EBADMSG; none, and `wanted`, is no room. */
static int drain(struct lbc_perf_reader *reader, struct lbc_ring_batch *batch, int only)
{
	__u32 quantum = reader->count > 1 && only < 0 ? QUANTUM : batch->limit, i, index, turns = 0;
	int passed, got;

	do {
		passed = 0;
		for (i = 0; i < (only < 0 ? reader->count : 1); i++) {
			index = only < 0 ? reader->next : (__u32)only;
			got = walk(reader, index, batch, quantum);
			/* In any case, but for whose record does not fit, as in ringbuf.c. */
			if (only < 0 && (!batch->full || got))
				reader->next = index + 1 == reader->count ? 0 : index + 1;
			if (got < 0)
				return batch->count ? (int)batch->count : got;
			if (batch->full || batch->count == batch->limit)
				return batch->count;
			passed += got;
		}
	} while (passed && ++turns < MOST_TURNS);
	batch->full |= !!passed;
	return batch->count;
}

/* By time */

static __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (__u64)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Up to when events are old enough. */
static __u64 old_enough(const struct lbc_perf_reader *reader)
{
	__u64 time = now();

	return time > reader->window ? time - reader->window : 0;
}

/* Tell when the record at the tail was written: 0, or -EBADMSG. */
static int time_of(const struct lbc_perf_reader *reader, const struct lbc_perf_ring *ring, __u64 tail, __u64 head,
		   __u64 *time)
{
	const struct perf_event_header *record =
		makes_sense(ring, tail, head) ? record_at(ring, tail, head) : NULL;

	if (!record || record->size < reader->time_at + 8 || record->size < reader->time_back + 8)
		return -EBADMSG;
	*time = load(ring, tail + (record->type == PERF_RECORD_SAMPLE ? reader->time_at :
					record->size - reader->time_back));
	return 0;
}

static int look_at_first(struct lbc_perf_reader *reader, struct lbc_perf_ring *ring)
{
	return ring->tail == ring->head ? 0 : time_of(reader, ring, ring->tail, ring->head, &ring->time);
}

/* Find the buffer with the oldest first record, and how old the next buffer's is; `count` when all are empty. */
static __u32 find_oldest(const struct lbc_perf_reader *reader, __u64 *next)
{
	__u32 i, oldest = reader->count;

	for (i = 0; i < reader->count; i++) {
		const struct lbc_perf_ring *ring = &reader->rings[i];

		if (ring->tail == ring->head)
			continue;
		if (oldest == reader->count) {
			oldest = i;
		} else if (ring->time < reader->rings[oldest].time) {
			*next = reader->rings[oldest].time < *next ? reader->rings[oldest].time : *next;
			oldest = i;
		} else if (ring->time < *next) {
			*next = ring->time;
		}
	}
	return oldest;
}

/* Move what is old enough and fits, the oldest first; `due` is when the next one will be. Gives what drain() does. */
static int merge(struct lbc_perf_reader *reader, struct lbc_ring_batch *batch, int only)
{
	/* Before the heads: what was written before that is seen. */
	__u64 until = old_enough(reader);
	__u32 i, passed = 0;
	int len = 1, err = 0;

	reader->due = 0;
	for (i = 0; i < reader->count && !err; i++) {
		struct lbc_perf_ring *ring = &reader->rings[i];

		ring->tail = tail_of(ring);
		ring->head = only < 0 || (__u32)only == i ? head_of(ring) : ring->tail;
		err = look_at_first(reader, ring);
	}
	while (!err && len > 0 && !batch->special) {
		__u64 next = until, start;
		__u32 oldest = find_oldest(reader, &next);
		struct lbc_perf_ring *ring = &reader->rings[oldest];

		if (oldest == reader->count)
			break;
		if (ring->time > until) {
			reader->due = ring->time + reader->window;
			break;
		}
		start = ring->tail;
		do {
			len = lbc_perf_pass(reader, oldest, ring->tail, ring->head, batch, batch->limit);
			if (len <= 0) {
				err = len;
				break;
			}
			ring->tail += len;
			passed++;
			err = look_at_first(reader, ring);
		} while (!err && ring->tail != ring->head && ring->time <= next && !batch->special &&
			 ring->tail - start < PUBLISH);
		publish(ring, ring->tail);
		if (passed > MOST_PASSED) {
			batch->full = 1;
			break;
		}
	}
	return err && !passed ? err : (int)batch->count;
}

/* Reading */

static int move(struct lbc_perf_reader *reader, struct lbc_ring_batch *batch, int only)
{
	return reader->window ? merge(reader, batch, only) : drain(reader, batch, only);
}

/* Have the timer go off when the next event is old enough, or (0) not at all. */
static int set_timer(struct lbc_perf_reader *reader, __u64 due)
{
	struct itimerspec when = { .it_value = { due / 1000000000, due % 1000000000 } };

	return timerfd_settime(reader->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) ? -errno : 0;
}

static int wait(struct lbc_perf_reader *reader, int timeout_ms)
{
	struct pollfd both[] = {
		{ .fd = reader->gate.wake_fd, .events = POLLIN },
		{ .fd = reader->timer_fd, .events = POLLIN },
	};
	struct epoll_event events[8];
	int ready;

	if (reader->window) {
		ready = set_timer(reader, reader->due);
		if (ready)
			return ready;
	}
	/* What comes meanwhile is younger than what is waited for. */
	if (reader->due)
		ready = poll(both, 2, timeout_ms);
	else
		ready = epoll_wait(reader->gate.epoll_fd, events, 8, timeout_ms);
	return ready < 0 ? -errno : ready;
}

/*
 * Wait for at most `timeout_ms` (-1: for ever) for records, and move those there are into the batch: of all buffers, or
 * of `only` one. Gives what lbc_ring_read() does.
 */
int lbc_perf_read(struct lbc_perf_reader *reader, struct lbc_ring_batch *batch, int timeout_ms, int only)
{
	int result, ready;

	if (batch->count)
		return batch->count;
	if (!lbc_ring_enter(&reader->gate))
		return LBC_CLOSED;
	if (__atomic_exchange_n(&reader->busy, 1, __ATOMIC_ACQUIRE)) {
		lbc_ring_leave(&reader->gate);
		return -EBUSY;
	}
	batch->len = 0;
	batch->size = batch->mixed = batch->full = batch->wanted = batch->special = 0;
	result = move(reader, batch, only);
	if (!result && !batch->full) {
		lbc_ring_calm(&reader->gate);
		ready = wait(reader, timeout_ms);
		if (__atomic_load_n(&reader->gate.closed, __ATOMIC_SEQ_CST)) {
			result = LBC_CLOSED;
		} else if (ready < 0) {
			result = ready;
		} else if (ready) {
			result = move(reader, batch, only);
			if (!result && !batch->full)
				result = -EAGAIN;
		}
	}
	__atomic_store_n(&reader->busy, 0, __ATOMIC_RELEASE);
	lbc_ring_leave(&reader->gate);
	return result;
}

/*
 * Whether there is something to read; `due` says when, if that is later. Nothing of the reader's changes: another thread
 * may be reading.
 */
static int has_records(const struct lbc_perf_reader *reader, __u64 *due)
{
	__u64 until = reader->window ? old_enough(reader) : 0;
	__u32 i;

	*due = 0;
	for (i = 0; i < reader->count; i++) {
		const struct lbc_perf_ring *ring = &reader->rings[i];
		__u64 tail = tail_of(ring), head = head_of(ring), time;

		if (tail == head)
			continue;
		if (!reader->window || time_of(reader, ring, tail, head, &time) || time <= until)
			return 1;
		if (!*due || time + reader->window < *due)
			*due = time + reader->window;
	}
	return 0;
}

/*
 * Make the gate's eventfd say whether there are records, for who waits elsewhere: what the kernel has said of them may
 * have been forgotten. With `swallow` what it is about to say is forgotten too, for records that were read before that.
 */
int lbc_perf_reader__look(struct lbc_perf_reader *reader, int swallow)
{
	struct pollfd one = { .events = POLLIN };
	int result = 0;
	__u64 due;
	__u32 i;

	if (!lbc_ring_enter(&reader->gate))
		return LBC_CLOSED;
	for (i = 0; swallow && i < reader->count; i++) {
		one.fd = reader->rings[i].fd;
		if (poll(&one, 1, 0) < 0 && errno != EINTR)
			result = -errno;
	}
	if (!result) {
		if (has_records(reader, &due))
			result = lbc_ring_reader__signal(&reader->gate, 1);
		else if (reader->window)
			result = set_timer(reader, due);
	}
	lbc_ring_leave(&reader->gate);
	return result;
}
