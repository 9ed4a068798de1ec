/*
 * Reading the trace's ring buffers as the kernel keeps them: batches of lines for Python.
 *
 * It is C for speed: of each line the kernel's own text costs six times what all of this costs. What all CPUs have
 * (trace_read.c, trace_page.c) is merged by time here, and what Python needs of it is gathered in arrays: of each line its
 * time, a number for its head (task, CPU, flags, event: few kinds, and Python has a tuple for each) and the message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "trace_cpu.h"

/*
 * What a batch holds at most. Two of them are less than what Python's garbage collector waits for (700 objects), and the
 * one is gone before the third is made. A single longer message is taken whole.
 */
#define LINES 320
#define TEXT (256U << 10)
#define LOSSES 64

/* Heads that are known by number; and the places of their hash table. */
#define HEADS 8192
#define PLACES (2 * HEADS)

static __u32 head_hash(const struct lbc_trace_head *head)
{
	__u64 mix = head->pid * 0x9e3779b97f4a7c15ULL;

	mix ^= ((__u64)head->cpu << 32 | head->event) * 0xc2b2ae3d27d4eb4fULL;
	mix ^= ((__u64)head->flags << 8 | head->preempt_count) * 0x165667b19e3779f9ULL;
	mix ^= head->ip * 0x27d4eb2f165667c5ULL;
	return (mix ^ mix >> 32) % PLACES;
}

/* Give the number of a head, a new one if need be. There is room for as many as a batch has lines. */
static __u32 head_number(struct lbc_trace_reader *reader, const struct lbc_trace_head *head)
{
	__u32 place, number = reader->last_head;

	/* Mostly it is that of the line before. */
	if (number < reader->head_count && !memcmp(&reader->heads[number], head, sizeof(*head)))
		return number;
	place = head_hash(head);
	while ((number = reader->places[place])) {
		if (!memcmp(&reader->heads[number - 1], head, sizeof(*head)))
			return reader->last_head = number - 1;
		place = (place + 1) % PLACES;
	}
	reader->heads[reader->head_count] = *head;
	reader->places[place] = ++reader->head_count;
	return reader->last_head = reader->head_count - 1;
}

static void forget_heads(struct lbc_trace_reader *reader)
{
	memset(reader->places, 0, PLACES * sizeof(*reader->places));
	reader->head_count = 0;
	reader->generation++;
}

/* Make room for a message: give 1, 0 if it is to wait for the next batch, or -ENOMEM. */
static int text_room(struct lbc_trace_reader *reader, size_t size)
{
	size_t room = reader->text_len + size + 1;
	char *text;

	if (room <= reader->text_room)
		return 1;
	if (reader->count || reader->loss_count)
		return 0;
	text = realloc(reader->text, room);
	if (!text)
		return -ENOMEM;
	reader->text = text;
	reader->text_room = room;
	return 1;
}

static size_t without_newlines(const char *text, size_t size, int most)
{
	while (size && most-- && text[size - 1] == '\n')
		size--;
	return size;
}

static void put_hex(char *to, const char *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < size; i++) {
		*to++ = digits[(unsigned char)data[i] >> 4];
		*to++ = digits[data[i] & 15];
	}
}

