/* One CPU of a reader of the trace, and what is done with it. Include cdef/lbc.h first. Used by trace_….c. */
#ifndef LBC_TRACE_CPU_H
#define LBC_TRACE_CPU_H

#include <string.h>

/* No sub-buffer is larger, nor has another size than a number of these (buffer_subbuf_size_kb). */
#define TRACE_SCRATCH (1U << 20)
#define TRACE_PAGE 4096

struct lbc_trace_cpu {
	int fd;
	__u32 number;
	/* Sub-buffers, a length before each. */
	char *memory;
	size_t room;
	size_t filled;
	size_t following;
	/* The one that is walked: where the next event is, where the events end. */
	size_t at;
	size_t end;
	/* The event that is next, if there is one. */
	const char *event;
	size_t size;
	__u64 time;
	/* What was lost before that. */
	__u64 lost;
	int lost_uncounted;
	/* The count of sub-buffers read when this CPU was last seen to be empty. */
	__u64 seen_empty;
};

static inline __u16 load16(const char *from)
{
	__u16 value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline __u32 load32(const char *from)
{
	__u32 value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline __u64 load64(const char *from)
{
	__u64 value;

	memcpy(&value, from, sizeof(value));
	return value;
}

/* Put a sub-buffer where those are that have been read: give 1 or -ENOMEM (trace_read.c). */
int lbc_trace_add(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu, const char *data, size_t size);

/* See to it that every CPU has an event, or was empty after the last read of any: give 0, or -errno (trace_read.c). */
int lbc_trace_fill(struct lbc_trace_reader *reader);

/* Go to the CPU's next event in all that has been read; tell whether there is one (trace_page.c). */
int lbc_trace_advance(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu);

#endif
