/*
 * Opening and closing a reader of BPF ring buffers, and waking it; what it reads is ringbuf.c's.
 *
 * Closing waits for the call that goes on, which it wakes, as in map.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "ringbuf.h"

/* What epoll says of the eventfd, which is none of the rings. */
#define WAKE (~0U)

static struct lbc_ring_claim *claims;
static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;

unsigned int lbc_ring_generation;

static void in_child(void)
{
	lbc_ring_generation++;
	/* They are of the parent's readers, and another thread of the parent's may have held the lock. */
	claims = NULL;
	pthread_mutex_init(&claims_lock, NULL);
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

static struct lbc_ring_claim *get_claim(__u32 map_id)
{
	struct lbc_ring_claim *claim;

	pthread_mutex_lock(&claims_lock);
	for (claim = claims; claim; claim = claim->next)
		if (claim->map_id == map_id)
			break;
	if (!claim) {
		claim = calloc(1, sizeof(*claim));
		if (claim) {
			claim->map_id = map_id;
			claim->next = claims;
			claims = claim;
		}
	}
	if (claim)
		claim->users++;
	pthread_mutex_unlock(&claims_lock);
	return claim;
}

static void put_claim(struct lbc_ring_claim *claim)
{
	struct lbc_ring_claim **at;

	pthread_mutex_lock(&claims_lock);
	if (--claim->users == 0) {
		for (at = &claims; *at != claim; at = &(*at)->next)
			;
		*at = claim->next;
		free(claim);
	}
	pthread_mutex_unlock(&claims_lock);
}

void lbc_ring_leave(struct lbc_ring_reader *reader)
{
	__atomic_fetch_sub(&reader->users, 1, __ATOMIC_SEQ_CST);
}

int lbc_ring_enter(struct lbc_ring_reader *reader)
{
	if (reader->generation != lbc_ring_generation)
		return 0;
	__atomic_fetch_add(&reader->users, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&reader->closed, __ATOMIC_SEQ_CST))
		return 1;
	lbc_ring_leave(reader);
	return 0;
}

/* Opening and closing */

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void close_ring(struct lbc_ring *ring)
{
	size_t page = getpagesize();

	if (ring->consumer_pos)
		munmap(ring->consumer_pos, page);
	if (ring->producer_pos)
		munmap((void *)ring->producer_pos, page + 2 * ring->size);
	ring->consumer_pos = NULL;
	ring->producer_pos = NULL;
	ring->overwrite_pos = NULL;
	if (ring->claim)
		put_claim(ring->claim);
	ring->claim = NULL;
	close_fd(ring->fd);
	ring->fd = -1;
}

static void *map_pages(int fd, size_t size, int protection, off_t offset)
{
	void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, offset);

	if (memory == MAP_FAILED)
		return NULL;
	/* A child has no business with the ring, and must not keep it. */
	madvise(memory, size, MADV_DONTFORK);
	return memory;
}

static int open_ring(struct lbc_ring_reader *reader, __u32 index, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u32 = index };
	struct lbc_ring *ring = &reader->rings[index];
	size_t page = getpagesize();
	struct bpf_map_info info;
	__u32 len = sizeof(info), other;
	const char *pages;
	size_t size;

	/* 3: never one of the standard streams, as libbpf does. */
	ring->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (ring->fd < 0)
		return -errno;
	memset(&info, 0, sizeof(info));
	if (bpf_map_get_info_by_fd(ring->fd, &info, &len))
		return -errno;
	if (info.type != BPF_MAP_TYPE_RINGBUF)
		return -EINVAL;
	size = page + 2 * (__u64)info.max_entries;
	if (size != page + 2 * (__u64)info.max_entries)
		return -E2BIG;
	ring->size = info.max_entries;
	ring->consumer_pos = map_pages(ring->fd, page, PROT_READ | PROT_WRITE, 0);
	if (!ring->consumer_pos)
		return -errno;
	/* The data twice, one behind the other: a record that wraps around is in one piece. */
	pages = map_pages(ring->fd, size, PROT_READ, page);
	if (!pages)
		return -errno;
	ring->producer_pos = (const unsigned long *)pages;
	ring->data = pages + page;
	/* kernel/bpf/ringbuf.c, struct bpf_ringbuf: producer_pos, pending_pos, overwrite_pos. */
	if (info.map_flags & BPF_F_RB_OVERWRITE)
		ring->overwrite_pos = ring->producer_pos + 2;
	ring->claim = get_claim(info.id);
	if (!ring->claim)
		return -ENOMEM;
	for (other = 0; other < index; other++)
		if (reader->rings[other].claim == ring->claim)
			return -EEXIST;
	if (epoll_ctl(reader->epoll_fd, EPOLL_CTL_ADD, ring->fd, &event))
		return -errno;
	return 0;
}

static void close_all(struct lbc_ring_reader *reader)
{
	__u32 i;

	for (i = 0; i < reader->count; i++)
		close_ring(&reader->rings[i]);
	close_fd(reader->epoll_fd);
	close_fd(reader->wake_fd);
	reader->epoll_fd = reader->wake_fd = -1;
}

