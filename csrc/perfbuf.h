/* What the two files of perf buffers share. */
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

#endif
