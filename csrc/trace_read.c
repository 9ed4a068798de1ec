/*
 * Reading the trace's sub-buffers: per_cpu/cpu…/trace_pipe_raw.
 *
 * How many events were overwritten before a sub-buffer stands after its data, if eight bytes are left there; if not, the
 * count is gone (ring_buffer_read_page() in kernel/trace/ring_buffer.c). But who asks for eight bytes less than a
 * sub-buffer gets no more events than leave that room, and those eight bytes by the next read. So it is read in two.
 *
 * The merge that trace_raw.c does may hand out an event once each CPU has a later one, or was seen to be empty after that
 * event had been read. So it is not before a CPU has been looked at again that its part is taken for read.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/types.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "trace_cpu.h"

/* The kernel's `long`, in which the missed events are counted. */
#define MISSED_SIZE 8

/* So much of one CPU is read at a time, before the others are looked at again. */
#define READ_AHEAD (64U << 10)

/* So often in a row all CPUs are looked at, though sub-buffers without a single line keep coming. */
#define MOST_TURNS 256

/* Make room for a sub-buffer of `size` bytes and its length. Nothing may point into the memory: it moves. */
static int make_room(struct lbc_trace_cpu *cpu, size_t size)
{
	size_t room = cpu->filled + sizeof(__u64) + size;
	char *memory;

	if (room <= cpu->room)
		return 0;
	if (room < READ_AHEAD)
		room = READ_AHEAD;
	memory = realloc(cpu->memory, room);
	if (!memory)
		return -ENOMEM;
	cpu->memory = memory;
	cpu->room = room;
	return 0;
}

static void add_page(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu, __u64 size)
{
	memcpy(cpu->memory + cpu->filled, &size, sizeof(size));
	cpu->filled += sizeof(size) + size;
	reader->pages++;
}

int lbc_trace_add(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu, const char *data, size_t size)
{
	int err = make_room(cpu, size);

	if (err)
		return err;
	memcpy(cpu->memory + cpu->filled + sizeof(__u64), data, size);
	add_page(reader, cpu, size);
	return 1;
}

static ssize_t try_read(int fd, void *to, size_t size)
{
	ssize_t got = read(fd, to, size);

	return got < 0 ? (errno == EINTR ? -EAGAIN : -errno) : got;
}

/* Read one sub-buffer: give 1, 0 if there is none, or -errno. */
static int read_page(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu)
{
	size_t most = reader->page_size - MISSED_SIZE;
	ssize_t got, rest;
	char *to;
	int err;

	err = make_room(cpu, reader->page_size);
	if (err)
		return err;
	to = cpu->memory + cpu->filled + sizeof(__u64);
	got = try_read(cpu->fd, to, most);
	if (!got) {
		/* The first event of this one leaves no eight bytes; or it has come just now. */
		got = try_read(cpu->fd, reader->scratch, TRACE_SCRATCH);
		if (got > (ssize_t)reader->page_size)
			reader->page_size = got;
		if (got > 0)
			return lbc_trace_add(reader, cpu, reader->scratch, got);
	}
	if (got <= 0)
		return got == -EAGAIN ? 0 : (int)got;
	if ((size_t)got < most) {
		/* Sub-buffers have become smaller. */
		reader->page_size = got > TRACE_PAGE ? got : TRACE_PAGE;
		add_page(reader, cpu, got);
		return 1;
	}
	rest = try_read(cpu->fd, reader->scratch, TRACE_SCRATCH);
	if (rest < 0)
		rest = 0;
	if (rest % TRACE_PAGE != MISSED_SIZE) {
		/* They have become smaller just now: this is the next one. What was read before is whole. */
		memset(to + got, 0, MISSED_SIZE);
		add_page(reader, cpu, got + MISSED_SIZE);
		if (!rest)
			return 1;
		reader->page_size = rest > TRACE_PAGE ? rest : TRACE_PAGE;
		return lbc_trace_add(reader, cpu, reader->scratch, rest);
	}
	if (rest > MISSED_SIZE) {
		/* They have become larger. */
		err = make_room(cpu, got + rest);
		if (err)
			return err;
		to = cpu->memory + cpu->filled + sizeof(__u64);
		reader->page_size = got + rest;
	}
	memcpy(to + got, reader->scratch, rest);
	add_page(reader, cpu, got + rest);
	return 1;
}

/* Read what a CPU has whose events have all been handed out: give the number of sub-buffers, or -errno. */
static int refill(struct lbc_trace_reader *reader, struct lbc_trace_cpu *cpu)
{
	int count = 0, got;

	if (cpu->fd < 0 || reader->closed)
		return 0;
	do {
		got = read_page(reader, cpu);
		if (got < 0 && !count)
			return got;
		count += got > 0;
	} while (got > 0 && cpu->filled + sizeof(__u64) + reader->page_size <= READ_AHEAD);
	return count;
}

int lbc_trace_fill(struct lbc_trace_reader *reader)
{
	struct lbc_trace_cpu *cpu;
	int turns, more = 1, got;
	__u32 i;

	for (turns = 0; more && turns < MOST_TURNS; turns++) {
		more = 0;
		for (i = 0; i < reader->cpu_count; i++) {
			cpu = &reader->cpus[i];
			if (cpu->event || lbc_trace_advance(reader, cpu) || cpu->seen_empty == reader->pages)
				continue;
			got = refill(reader, cpu);
			if (got < 0)
				return got;
			if (!got) {
				cpu->seen_empty = reader->pages;
				continue;
			}
			lbc_trace_advance(reader, cpu);
			more = 1;
		}
	}
	return 0;
}