/* Put the CPU's event into the batch: give 1, 0 if it is full, or -ENOMEM. */
static int put(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu)
{
	const struct lbc_trace_format *format = &reader->format;
	size_t size = cpu->size, len = 0, start;
	const char *event = cpu->event, *text = event;
	struct lbc_trace_head head;
	__u64 time = cpu->time;
	__u32 place;
	double seconds;
	int hex = 0, got;

	if (cpu->lost || cpu->lost_uncounted) {
		struct lbc_trace_loss *loss = &reader->losses[reader->loss_count];

		if (reader->loss_count == LOSSES)
			return 0;
		loss->before = reader->count;
		loss->cpu = cpu->number;
		loss->count = cpu->lost;
		loss->uncounted = cpu->lost_uncounted;
		cpu->lost = cpu->lost_uncounted = 0;
		reader->loss_count++;
	}
	if (reader->count == LINES)
		return 0;
	if (size < format->common_size) {
		cpu->lost_uncounted++;
		return 1;
	}
	memset(&head, 0, sizeof(head));
	head.cpu = cpu->number;
	head.event = load16(event + format->type_offset);
	head.flags = event[format->flags_offset];
	head.preempt_count = event[format->preempt_count_offset];
	head.pid = load32(event + format->pid_offset);
	if (head.event == format->printk_id && size >= format->printk_text + sizeof(place)) {
		/* The offset and the length of the text, half a word each. */
		place = load32(event + format->printk_text);
		start = place & 0xffff;
		if (format->printk_relative)
			start += format->printk_text + sizeof(place);
		if (start < size) {
			len = place >> 16;
			text = event + start;
			len = without_newlines(text, strnlen(text, len < size - start ? len : size - start), 1);
		}
	} else if (head.event == format->print_id && size >= format->print_text) {
		head.ip = format->print_ip_size == 8 ? load64(event + format->print_ip) : load32(event + format->print_ip);
		text = event + format->print_text;
		len = without_newlines(text, strnlen(text, size - format->print_text), 2);
	} else {
		hex = 1;
		len = 2 * size;
	}
	got = text_room(reader, len);
	if (got <= 0)
		return got;
	if (hex) {
		put_hex(reader->text + reader->text_len, event, size);
		reader->others++;
	} else {
		memcpy(reader->text + reader->text_len, text, len);
	}
	reader->text_len += len;
	reader->text[reader->text_len++] = '\0';
	if (format->in_ns) {
		/* To the microsecond, as ns2usecs() rounds. One division is exact to the last bit, as float() of the text is. */
		seconds = (double)((time + 500) / 1000) / 1e6;
		memcpy(&reader->times[reader->count], &seconds, sizeof(seconds));
	} else {
		reader->times[reader->count] = time;
	}
	reader->numbers[reader->count] = head_number(reader, &head);
	reader->mixed |= reader->numbers[reader->count] != reader->numbers[0];
	reader->count++;
	return 1;
}

/* The CPU whose event comes first, the lower one of equals, as the kernel's __find_next_entry() has it; and the next. */
static struct lbc_trace_cpu *first_of(struct lbc_trace_reader *reader, struct lbc_trace_cpu **second)
{
	struct lbc_trace_cpu *first = NULL, *cpu;
	__u32 i;

	*second = NULL;
	for (i = 0; i < reader->cpu_count; i++) {
		cpu = &reader->cpus[i];
		if (!cpu->event)
			continue;
		if (!first || cpu->time < first->time) {
			*second = first;
			first = cpu;
		} else if (!*second || cpu->time < (*second)->time) {
			*second = cpu;
		}
	}
	return first;
}

/* Read, and merge as many lines as make a batch: give how many lines and losses it has, or -errno. */
int lbc_trace_read(struct lbc_trace_reader *reader)
{
	struct lbc_trace_cpu *cpu = NULL, *second;
	int got = 1, err = 0;

	/* What has not been taken yet stays, so that no interrupt loses it. */
	if (reader->count || reader->loss_count)
		return reader->count + reader->loss_count;
	reader->text_len = reader->others = reader->mixed = 0;
	if (reader->head_count > HEADS - LINES)
		forget_heads(reader);
	/* What was empty at the last call may not be any more. */
	reader->pages++;
	while (got > 0) {
		if (!cpu || !cpu->event)
			err = lbc_trace_fill(reader);
		cpu = first_of(reader, &second);
		if (err || !cpu)
			break;
		do {
			got = put(reader, cpu);
		} while (got > 0 && lbc_trace_advance(reader, cpu) &&
			 (!second || cpu->time < second->time || (cpu->time == second->time && cpu < second)));
	}
	reader->pending = !!first_of(reader, &second);
	if (reader->count || reader->loss_count)
		return reader->count + reader->loss_count;
	return err ? err : got < 0 ? got : 0;
}

