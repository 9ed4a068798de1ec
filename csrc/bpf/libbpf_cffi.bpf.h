/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For BPF programs whose events libbpf_cffi reads: count the events that find no room in a ring buffer.
 *
 * A ring buffer gives no sign of a loss. With these the programs count them, and libbpf_cffi shows the count as
 * RingBuffer.lost and RingBufferMap.lost. Any other reader finds it in the map NAME_lost, an array of one __u64 a CPU.
 *
 *     struct {
 *             __uint(type, BPF_MAP_TYPE_RINGBUF);
 *             __uint(max_entries, 1 << 20);
 *             __type(value, struct event);
 *     } events SEC(".maps");
 *     LBC_RING_LOST(events);
 *
 *     struct event *event = lbc_ring_reserve(events, sizeof(*event));
 *     if (!event)
 *             return 0;
 *     ...
 *     bpf_ringbuf_submit(event, 0);
 *
 * or, in one step:
 *
 *     lbc_ring_output(events, &event, sizeof(event), 0);
 *
 * Include it after vmlinux.h and bpf/bpf_helpers.h.
 */
#ifndef LIBBPF_CFFI_BPF_H
#define LIBBPF_CFFI_BPF_H

/* Define the map in which the losses of the ring buffer `ring` are counted. */
#define LBC_RING_LOST(ring)                                \
	struct {                                           \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);   \
		__uint(max_entries, 1);                    \
		__type(key, __u32);                        \
		__type(value, __u64);                      \
	} ring##_lost SEC(".maps")

static __always_inline void lbc_count_lost(void *lost)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(lost, &key);

	/* Atomically: a program may interrupt another one on the same CPU. */
	if (count)
		__sync_fetch_and_add(count, 1);
}

/* Reserve `size` bytes, a constant; NULL, and one more that is lost, when there is no room. */
#define lbc_ring_reserve(ring, size)                                 \
	({                                                           \
		void *lbc_record_ = bpf_ringbuf_reserve(&ring, size, 0); \
                                                                     \
		if (!lbc_record_)                                    \
			lbc_count_lost(&ring##_lost);                \
		lbc_record_;                                         \
	})

/* Send a copy of `size` bytes; a negative errno, and one more that is lost, when there is no room. */
#define lbc_ring_output(ring, data, size, flags)                                    \
	({                                                                          \
		long lbc_err_ = bpf_ringbuf_output(&ring, data, size, flags);       \
                                                                                    \
		if (lbc_err_)                                                       \
			lbc_count_lost(&ring##_lost);                               \
		lbc_err_;                                                           \
	})

#endif
