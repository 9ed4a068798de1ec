/*
 * Records of perf buffers: what is in one, and how it comes into a batch (perfbuf_read.c).
 */
#include <errno.h>
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "perfbuf.h"

static void copy(const struct lbc_perf_ring *ring, __u64 position, void *to, __u32 size)
{
	__u64 left = ring->size - (position & (ring->size - 1));

	if (size <= left) {
		memcpy(to, at(ring, position), size);
	} else {
		memcpy(to, at(ring, position), left);
		memcpy((char *)to + left, ring->data, size - left);
	}
}

/* Where the payload of a sample starts, with its size before it; what comes before may be of any length. */
static __u64 find_payload(struct lbc_perf_reader *reader, const struct lbc_perf_ring *ring, __u64 tail, __u32 len)
{
	__u64 offset = reader->payload_at, format = reader->read_format, each, count;

	if (reader->sample_type & PERF_SAMPLE_READ) {
		each = 1 + !!(format & PERF_FORMAT_ID) + !!(format & FORMAT_LOST);
		count = !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) + !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING);
		if (format & PERF_FORMAT_GROUP) {
			if (offset + 8 > len || load(ring, tail + offset) > len / 8)
				return len;
			each = 1 + each * load(ring, tail + offset);
		}
		offset += 8 * (each + count);
	}
	if (reader->sample_type & PERF_SAMPLE_CALLCHAIN) {
		if (offset + 8 > len || load(ring, tail + offset) > len / 8)
			return len;
		offset += 8 + 8 * load(ring, tail + offset);
	}
	return offset;
}

int lbc_perf_pass(struct lbc_perf_reader *reader, __u32 index, __u64 tail, __u64 head, struct lbc_ring_batch *batch,
		  __u32 stop)
{
	struct lbc_perf_ring *ring = &reader->rings[index];
	const struct perf_event_header *record = record_at(ring, tail, head);
	__u32 size, len;
	__u64 offset = 0;
	int lost;

	if (!record)
		return -EBADMSG;
	len = size = record->size;
	lost = record->type == PERF_RECORD_LOST;
	if (lost && len < 24)
		return -EBADMSG;
	if (reader->whole) {
		/* As it is. */
	} else if (record->type == PERF_RECORD_SAMPLE) {
		offset = reader->payload_at;
		if (reader->sample_type & (PERF_SAMPLE_READ | PERF_SAMPLE_CALLCHAIN))
			offset = find_payload(reader, ring, tail, len);
		if (offset + 4 > len)
			return -EBADMSG;
		size = *(const __u32 *)at(ring, tail + offset);
		offset += 4;
		if (size > len - offset)
			return -EBADMSG;
		/* The kernel has filled it up to a multiple of 8, its size of 4 bytes included. */
		if (reader->trim && size - reader->trim < 8)
			size = reader->trim;
	} else if (lost && reader->losses) {
		/* It is told apart by being alone. */
		if (batch->count) {
			batch->full = 1;
			return 0;
		}
		offset = 16;
		size = 8;
	} else {
		if (lost)
			__atomic_fetch_add(&ring->lost, load(ring, tail + 16), __ATOMIC_RELAXED);
		return len;
	}
	if (batch->count == stop)
		return 0;
	if (size > batch->room - batch->len) {
		batch->full = 1;
		if (!batch->count)
			batch->wanted = size;
		return 0;
	}
	copy(ring, tail + offset, batch->data + batch->len, size);
	batch->len += size;
	batch->mixed |= size != batch->size && batch->count;
	batch->size = size;
	batch->ends[batch->count] = batch->len;
	if (batch->rings)
		batch->rings[batch->count] = index;
	batch->count++;
	if (lost) {
		__atomic_fetch_add(&ring->lost, load(ring, tail + 16), __ATOMIC_RELAXED);
		batch->special = batch->full = !reader->whole;
	}
	return len;
}
