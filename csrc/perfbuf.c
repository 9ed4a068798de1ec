/*
 * Perf buffers' readers: opening, closing, and what they tell. libbpf makes, maps and enables the buffers; perfbuf_read.c
 * reads them, and says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "perfbuf.h"
#include "ring_gate.h"

/* What of a sample comes before its payload, of 8 bytes each. */
#define BEFORE_PAYLOAD \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR | \
	 PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD)
#define BEFORE_TIME (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID)
/* And what of another record comes behind its time. */
#define BEHIND_TIME (PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER)

/* A place of a map that is read by this process. A second reader would take it away from the first, unnoticed. */
struct claim {
	struct claim *next;
	__u32 map_id;
	int map_key;
};

static struct claim *claims;
static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;

static void in_child(void)
{
	/* They are of the parent's readers, and another thread of the parent's may have held the lock. */
	claims = NULL;
	pthread_mutex_init(&claims_lock, NULL);
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

static int claim_place(struct lbc_perf_ring *ring, __u32 map_id)
{
	struct claim *claim, *made = calloc(1, sizeof(*made));
	int err = 0;

	if (!made)
		return -ENOMEM;
	made->map_id = map_id;
	made->map_key = ring->map_key;
	pthread_mutex_lock(&claims_lock);
	for (claim = claims; claim; claim = claim->next)
		if (claim->map_id == map_id && claim->map_key == ring->map_key)
			err = -EBUSY;
	if (!err) {
		made->next = claims;
		claims = made;
		ring->claim = made;
	}
	pthread_mutex_unlock(&claims_lock);
	if (err)
		free(made);
	return err;
}

static void drop_claim(struct lbc_perf_ring *ring)
{
	struct claim **at;

	if (!ring->claim)
		return;
	pthread_mutex_lock(&claims_lock);
	for (at = &claims; *at; at = &(*at)->next) {
		if (*at == ring->claim) {
			*at = (*at)->next;
			break;
		}
	}
	pthread_mutex_unlock(&claims_lock);
	free(ring->claim);
	ring->claim = NULL;
}

/* Opening and closing */

static enum bpf_perf_event_ret unused(void *ctx, int cpu, struct perf_event_header *event)
{
	(void)ctx;
	(void)cpu;
	(void)event;
	return LIBBPF_PERF_EVENT_CONT;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Let everything go but the gate. The places of the map are emptied first, while its descriptor is there. */
static void close_all(struct lbc_perf_reader *reader)
{
	__u32 i;

	perf_buffer__free(reader->buffer);
	reader->buffer = NULL;
	for (i = 0; i < reader->count; i++)
		drop_claim(&reader->rings[i]);
	close_fd(reader->map_fd);
	close_fd(reader->timer_fd);
	reader->map_fd = reader->timer_fd = -1;
}

/* Have the kernel count what is lost, if it can. */
static void count_losses(struct perf_event_attr *attr, int cpu)
{
	int fd;

	if (attr->read_format & FORMAT_LOST)
		return;
	attr->read_format |= FORMAT_LOST;
	fd = syscall(__NR_perf_event_open, attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		attr->read_format &= ~(__u64)FORMAT_LOST;
	close_fd(fd);
}

static int open_rings(struct lbc_perf_reader *reader, struct perf_event_attr *attr, size_t page_cnt)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	LIBBPF_OPTS(perf_buffer_raw_opts, opts);
	struct bpf_map_info info;
	__u32 len = sizeof(info), i;
	int *numbers, err;

	memset(&info, 0, sizeof(info));
	if (bpf_map_get_info_by_fd(reader->map_fd, &info, &len))
		return -errno;
	for (i = 0; i < reader->count; i++) {
		err = claim_place(&reader->rings[i], info.id);
		if (err)
			return err;
	}
	numbers = calloc(2 * (size_t)reader->count, sizeof(*numbers));
	if (!numbers)
		return -ENOMEM;
	for (i = 0; i < reader->count; i++) {
		numbers[i] = reader->rings[i].cpu;
		numbers[reader->count + i] = reader->rings[i].map_key;
	}
	opts.cpu_cnt = reader->count;
	opts.cpus = numbers;
	opts.map_keys = numbers + reader->count;
	count_losses(attr, numbers[0]);
	reader->buffer = perf_buffer__new_raw(reader->map_fd, page_cnt, attr, unused, NULL, &opts);
	err = reader->buffer ? 0 : -errno;
	free(numbers);
	for (i = 0; i < reader->count && !err; i++) {
		struct lbc_perf_ring *ring = &reader->rings[i];
		size_t size;

		err = perf_buffer__buffer(reader->buffer, i, &ring->base, &size);
		if (err)
			break;
		ring->size = size;
		ring->data = (const char *)ring->base + getpagesize();
		ring->fd = perf_buffer__buffer_fd(reader->buffer, i);
		event.data.u32 = i;
		if (epoll_ctl(reader->gate.epoll_fd, EPOLL_CTL_ADD, ring->fd, &event))
			err = -errno;
	}
	return err;
}

static int open_timer(struct lbc_perf_reader *reader)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = reader->count };

	reader->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (reader->timer_fd < 0 || epoll_ctl(reader->gate.epoll_fd, EPOLL_CTL_ADD, reader->timer_fd, &event))
		return -errno;
	return 0;
}

