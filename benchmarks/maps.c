/*
 * What maps.py is measured against: a C program that reads and writes a map through libbpf.
 *
 * Each function does its work once and returns the CPU nanoseconds of the thread that it took, or a negative errno.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf.h"
#include "libbpf.h"

#define EXPORT __attribute__((visibility("default")))

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/*
 * Read the whole map, `step` entries a call. With `stride` 0 into one buffer that is kept, as a program does that adds
 * something up; with 1 one chunk behind the other, as one does that wants all of it at the end.
 */
EXPORT long long maps_read(int fd, char *keys, char *values, uint32_t key_size, uint32_t value_size, uint32_t step,
			   int stride, uint32_t *total)
{
	long long started = now();
	uint32_t batch, count;
	int err, first = 1;
	size_t at;

	*total = 0;
	do {
		count = step;
		at = stride ? *total : 0;
		err = bpf_map_lookup_batch(fd, first ? NULL : &batch, &batch, keys + at * key_size,
					   values + at * value_size, &count, NULL);
		if (err && err != -ENOENT)
			return err;
		first = 0;
		*total += count;
	} while (!err);
	return now() - started;
}

/* The same into memory that is new each time. */
EXPORT long long maps_read_fresh(int fd, uint32_t key_size, uint32_t value_size, uint32_t step, uint32_t max_entries,
				 uint32_t *total)
{
	long long started = now(), err;
	char *keys = malloc((size_t)max_entries * key_size), *values = malloc((size_t)max_entries * value_size);

	err = keys && values ? maps_read(fd, keys, values, key_size, value_size, step, 1, total) : -ENOMEM;
	started = now() - started;
	free(keys);
	free(values);
	return err < 0 ? err : started;
}

EXPORT long long maps_write(int fd, const char *keys, const char *values, uint32_t key_size, uint32_t value_size,
			    uint32_t step, uint32_t total)
{
	long long started = now();
	uint32_t done = 0, count;
	int err;

	for (; done < total; done += count) {
		count = total - done < step ? total - done : step;
		err = bpf_map_update_batch(fd, keys + (size_t)done * key_size, values + (size_t)done * value_size, &count,
					   NULL);
		if (err)
			return err;
	}
	return now() - started;
}

EXPORT long long maps_lookup(int fd, uint64_t key, int narrow, uint32_t times)
{
	long long started = now();
	uint32_t small = key, i;
	char value[64];
	int err;

	for (i = 0; i < times; i++) {
		err = bpf_map_lookup_elem(fd, narrow ? (void *)&small : (void *)&key, value);
		if (err)
			return err;
	}
	return now() - started;
}

EXPORT long long maps_update(int fd, uint64_t key, uint32_t times)
{
	long long started = now();
	uint64_t value;
	uint32_t i;
	int err;

	for (i = 0; i < times; i++) {
		value = i;
		err = bpf_map_update_elem(fd, &key, &value, BPF_ANY);
		if (err)
			return err;
	}
	return now() - started;
}
