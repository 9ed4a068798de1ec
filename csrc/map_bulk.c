/*
 * Many elements in one call: the kernel's batches where it has them, a key at a time where it has not.
 *
 * Here and not in Python because a key at a time is two system calls a key, each of which would cost Python as much
 * again.
 */
#include <errno.h>
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "map_elements.h"

enum { UNKNOWN, BATCH, EACH };

/* The kernel's own ENOTSUPP is in no header of user space; EINVAL is what a kernel says that knows no batches. */
static int unsupported(int err)
{
	return err == -524 || err == -EOPNOTSUPP || err == -EINVAL;
}

static void advance(struct lbc_cursor *cursor)
{
	void *at = cursor->at;

	cursor->at = cursor->next;
	cursor->next = at;
}

static int spend(struct lbc_cursor *cursor, __u64 count)
{
	cursor->budget = cursor->budget > count ? cursor->budget - count : 0;
	return cursor->budget != 0;
}

static int read_batch(struct lbc_elements *elements, struct lbc_cursor *cursor, void *keys, void *values,
		      __u32 capacity)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = cursor->elem_flags);
	int tries, err;
	__u32 count;

	for (tries = 0;; tries++) {
		count = capacity;
		err = (cursor->take ? bpf_map_lookup_and_delete_batch : bpf_map_lookup_batch)(
			elements->fd, cursor->started ? cursor->at : NULL, cursor->next, keys, values, &count, &opts);
		/* A call that never came to the batch leaves the count as it was. */
		if (err && count == capacity && err != -ENOENT)
			count = 0;
		/* The kernel gives up on an element that goes away three times while it is looked up. */
		if (err != -EINTR || count || tries == 1000)
			break;
	}
	if (err == -ENOSPC && !count) {
		/* The entries that share one bucket are read together, and are more than there is room for. */
		if (capacity > UINT32_MAX / 2)
			return err;
		cursor->step = capacity * 2;
		return 0;
	}
	if (err && err != -ENOENT && !(err == -EINTR && count))
		return err;
	cursor->filled = count;
	cursor->started = 1;
	cursor->done = err == -ENOENT || !count;
	advance(cursor);
	if (!cursor->bounded && !cursor->done && !spend(cursor, count))
		cursor->error = -EAGAIN;
	return 0;
}

static int take(struct lbc_elements *elements, struct lbc_cursor *cursor, void *value)
{
	int err;

	if (!cursor->two_steps) {
		err = bpf_map_lookup_and_delete_elem_flags(elements->fd, cursor->at, value, cursor->elem_flags);
		if (!unsupported(err))
			return err;
		cursor->two_steps = 1;
	}
	err = bpf_map_lookup_elem_flags(elements->fd, cursor->at, value, cursor->elem_flags);
	return err ? err : bpf_map_delete_elem(elements->fd, cursor->at);
}

static int read_each(struct lbc_elements *elements, struct lbc_cursor *cursor, char *keys, char *values,
		     __u32 capacity)
{
	int err, last;

	if (!cursor->started) {
		err = bpf_map_get_next_key(elements->fd, NULL, cursor->at);
		cursor->done = err == -ENOENT;
		if (err)
			return cursor->done ? 0 : err;
		cursor->started = 1;
	}
	while (!cursor->done && cursor->filled < capacity) {
		/* Before the element is touched: of a key that is gone the kernel starts again at the first one. */
		err = bpf_map_get_next_key(elements->fd, cursor->at, cursor->next);
		last = err == -ENOENT;
		if (!err || last) {
			char *value = values + (size_t)cursor->filled * elements->value_size;

			err = cursor->take ? take(elements, cursor, value)
					   : bpf_map_lookup_elem_flags(elements->fd, cursor->at, value,
								       cursor->elem_flags);
			if (!err) {
				memcpy(keys + (size_t)cursor->filled * elements->key_size, cursor->at,
				       elements->key_size);
				cursor->filled++;
			}
			if (err == -ENOENT)
				err = 0;
		}
		if (!err && !last && !spend(cursor, 1))
			err = -EAGAIN;
		if (err) {
			/* What has been read must not be lost. */
			cursor->error = err;
			return cursor->filled ? 0 : err;
		}
		cursor->done = last;
		advance(cursor);
	}
	return 0;
}