/*
 * Open a reader of `count` buffers, whose `cpu` and `map_key` are given, of `page_cnt` pages each. The struct and its
 * rings are the caller's memory; NULL with errno on failure.
 */
struct lbc_perf_reader *lbc_perf_reader__open(struct lbc_perf_reader *reader, int map_fd, struct perf_event_attr *attr,
					      size_t page_cnt)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int err;

	pthread_once(&once, watch_forks);
	reader->timer_fd = -1;
	/* 3: never one of the standard streams, as libbpf does. */
	reader->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 3);
	if (reader->map_fd < 0 || !lbc_ring_reader__open(&reader->gate, NULL, 0)) {
		err = -errno;
		close_all(reader);
		errno = -err;
		return NULL;
	}
	err = reader->window ? open_timer(reader) : 0;
	if (!err)
		err = open_rings(reader, attr, page_cnt);
	reader->sample_type = attr->sample_type;
	reader->read_format = attr->read_format;
	reader->payload_at = 8 + 8 * __builtin_popcountll(attr->sample_type & BEFORE_PAYLOAD);
	reader->time_at = 8 + 8 * __builtin_popcountll(attr->sample_type & BEFORE_TIME);
	reader->time_back = 8 + 8 * __builtin_popcountll(attr->sample_type & BEHIND_TIME);
	if (err) {
		lbc_ring_reader__close(&reader->gate);
		close_all(reader);
		errno = -err;
		return NULL;
	}
	return reader;
}

/* Wake who waits, wait until nobody is inside, and let everything go. Called once. */
void lbc_perf_reader__close(struct lbc_perf_reader *reader)
{
	lbc_ring_reader__close(&reader->gate);
	close_all(reader);
}

/* Where a buffer stands. What is lost is what the kernel has counted, before it says so in the buffer, if it does. */
int lbc_perf_reader__state(struct lbc_perf_reader *reader, __u32 index, struct lbc_perf_state *state)
{
	struct lbc_perf_ring *ring = &reader->rings[index];
	__u64 values[16];
	ssize_t size;
	int err = 0;

	if (!lbc_ring_enter(&reader->gate))
		return LBC_CLOSED;
	state->data_tail = tail_of(ring);
	state->data_head = head_of(ring);
	state->lost = __atomic_load_n(&ring->lost, __ATOMIC_RELAXED);
	if (reader->read_format & FORMAT_LOST) {
		/* It comes last. */
		size = read(ring->fd, values, sizeof(values));
		if (size < 0)
			err = -errno;
		else if (size >= (ssize_t)sizeof(__u64))
			state->lost = values[size / sizeof(__u64) - 1];
	}
	lbc_ring_leave(&reader->gate);
	return err;
}

/* Copy the beginning of a buffer's mapping, which is a page about it and then the data. */
int lbc_perf_reader__copy(struct lbc_perf_reader *reader, __u32 index, void *buffer, size_t size)
{
	if (!lbc_ring_enter(&reader->gate))
		return LBC_CLOSED;
	memcpy(buffer, reader->rings[index].base, size);
	lbc_ring_leave(&reader->gate);
	return 0;
}
