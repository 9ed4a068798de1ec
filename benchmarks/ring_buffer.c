/* What benchmarks/ring_buffer.py compares with: libbpf's own reader, with a callback that does nothing. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bpf.h"
#include "libbpf.h"

#define EXPORT __attribute__((visibility("default")))

static int take(void *ctx, void *data, size_t size)
{
	(void)ctx;
	(void)data;
	(void)size;
	return 0;
}

EXPORT struct ring_buffer *ring_open(int map_fd)
{
	return ring_buffer__new(map_fd, take, NULL, NULL);
}

EXPORT void ring_close(struct ring_buffer *ring)
{
	ring_buffer__free(ring);
}

EXPORT int ring_consume(struct ring_buffer *ring)
{
	return ring_buffer__consume(ring);
}

/* Run a program that takes `struct order` as its context. */
EXPORT int ring_run(int prog_fd, void *order, uint32_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = order, .ctx_size_in = size);

	return bpf_prog_test_run_opts(prog_fd, &opts);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Send an event every `pause_us`, from a thread of its own, and note when. */
struct sender {
	pthread_t thread;
	int prog_fd;
	uint32_t count;
	uint32_t pause_us;
	volatile uint64_t sent_at;
	int error;
};

static void *send_slowly(void *arg)
{
	struct sender *sender = arg;
	uint32_t i;

	for (i = 0; i < sender->count && !sender->error; i++) {
		uint64_t order[5] = { i, 1 };

		usleep(sender->pause_us);
		__atomic_store_n(&sender->sent_at, now(), __ATOMIC_RELEASE);
		sender->error = ring_run(sender->prog_fd, order, sizeof(order));
	}
	return NULL;
}

EXPORT struct sender *sender_start(int prog_fd, uint32_t count, uint32_t pause_us)
{
	struct sender *sender = calloc(1, sizeof(*sender));

	sender->prog_fd = prog_fd;
	sender->count = count;
	sender->pause_us = pause_us;
	if (pthread_create(&sender->thread, NULL, send_slowly, sender)) {
		free(sender);
		return NULL;
	}
	return sender;
}

/* When the last event was sent, by CLOCK_MONOTONIC in nanoseconds. */
EXPORT uint64_t sender_sent_at(struct sender *sender)
{
	return __atomic_load_n(&sender->sent_at, __ATOMIC_ACQUIRE);
}

EXPORT int sender_join(struct sender *sender)
{
	int error;

	pthread_join(sender->thread, NULL);
	error = sender->error;
	free(sender);
	return error;
}

/* Wait for `count` events with libbpf's poll; the latency of each goes into `latencies`. */
EXPORT int ring_latencies(struct ring_buffer *ring, struct sender *sender, uint64_t *latencies, uint32_t count)
{
	uint32_t i = 0;
	int got;

	while (i < count - 1) {
		got = ring_buffer__poll(ring, 5000);
		if (got < 0 && got != -EINTR)
			return got;
		if (!got)
			return -ETIME;
		/* Of two that came together the later one counts. */
		latencies[i] = now() - sender_sent_at(sender);
		i += got > 0 ? got : 0;
	}
	return 0;
}
