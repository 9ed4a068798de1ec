/*
 * Writing to user ring buffers: libbpf's producer, with what Python needs around it.
 *
 * What a reservation points to is memory that the kernel reads: it stays here. Python fills memory of its own, which is
 * copied in when the sample is submitted. One that is not submitted is discarded when it is freed: if it stayed reserved
 * the kernel could not read those behind it, for ever.
 *
 * libbpf's blocking reserve cannot be interrupted, so the wait for room is here as well: on an epoll of our own, with an
 * eventfd for close. It is edge-triggered: for the kernel a ring with eight bytes left is writable.
 *
 * All but the wait is called with the lock of the tree of handles held, since libbpf's producer is for one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void close_all(struct lbc_user_ring *ring)
{
	user_ring_buffer__free(ring->ring);
	close_fd(ring->epoll_fd);
	close_fd(ring->wake_fd);
	close_fd(ring->fd);
}

/* Open a writer. The struct is the caller's memory; NULL with errno on failure. */
struct lbc_user_ring *lbc_user_ring__open(struct lbc_user_ring *ring, int fd)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET }, wake = { .events = EPOLLIN };
	int err = 0;

	/* 3: never one of the standard streams, as libbpf does. */
	ring->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	ring->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ring->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (ring->fd < 0 || ring->wake_fd < 0 || ring->epoll_fd < 0)
		err = errno;
	if (!err) {
		ring->ring = user_ring_buffer__new(ring->fd, NULL);
		if (!ring->ring)
			err = errno;
	}
	if (!err && (epoll_ctl(ring->epoll_fd, EPOLL_CTL_ADD, ring->fd, &event) ||
		     epoll_ctl(ring->epoll_fd, EPOLL_CTL_ADD, ring->wake_fd, &wake)))
		err = errno;
	if (err) {
		close_all(ring);
		ring->closed = 1;
		errno = err;
		return NULL;
	}
	return ring;
}

/* Wake who waits for room, wait until nobody does, and let everything go. Its samples are gone before. */
void lbc_user_ring__close(struct lbc_user_ring *ring)
{
	const struct timespec moment = { .tv_nsec = 20000 };

	__atomic_store_n(&ring->closed, 1, __ATOMIC_SEQ_CST);
	if (eventfd_write(ring->wake_fd, 1)) {
		/* Full: it is readable already. */
	}
	while (__atomic_load_n(&ring->users, __ATOMIC_SEQ_CST))
		nanosleep(&moment, NULL);
	close_all(ring);
}

struct lbc_user_sample *lbc_user_sample__reserve(struct lbc_user_ring *ring, __u32 size)
{
	struct lbc_user_sample *sample = malloc(sizeof(*sample));
	int err;

	if (!sample) {
		errno = ENOMEM;
		return NULL;
	}
	sample->ring = ring;
	sample->size = size;
	sample->data = user_ring_buffer__reserve(ring->ring, size);
	if (!sample->data) {
		err = errno;
		free(sample);
		errno = err;
		return NULL;
	}
	return sample;
}

/* Copy the sample's bytes in and submit it; -ESTALE if that has been done. It still has to be freed. */
int lbc_user_sample__submit(struct lbc_user_sample *sample, const void *data)
{
	if (!sample->data)
		return -ESTALE;
	memcpy(sample->data, data, sample->size);
	user_ring_buffer__submit(sample->ring->ring, sample->data);
	sample->data = NULL;
	return 0;
}

/* Discard the sample, if it has not been submitted. */
void lbc_user_sample__free(struct lbc_user_sample *sample)
{
	if (sample->data)
		user_ring_buffer__discard(sample->ring->ring, sample->data);
	free(sample);
}

/* Reserve, copy and submit in one step. */
int lbc_user_ring__send(struct lbc_user_ring *ring, const void *data, __u32 size)
{
	void *sample = user_ring_buffer__reserve(ring->ring, size);

	if (!sample)
		return -errno;
	memcpy(sample, data, size);
	user_ring_buffer__submit(ring->ring, sample);
	return 0;
}

/* Wait until the kernel has read something, or the time is over. */
int lbc_user_ring__wait(struct lbc_user_ring *ring, int timeout_ms)
{
	struct epoll_event events[2];
	int result;

	__atomic_fetch_add(&ring->users, 1, __ATOMIC_SEQ_CST);
	result = LBC_CLOSED;
	if (!__atomic_load_n(&ring->closed, __ATOMIC_SEQ_CST)) {
		result = epoll_wait(ring->epoll_fd, events, 2, timeout_ms);
		if (result < 0)
			result = -errno;
		if (__atomic_load_n(&ring->closed, __ATOMIC_SEQ_CST))
			result = LBC_CLOSED;
	}
	__atomic_fetch_sub(&ring->users, 1, __ATOMIC_SEQ_CST);
	return result;
}
