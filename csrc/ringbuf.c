/*
 * Reading BPF ring buffers: our own walk of the mapping that libbpf's ring_buffer__add() makes too.
 *
 * libbpf's reader cannot do what a reader in Python must: ring_buffer__consume() and ring_buffer__poll() do not return
 * while a fast producer keeps up with them; a record whose callback returns a negative value has been consumed all the
 * same, so that a callback with no room left loses it; and where the data are is not public. The walk here drains at
 * most so many records and bytes into memory of the caller's, and leaves in the ring what does not fit. A position is
 * published after the record has been copied, as ringbuf_process_ring() does. tests/kernel/test_ring_buffer_walk.py
 * compares the two readers.
 *
 * Waiting is done here too, in the same call, so that between the kernel's wake-up and the copy there is no Python.
 * The rings are watched edge-triggered: one whose oldest record is reserved and not committed yet has data for epoll,
 * and would make a level-triggered wait spin. What makes that safe is the full fence between publishing a position and
 * looking for the next record: either the kernel's commit sees our position and wakes us, or we see its commit.
 *
 * A ring has one consumer: of two calls at once on one ring, by one reader or by two in this process, the second gets
 * -EBUSY.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "ringbuf.h"

/* So many bytes are read between two publications: a producer that has filled the ring can go on. */
#define PUBLISH 8192

/* With several rings each has so many records in turn, so that a busy one does not keep the others from being read. */
#define QUANTUM 256

/* And after so many turns the caller is asked whether it wants to go on. */
#define MOST_TURNS 1024

/* So many records are passed in one go, however many of them are discarded or overwritten. */
#define MOST_PASSED (1 << 20)

static unsigned int *busy(struct lbc_ring_reader *reader, __u32 index)
{
	return &((struct lbc_ring_claim *)reader->rings[index].claim)->busy;
}

static void release_rings(struct lbc_ring_reader *reader, __u32 count)
{
	while (count--)
		__atomic_store_n(busy(reader, count), 0, __ATOMIC_RELEASE);
}

static int claim_rings(struct lbc_ring_reader *reader)
{
	__u32 i;

	for (i = 0; i < reader->count; i++) {
		if (__atomic_exchange_n(busy(reader, i), 1, __ATOMIC_ACQUIRE)) {
			release_rings(reader, i);
			return -EBUSY;
		}
	}
	return 0;
}

static void publish(struct lbc_ring *ring, unsigned long consumer_pos)
{
	__atomic_store_n(ring->consumer_pos, consumer_pos, __ATOMIC_RELEASE);
}

/*
 * Tell whether what is at the position has been overwritten, and then go on to the oldest record that has not. Libbpf
 * 1.7 has no reader of such rings. Programs do not wait for one: they move overwrite_pos on, and then write. So a record
 * is copied first and counts if overwrite_pos has not come past it until then.
 */
static int overwritten(struct lbc_ring *ring, unsigned long *consumer_pos, unsigned long *producer_pos)
{
	unsigned long oldest;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	oldest = __atomic_load_n(ring->overwrite_pos, __ATOMIC_ACQUIRE);
	if ((long)(oldest - *consumer_pos) <= 0)
		return 0;
	ring->overwritten += oldest - *consumer_pos;
	*consumer_pos = oldest;
	*producer_pos = __atomic_load_n(ring->producer_pos, __ATOMIC_ACQUIRE);
	return 1;
}

/*
 * Move records out of one ring, at most `quantum`, and no more than fit. Give how many were passed, those that were
 * discarded too, or -EBADMSG when what the ring holds makes no sense: another process is reading it.
 */
