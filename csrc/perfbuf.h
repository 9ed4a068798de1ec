/* What the files of perf buffers share. */
#ifndef LBC_PERFBUF_H
#define LBC_PERFBUF_H

#include <linux/perf_event.h>

/* PERF_FORMAT_LOST, added by Linux 6.0: older headers lack it. */
#define FORMAT_LOST (1U << 4)

static inline struct perf_event_mmap_page *page_of(const struct lbc_perf_ring *ring)
{
	return ring->base;
}

static inline __u64 head_of(const struct lbc_perf_ring *ring)
{
	return __atomic_load_n(&page_of(ring)->data_head, __ATOMIC_ACQUIRE);
}

/* One thread at a time writes it. */
static inline __u64 tail_of(const struct lbc_perf_ring *ring)
{
	return __atomic_load_n(&page_of(ring)->data_tail, __ATOMIC_RELAXED);
}

static inline void publish(const struct lbc_perf_ring *ring, __u64 tail)
{
	__atomic_store_n(&page_of(ring)->data_tail, tail, __ATOMIC_RELEASE);
}

/* Records are of multiples of 8 bytes, and so is the buffer: what is aligned to 8 does not wrap around. */
static inline const void *at(const struct lbc_perf_ring *ring, __u64 position)
{
	return ring->data + (position & (ring->size - 1));
}

static inline __u64 load(const struct lbc_perf_ring *ring, __u64 position)
{
	return *(const __u64 *)at(ring, position);
}

/* Whether positions are such as they can be: the tail is in memory that this process can write. */
static inline int makes_sense(const struct lbc_perf_ring *ring, __u64 tail, __u64 head)
{
	return head - tail <= ring->size && !(tail & 7);
}

/* The record at the tail, or NULL if it makes no sense. */
static inline const struct perf_event_header *record_at(const struct lbc_perf_ring *ring, __u64 tail, __u64 head)
{
	const struct perf_event_header *record = at(ring, tail);

	if (record->size < sizeof(*record) || record->size & 7 || record->size > head - tail)
		return NULL;
	return record;
}

/*
 * Pass one record: move it into the batch, if it is one of those that are wanted. Give its length; 0 when it has to
 * stay, because the batch is full; -EBADMSG when it makes no sense.
 */
int lbc_perf_pass(struct lbc_perf_reader *reader, __u32 index, __u64 tail, __u64 head, struct lbc_ring_batch *batch,
		  __u32 stop);

#endif