/*
 * Read the next entries, at most `capacity`, into `keys` and `values`; how many is in `filled`. None, with `done` still
 * 0, means: try again, with room for at least `step`.
 */
int lbc_read(struct lbc_elements *elements, struct lbc_cursor *cursor, void *keys, void *values, __u32 capacity)
{
	int err = cursor->error;

	cursor->filled = 0;
	if (err || cursor->done)
		return err;
	if (!lbc_enter(elements))
		return LBC_CLOSED;
	if (cursor->way != EACH) {
		err = read_batch(elements, cursor, keys, values, capacity);
		if (cursor->way == UNKNOWN)
			cursor->way = unsupported(err) ? EACH : BATCH;
	}
	if (cursor->way == EACH)
		err = read_each(elements, cursor, keys, values, capacity);
	lbc_leave(elements);
	return err;
}

static int update_each(struct lbc_elements *elements, const char *keys, const char *values, __u32 count,
		       __u64 flags, struct lbc_progress *progress)
{
	int err = 0;

	for (; progress->done < count; progress->done++) {
		err = bpf_map_update_elem(elements->fd, keys + (size_t)progress->done * elements->key_size,
					  values + (size_t)progress->done * elements->value_size, flags);
		if (err)
			break;
	}
	return err;
}

/* Write `count` entries; on failure `done` is how many were written, in their order. */
int lbc_update_many(struct lbc_elements *elements, const void *keys, const void *values, __u32 count, __u64 flags,
		    struct lbc_progress *progress)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = flags);
	__u32 written = count;
	int err = 0;

	progress->done = 0;
	if (!count)
		return 0;
	if (!lbc_enter(elements))
		return LBC_CLOSED;
	/* The kernel's batch has no BPF_NOEXIST and no BPF_EXIST. */
	if (flags & ~(__u64)BPF_F_LOCK)
		progress->way = EACH;
	if (progress->way != EACH) {
		err = bpf_map_update_batch(elements->fd, keys, values, &written, &opts);
		if (!err) {
			progress->done = count;
		} else if (written < count) {
			progress->done = written;
		}
		/* A batch that the kernel refuses as a whole leaves the count as it was, or sets it to 0. */
		if (!progress->done && unsupported(err))
			progress->way = EACH;
	}
	if (progress->way == EACH)
		err = update_each(elements, keys, values, count, flags, progress);
	lbc_leave(elements);
	return err;
}

/* Delete `count` keys; those that are not there are counted in `missing`. */
int lbc_delete_many(struct lbc_elements *elements, const void *keys, __u32 count, __u64 flags,
		    struct lbc_progress *progress)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = flags);
	const char *key;
	__u32 deleted;
	int err = 0;

	progress->done = 0;
	progress->missing = 0;
	if (!lbc_enter(elements))
		return LBC_CLOSED;
	while (progress->done < count) {
		key = (const char *)keys + (size_t)progress->done * elements->key_size;
		deleted = 0;
		if (progress->way != EACH) {
			deleted = count - progress->done;
			err = bpf_map_delete_batch(elements->fd, key, &deleted, &opts);
			if (err && deleted >= count - progress->done)
				deleted = 0;
			if (err && !deleted && unsupported(err))
				progress->way = EACH;
		}
		if (progress->way == EACH) {
			err = bpf_map_delete_elem_flags(elements->fd, key, flags);
			deleted = !err;
		}
		progress->done += deleted;
		if (err == -ENOENT) {
			progress->missing++;
			progress->done++;
		} else if (err) {
			break;
		}
	}
	lbc_leave(elements);
	return err == -ENOENT ? 0 : err;
}