/* Put a sub-buffer into a reader as if it had been read from a CPU: for tests of what no kernel makes. */
int lbc_trace_feed(struct lbc_trace_reader *reader, __u32 index, const char *data, size_t size)
{
	struct lbc_trace_cpu *cpu;
	int err;

	if (index >= reader->cpu_count || size > TRACE_SCRATCH)
		return -EINVAL;
	cpu = &reader->cpus[index];
	if (cpu->event)
		/* The memory may move, and the event lies in it. */
		return -EBUSY;
	err = lbc_trace_add(reader, cpu, data, size);
	return err < 0 ? err : 0;
}

/* The largest offset that a format may have: it is the user's kernel that wrote it, but it is read as text. */
#define MOST 4096

static int sensible(const struct lbc_trace_format *format)
{
	__u32 common = format->common_size;

	return format->data_offset <= TRACE_PAGE / 2 && (format->commit_size == 4 || format->commit_size == 8) &&
	       format->commit_offset + format->commit_size <= format->data_offset && format->data_offset >= 8 &&
	       format->data_max < format->padding && format->data_max < format->time_extend &&
	       format->data_max < format->time_stamp && common <= MOST && format->type_offset + 2 <= common &&
	       format->flags_offset < common && format->preempt_count_offset < common &&
	       format->pid_offset + 4 <= common && format->printk_text <= MOST && format->print_text <= MOST &&
	       format->print_ip <= MOST && (format->print_ip_size == 4 || format->print_ip_size == 8) &&
	       format->print_ip + format->print_ip_size <= format->print_text;
}

/* Make a reader of `count` CPUs; the descriptors stay the caller's, -1 is a CPU that nothing is read of. NULL: errno. */
struct lbc_trace_reader *lbc_trace_reader__new(const struct lbc_trace_format *format, const int *fds,
    const __u32 *cpus, __u32 count)
{
	struct lbc_trace_reader *reader;
	__u32 i;

	if (!sensible(format)) {
		errno = EINVAL;
		return NULL;
	}
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return NULL;
	reader->format = *format;
	reader->page_size = TRACE_PAGE;
	reader->cpu_count = count;
	reader->cpus = calloc(count, sizeof(*reader->cpus));
	reader->scratch = malloc(TRACE_SCRATCH);
	reader->text = malloc(TEXT);
	reader->text_room = TEXT;
	reader->times = calloc(LINES, sizeof(*reader->times));
	reader->numbers = calloc(LINES, sizeof(*reader->numbers));
	reader->losses = calloc(LOSSES, sizeof(*reader->losses));
	reader->heads = calloc(HEADS, sizeof(*reader->heads));
	reader->places = calloc(PLACES, sizeof(*reader->places));
	if (!reader->cpus || !reader->scratch || !reader->text || !reader->times || !reader->numbers ||
	    !reader->losses || !reader->heads || !reader->places) {
		lbc_trace_reader__free(reader);
		errno = ENOMEM;
		return NULL;
	}
	for (i = 0; i < count; i++) {
		reader->cpus[i].fd = fds[i];
		reader->cpus[i].number = cpus[i];
	}
	return reader;
}

void lbc_trace_reader__free(struct lbc_trace_reader *reader)
{
	__u32 i;

	if (!reader)
		return;
	for (i = 0; reader->cpus && i < reader->cpu_count; i++)
		free(reader->cpus[i].memory);
	free(reader->cpus);
	free(reader->scratch);
	free(reader->text);
	free(reader->times);
	free(reader->numbers);
	free(reader->losses);
	free(reader->heads);
	free(reader->places);
	free(reader);
}
