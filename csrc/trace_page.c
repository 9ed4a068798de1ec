/*
 * Sub-buffers of the trace, as the kernel's ring buffer keeps them: walked from event to event.
 *
 * What they look like is told by the kernel's files events/header_page and events/header_event, and is in struct
 * lbc_trace_format. Every length is checked against the sub-buffer, whatever is in it: what makes no sense ends the
 * walk of that sub-buffer, and counts as a loss of unknown size.
 */
#include <linux/types.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "trace_cpu.h"

/* Flags in the field `commit`: events were missed; their number stands after the data. What is left is a length. */
#define MISSED_EVENTS (1U << 31)
#define MISSED_STORED (1U << 30)
#define COMMIT_MASK ((1U << 27) - 1)

/* The time of an event has 27 bits, 59 with the extension; the five above those are of the time before. */
#define TIME_SHIFT 27
#define TIME_TOP (0xf8ULL << 56)

/* An event's first word is of two bit fields, in the order of the machine. */
static __u32 type_of(__u32 word)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word & 31 : word >> 27;
}

static __u32 delta_of(__u32 word)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word >> 5 : word & ((1U << TIME_SHIFT) - 1);
}

/* Begin with the next sub-buffer that has been read; tell whether there is one. */
static int open_page(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu)
{
	const struct lbc_trace_format *format = &reader->format;
	size_t start, size, len;
	const char *page;
	__u64 missed;
	__u32 commit;

	if (cpu->following == cpu->filled) {
		cpu->following = cpu->filled = 0;
		return 0;
	}
	size = load64(cpu->memory + cpu->following);
	start = cpu->following + sizeof(__u64);
	cpu->following = start + size;
	cpu->at = cpu->end = start;
	page = cpu->memory + start;
	if (size < format->data_offset) {
		cpu->lost_uncounted++;
		return 1;
	}
	cpu->time = load64(page);
	/* Lengths and flags are in the lower half, which in the order of the machine is the last one or the first. */
	commit = format->commit_size == 8 ? (__u32)load64(page + format->commit_offset) :
					    load32(page + format->commit_offset);
	len = commit & COMMIT_MASK;
	if (len > size - format->data_offset) {
		cpu->lost_uncounted++;
		len = size - format->data_offset;
	}
	cpu->at = start + format->data_offset;
	cpu->end = cpu->at + len;
	if (commit & MISSED_EVENTS) {
		if ((commit & MISSED_STORED) && start + size - cpu->end >= format->commit_size) {
			missed = format->commit_size == 8 ? load64(cpu->memory + cpu->end) : load32(cpu->memory + cpu->end);
			cpu->lost += missed;
		} else {
			cpu->lost_uncounted++;
		}
	}
	return 1;
}

/* Go to the next event with data in the sub-buffer that is walked; tell whether there is one. */
static int walk(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu)
{
	const struct lbc_trace_format *format = &reader->format;
	__u32 word, type, delta;
	size_t left, head, size;
	const char *event;
	__u64 time;

	while (cpu->end - cpu->at >= sizeof(word)) {
		event = cpu->memory + cpu->at;
		left = cpu->end - cpu->at - sizeof(word);
		word = load32(event);
		type = type_of(word);
		delta = delta_of(word);
		head = sizeof(word);
		if (type == format->padding && !delta)
			/* All the rest is padding. */
			break;
		if (!type || type > format->data_max) {
			if (left < sizeof(word))
				goto broken;
			head += sizeof(word);
			left -= sizeof(word);
		}
		if (type == format->time_extend || type == format->time_stamp) {
			time = ((__u64)load32(event + sizeof(word)) << TIME_SHIFT) + delta;
			if (type == format->time_extend) {
				cpu->time += time;
			} else {
				if (cpu->time & TIME_TOP) {
					time |= cpu->time & TIME_TOP;
					if (time < cpu->time)
						time += 1ULL << 59;
				}
				cpu->time = time;
			}
			cpu->at += head;
			continue;
		}
		if (type > format->data_max && type != format->padding)
			goto broken;
		/* A length that stands in the event counts itself too. */
		size = type && type <= format->data_max ? type * sizeof(word) : load32(event + sizeof(word)) - sizeof(word);
		if (size > left)
			goto broken;
		cpu->at += head + size;
		cpu->at += (sizeof(word) - size % sizeof(word)) % sizeof(word);
		if (cpu->at > cpu->end)
			cpu->at = cpu->end;
		if (type == format->padding)
			/* An event that was discarded; the kernel's reader passes over its time as well. */
			continue;
		cpu->time += delta;
		cpu->event = event + head;
		cpu->size = size;
		return 1;
	}
	cpu->at = cpu->end;
	return 0;

broken:
	cpu->at = cpu->end;
	cpu->lost_uncounted++;
	return 0;
}

int lbc_trace_advance(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu)
{
	cpu->event = NULL;
	while (!walk(reader, cpu))
		if (!open_page(reader, cpu))
			return 0;
	return 1;
}