static int walk(struct lbc_ring *ring, __u32 index, struct lbc_ring_batch *batch, __u32 quantum)
{
	unsigned long consumer_pos, producer_pos, published, total;
	__u32 count = batch->count, stop = batch->limit, header, size;
	__u64 len = batch->len;
	int passed = 0, err = 0;

	if (stop - count > quantum)
		stop = count + quantum;
	published = consumer_pos = __atomic_load_n(ring->consumer_pos, __ATOMIC_ACQUIRE);
	producer_pos = __atomic_load_n(ring->producer_pos, __ATOMIC_ACQUIRE);
	if (producer_pos - consumer_pos > ring->size && !ring->overwrite_pos)
		return -EBADMSG;
	for (; consumer_pos != producer_pos && passed < MOST_PASSED; passed++) {
		const char *record = ring->data + (consumer_pos & (ring->size - 1));

		header = __atomic_load_n((const __u32 *)record, __ATOMIC_ACQUIRE);
		if (ring->overwrite_pos && overwritten(ring, &consumer_pos, &producer_pos))
			continue;
		if (header & BPF_RINGBUF_BUSY_BIT)
			break;
		size = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		total = ((unsigned long)size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		if (total > producer_pos - consumer_pos || total > ring->size) {
			err = -EBADMSG;
			break;
		}
		if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
			if (count == stop)
				break;
			if (size > batch->room - len) {
				batch->full = 1;
				if (!count)
					batch->wanted = size;
				break;
			}
			memcpy(batch->data + len, record + BPF_RINGBUF_HDR_SZ, size);
			if (ring->overwrite_pos && overwritten(ring, &consumer_pos, &producer_pos))
				continue;
			len += size;
			batch->mixed |= size != batch->size && count;
			batch->size = size;
			batch->ends[count] = len;
			if (batch->rings)
				batch->rings[count] = index;
			count++;
		}
		consumer_pos += total;
		if (consumer_pos - published >= PUBLISH) {
			publish(ring, consumer_pos);
			published = consumer_pos;
		}
	}
	if (consumer_pos != published)
		publish(ring, consumer_pos);
	batch->count = count;
	batch->len = len;
	/* Against a commit that looks at our position meanwhile: see above. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return err && !passed ? err : passed;
}

/* Move what there is and fits. Give how many records there are now, or -EBADMSG; none, and `wanted`, is no room. */
static int drain(struct lbc_ring_reader *reader, struct lbc_ring_batch *batch)
{
	__u32 quantum = reader->count > 1 ? QUANTUM : batch->limit, i, turns = 0;
	int passed, got;

	do {
		passed = 0;
		for (i = 0; i < reader->count; i++) {
			__u32 index = reader->next;

			got = walk(&reader->rings[index], index, batch, quantum);
			/*
			 * In any case: a small batch must not be filled by the same one each time. But whose record does not
			 * fit behind the others' is the first in the next batch, or a busy ring would keep it waiting for ever.
			 */
			if (!batch->full || got)
				reader->next = index + 1 == reader->count ? 0 : index + 1;
			if (got < 0)
				return batch->count ? (int)batch->count : got;
			if (batch->full || batch->count == batch->limit)
				return batch->count;
			passed += got;
		}
	} while (passed && ++turns < MOST_TURNS);
	/* With what was discarded alone this must not go on for ever; but there is more, so nobody is to wait. */
	batch->full |= !!passed;
	return batch->count;
}

/*
 * Wait for at most `timeout_ms` (-1: for ever) for records, and move those there are into the batch.
 *
 * Gives their number; 0 when the time is over or, with `wanted` set, when the batch has no room for the next record;
 * -EAGAIN for a wake-up without a record; -EINTR for a signal, -EBUSY when somebody else is reading one of the rings,
 * LBC_CLOSED. A batch that holds records is left alone: they have not been taken yet.
 */
int lbc_ring_read(struct lbc_ring_reader *reader, struct lbc_ring_batch *batch, int timeout_ms)
{
	struct epoll_event events[8];
	int result, ready;

	if (batch->count)
		return batch->count;
	if (!lbc_ring_enter(reader))
		return LBC_CLOSED;
	result = claim_rings(reader);
	if (result) {
		lbc_ring_leave(reader);
		return result;
	}
	batch->len = 0;
	batch->size = batch->mixed = batch->full = batch->wanted = 0;
	result = drain(reader, batch);
	if (!result && !batch->full) {
		lbc_ring_calm(reader);
		ready = epoll_wait(reader->epoll_fd, events, 8, timeout_ms);
		if (__atomic_load_n(&reader->closed, __ATOMIC_SEQ_CST)) {
			result = LBC_CLOSED;
		} else if (ready < 0) {
			result = -errno;
		} else if (ready) {
			result = drain(reader, batch);
			if (!result && !batch->full)
				result = -EAGAIN;
		}
	}
	release_rings(reader, reader->count);
	lbc_ring_leave(reader);
	return result;
}
