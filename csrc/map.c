/*
 * A map without an object, and the elements of any map.
 *
 * Elements are read and written without the lock of the tree of handles: it costs a tenth of a lookup, and would make
 * threads wait for one another. What it is for, that nobody closes a descriptor that a call is using, is done here: a
 * call counts itself in, and closing waits until all have counted themselves out. A call that comes too late, or in a
 * forked child, to which nothing of its parent's belongs, gets LBC_CLOSED.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "map_elements.h"

/* Stand-alone maps: one call makes the descriptor and what holds it, so that no Ctrl-C comes between. */

static struct lbc_map *hold(int fd)
{
	struct lbc_map *map;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	map = malloc(sizeof(*map));
	if (!map) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	map->fd = fd;
	return map;
}

struct lbc_map *lbc_map__create(enum bpf_map_type type, const char *name, __u32 key_size, __u32 value_size,
				__u32 max_entries, const struct bpf_map_create_opts *opts)
{
	return hold(bpf_map_create(type, name, key_size, value_size, max_entries, opts));
}

struct lbc_map *lbc_map__from_id(__u32 id, __u32 open_flags)
{
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, opts, .open_flags = open_flags);

	return hold(bpf_map_get_fd_by_id_opts(id, &opts));
}

struct lbc_map *lbc_map__from_pin(const char *path, __u32 file_flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = file_flags);

	return hold(bpf_obj_get_opts(path, &opts));
}

struct lbc_map *lbc_map__from_fd(int fd)
{
	/* 3: never one of the standard streams, as libbpf does. */
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return hold(fd < 0 ? -errno : fd);
}

void lbc_map__close(struct lbc_map *map)
{
	close(map->fd);
	free(map);
}

/* Elements */

unsigned int lbc_generation;

static void count_generation(void)
{
	lbc_generation++;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, count_generation);
}

void lbc_elements_open(struct lbc_elements *elements)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch_forks);
	elements->generation = lbc_generation;
	elements->users = 0;
	__atomic_store_n(&elements->closed, 0, __ATOMIC_SEQ_CST);
}

int lbc_elements_map_memory(struct lbc_elements *elements, size_t size, int writable)
{
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *memory = mmap(NULL, size, protection, MAP_SHARED, elements->fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	/* A child must not keep the map. */
	madvise(memory, size, MADV_DONTFORK);
	elements->memory = memory;
	elements->memory_size = size;
	elements->writable = writable;
	return 0;
}

/* Closing twice, or what was never opened, does nothing. The struct itself is the caller's. */
void lbc_elements_close(struct lbc_elements *elements)
{
	const struct timespec moment = { .tv_nsec = 20000 };

	__atomic_store_n(&elements->closed, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&elements->users, __ATOMIC_SEQ_CST))
		nanosleep(&moment, NULL);
	if (elements->memory)
		munmap(elements->memory, elements->memory_size);
	elements->memory = NULL;
}

#define CALL(expression)                            \
	({                                          \
		int result_ = LBC_CLOSED;           \
                                                    \
		if (lbc_enter(elements)) {          \
			result_ = (expression);     \
			lbc_leave(elements);        \
		}                                   \
		result_;                            \
	})

int lbc_lookup(struct lbc_elements *elements, const void *key, void *value, __u64 flags)
{
	return CALL(bpf_map_lookup_elem_flags(elements->fd, key, value, flags));
}

int lbc_update(struct lbc_elements *elements, const void *key, const void *value, __u64 flags)
{
	return CALL(bpf_map_update_elem(elements->fd, key, value, flags));
}

int lbc_delete(struct lbc_elements *elements, const void *key, __u64 flags)
{
	return CALL(bpf_map_delete_elem_flags(elements->fd, key, flags));
}

int lbc_lookup_and_delete(struct lbc_elements *elements, const void *key, void *value, __u64 flags)
{
	return CALL(bpf_map_lookup_and_delete_elem_flags(elements->fd, key, value, flags));
}