/* Open a reader of `count` rings. The struct and its rings are the caller's memory; NULL with errno on failure. */
struct lbc_ring_reader *lbc_ring_reader__open(struct lbc_ring_reader *reader, const int *fds, __u32 count)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = WAKE };
	int err = 0;
	__u32 i;

	pthread_once(&once, watch_forks);
	reader->generation = lbc_ring_generation;
	reader->count = count;
	for (i = 0; i < count; i++)
		reader->rings[i].fd = -1;
	reader->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	reader->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (reader->wake_fd < 0 || reader->epoll_fd < 0 ||
	    epoll_ctl(reader->epoll_fd, EPOLL_CTL_ADD, reader->wake_fd, &event))
		err = -errno;
	for (i = 0; i < count && !err; i++) {
		err = open_ring(reader, i, fds[i]);
		reader->failed = i;
	}
	if (err) {
		close_all(reader);
		reader->closed = 1;
		errno = -err;
		return NULL;
	}
	return reader;
}

/* Wake who waits, wait until nobody is inside, and let everything go. Closing twice does nothing. */
void lbc_ring_reader__close(struct lbc_ring_reader *reader)
{
	const struct timespec moment = { .tv_nsec = 20000 };

	if (__atomic_exchange_n(&reader->closed, 1, __ATOMIC_SEQ_CST))
		return;
	if (eventfd_write(reader->wake_fd, 1)) {
		/* Full: it is readable already. */
	}
	while (__atomic_load_n(&reader->users, __ATOMIC_SEQ_CST))
		nanosleep(&moment, NULL);
	close_all(reader);
}

/*
 * Duplicate the descriptors of epoll and of the eventfd, for a wait somewhere else: with both of them held, a close in
 * the meantime makes the first one readable, for good.
 */
int lbc_ring_reader__dup(struct lbc_ring_reader *reader, int *fds)
{
	int err = 0;

	if (!lbc_ring_enter(reader))
		return LBC_CLOSED;
	fds[0] = fcntl(reader->epoll_fd, F_DUPFD_CLOEXEC, 3);
	fds[1] = fds[0] < 0 ? -1 : fcntl(reader->wake_fd, F_DUPFD_CLOEXEC, 3);
	if (fds[1] < 0) {
		err = -errno;
		close_fd(fds[0]);
	}
	lbc_ring_leave(reader);
	return err;
}

/* Take back what was signalled; what a close has written meanwhile goes with it, but then `closed` says so. */
void lbc_ring_calm(struct lbc_ring_reader *reader)
{
	eventfd_t value;

	if (__atomic_exchange_n(&reader->signalled, 0, __ATOMIC_SEQ_CST) && eventfd_read(reader->wake_fd, &value)) {
		/* It was not readable, which is what is wanted. */
	}
	/* Who waits elsewhere, on descriptors of lbc_ring_reader__dup(), has only this to know of a close by. */
	if (__atomic_load_n(&reader->closed, __ATOMIC_SEQ_CST) && eventfd_write(reader->wake_fd, 1)) {
		/* Full: it is readable already. */
	}
}

/* Make epoll's descriptor readable, since the caller has something left; or only for what the rings have. */
int lbc_ring_reader__signal(struct lbc_ring_reader *reader, int on)
{
	if (!lbc_ring_enter(reader))
		return LBC_CLOSED;
	if (!on) {
		lbc_ring_calm(reader);
	} else if (!__atomic_exchange_n(&reader->signalled, 1, __ATOMIC_SEQ_CST) && eventfd_write(reader->wake_fd, 1)) {
		/* Full: it is readable already. */
	}
	lbc_ring_leave(reader);
	return 0;
}

/* Where a ring stands. The kernel's pages can be read at any time. */
int lbc_ring_reader__state(struct lbc_ring_reader *reader, __u32 index, struct lbc_ring_state *state)
{
	struct lbc_ring *ring = &reader->rings[index];

	if (!lbc_ring_enter(reader))
		return LBC_CLOSED;
	state->consumer_pos = __atomic_load_n(ring->consumer_pos, __ATOMIC_ACQUIRE);
	state->producer_pos = __atomic_load_n(ring->producer_pos, __ATOMIC_ACQUIRE);
	state->overwrite_pos = ring->overwrite_pos ? __atomic_load_n(ring->overwrite_pos, __ATOMIC_ACQUIRE) : 0;
	lbc_ring_leave(reader);
	return 0;
}

/*
 * After a batch that the rings had more for: make epoll look again, edge-triggered as it is. Only who hands out the
 * descriptor needs it; the reader's own calls look into the rings before they wait.
 */
int lbc_ring_reader__rearm(struct lbc_ring_reader *reader)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int err = 0;
	__u32 i;

	if (!lbc_ring_enter(reader))
		return LBC_CLOSED;
	for (i = 0; i < reader->count && !err; i++) {
		event.data.u32 = i;
		if (epoll_ctl(reader->epoll_fd, EPOLL_CTL_MOD, reader->rings[i].fd, &event))
			err = -errno;
	}
	lbc_ring_leave(reader);
	return err;
}