int lbc_next_key(struct lbc_elements *elements, const void *key, void *next)
{
	return CALL(bpf_map_get_next_key(elements->fd, key, next));
}

/*
 * Keys and values that are one integer: no bytes are made in Python, and the value is what is returned. A return of
 * LBC_LOOK_AGAIN says that something is out of the ordinary (or that this happens to be the value): the caller
 * then goes the long way, which finds out.
 */

static inline __attribute__((always_inline)) int store(void *to, __u32 size, __u64 value)
{
	switch (size) {
	case 1: { __u8 v = value; memcpy(to, &v, 1); return 0; }
	case 2: { __u16 v = value; memcpy(to, &v, 2); return 0; }
	case 4: { __u32 v = value; memcpy(to, &v, 4); return 0; }
	case 8: memcpy(to, &value, 8); return 0;
	}
	return -EINVAL;
}

static inline __attribute__((always_inline)) __u64 fetch(const void *from, __u32 size, int is_signed)
{
	__u64 value = 0;

	switch (size) {
	case 1: { __u8 v; memcpy(&v, from, 1); value = is_signed ? (__u64)(__s64)(__s8)v : v; break; }
	case 2: { __u16 v; memcpy(&v, from, 2); value = is_signed ? (__u64)(__s64)(__s16)v : v; break; }
	case 4: { __u32 v; memcpy(&v, from, 4); value = is_signed ? (__u64)(__s64)(__s32)v : v; break; }
	case 8: memcpy(&value, from, 8); break;
	}
	return value;
}

static inline __attribute__((always_inline)) int fits_u(__u64 value, __u32 size)
{
	return size == 8 || value >> (size * 8) == 0;
}

static inline __attribute__((always_inline)) int fits_s(__s64 value, __u32 size)
{
	return size == 8 || (value >> (size * 8 - 1) == 0 || value >> (size * 8 - 1) == -1);
}

static inline __attribute__((always_inline)) __u64 lookup_number(struct lbc_elements *elements, __u64 key, int is_signed)
{
	__u64 raw_key, raw_value, value = LBC_LOOK_AGAIN;

	if (elements->value_size > 8 || store(&raw_key, elements->key_size, key))
		return value;
	if (lbc_enter(elements)) {
		if (!bpf_map_lookup_elem(elements->fd, &raw_key, &raw_value))
			value = fetch(&raw_value, elements->value_size, is_signed);
		lbc_leave(elements);
	}
	return value;
}

static inline __attribute__((always_inline)) int update_number(struct lbc_elements *elements, __u64 key, __u64 value)
{
	__u64 raw_key, raw_value;

	if (store(&raw_key, elements->key_size, key) || store(&raw_value, elements->value_size, value))
		return -ERANGE;
	return CALL(bpf_map_update_elem(elements->fd, &raw_key, &raw_value, 0));
}

#define NUMBERS(K, V, key_type, value_type)                                                                       \
	value_type lbc_quick_lookup_##K##V(struct lbc_elements *elements, key_type key)                                 \
	{                                                                                                         \
		if (!fits_##K(key, elements->key_size))                                                           \
			return LBC_LOOK_AGAIN;                                                                    \
		return lookup_number(elements, key, #V[0] == 's');                                                    \
	}                                                                                                         \
	int lbc_quick_update_##K##V(struct lbc_elements *elements, key_type key, value_type value)                      \
	{                                                                                                         \
		if (!fits_##K(key, elements->key_size) || !fits_##V(value, elements->value_size))                 \
			return -ERANGE;                                                                           \
		return update_number(elements, key, value);                                                       \
	}

NUMBERS(u, u, uint64_t, uint64_t)
NUMBERS(u, s, uint64_t, int64_t)
NUMBERS(s, u, int64_t, uint64_t)
NUMBERS(s, s, int64_t, int64_t)

/* Arrays that are mapped. A number is read and written in one piece, whatever a program does at the same time. */

static void copy(void *to, const void *from, size_t size)
{
	switch (size) {
	case 1:
		__atomic_store_n((__u8 *)to, __atomic_load_n((const __u8 *)from, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
		break;
	case 2: {
		__u16 v = __atomic_load_n((const __u16 *)from, __ATOMIC_RELAXED);
		__atomic_store_n((__u16 *)to, v, __ATOMIC_RELAXED);
		break;
	}
	case 4: {
		__u32 v = __atomic_load_n((const __u32 *)from, __ATOMIC_RELAXED);
		__atomic_store_n((__u32 *)to, v, __ATOMIC_RELAXED);
		break;
	}
	case 8: {
		__u64 v = __atomic_load_n((const __u64 *)from, __ATOMIC_RELAXED);
		__atomic_store_n((__u64 *)to, v, __ATOMIC_RELAXED);
		break;
	}
	default:
		memcpy(to, from, size);
	}
}

/* An element of an array takes a multiple of eight bytes (array_map_alloc() in the kernel). */
static char *element(struct lbc_elements *elements, __u64 index)
{
	__u64 stride = ((__u64)elements->value_size + 7) / 8 * 8;

	if (!elements->memory || index >= elements->memory_size / stride || index >= elements->max_entries)
		return NULL;
	return (char *)elements->memory + index * stride;
}

static __u64 peek_number(struct lbc_elements *elements, __u64 index, int is_signed)
{
	__u64 raw, value = LBC_LOOK_AGAIN;
	char *at;

	if (elements->value_size > 8 || !lbc_enter(elements))
		return value;
	at = element(elements, index);
	if (at) {
		copy(&raw, at, elements->value_size);
		value = fetch(&raw, elements->value_size, is_signed);
	}
	lbc_leave(elements);
	return value;
}

uint64_t lbc_quick_peek_u(struct lbc_elements *elements, uint64_t index)
{
	return peek_number(elements, index, 0);
}

int64_t lbc_quick_peek_s(struct lbc_elements *elements, uint64_t index)
{
	return peek_number(elements, index, 1);
}

static int poke_number(struct lbc_elements *elements, __u64 index, __u64 value)
{
	int result = LBC_CLOSED;
	__u64 raw;
	char *at;

	if (store(&raw, elements->value_size, value))
		return -ERANGE;
	if (lbc_enter(elements)) {
		at = elements->writable ? element(elements, index) : NULL;
		result = at ? 0 : -ENODEV;
		if (at)
			copy(at, &raw, elements->value_size);
		lbc_leave(elements);
	}
	return result;
}

int lbc_quick_poke_u(struct lbc_elements *elements, uint64_t index, uint64_t value)
{
	return fits_u(value, elements->value_size) ? poke_number(elements, index, value) : -ERANGE;
}

int lbc_quick_poke_s(struct lbc_elements *elements, uint64_t index, int64_t value)
{
	return fits_s(value, elements->value_size) ? poke_number(elements, index, value) : -ERANGE;
}

/* -ENODEV: it is not mapped, or not for that; the system call is the way. */
static int memory_error(struct lbc_elements *elements)
{
	return elements->memory ? -E2BIG : -ENODEV;
}

int lbc_peek(struct lbc_elements *elements, __u64 index, void *value)
{
	int result = LBC_CLOSED;
	char *at;

	if (lbc_enter(elements)) {
		at = element(elements, index);
		result = at ? 0 : memory_error(elements);
		if (at)
			copy(value, at, elements->value_size);
		lbc_leave(elements);
	}
	return result;
}

int lbc_poke(struct lbc_elements *elements, __u64 index, const void *value)
{
	int result = LBC_CLOSED;
	__u64 aligned;
	char *at;

	if (lbc_enter(elements)) {
		at = elements->writable ? element(elements, index) : NULL;
		result = at ? 0 : elements->writable ? memory_error(elements) : -ENODEV;
		if (at && elements->value_size <= sizeof(aligned)) {
			/* The caller's bytes may lie anywhere. */
			memcpy(&aligned, value, elements->value_size);
			copy(at, &aligned, elements->value_size);
		} else if (at) {
			memcpy(at, value, elements->value_size);
		}
		lbc_leave(elements);
	}
	return result;
}
