/*
 * Open an object in a child process first (child.c), to see whether libbpf survives it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "child.h"

struct job {
	const void *data;
	size_t size;
	const struct bpf_object_open_opts *opts;
};

/* What Object._look() does with a map of an object that is open (_object_contents.py). */
static int set_up(struct bpf_map *map)
{
	int err = lbc_map_adopt_inner(map) ? set_up(bpf_map__inner_map(map)) : 0;

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
		err = err ? err : bpf_map__set_value_size(map, sizeof(__u32));
		if (!bpf_map__key_size(map))
			err = err ? err : bpf_map__set_key_size(map, sizeof(__u32));
		return err;
	case BPF_MAP_TYPE_RINGBUF:
	case BPF_MAP_TYPE_USER_RINGBUF:
		lbc_map_forget_btf(map);
		err = err ? err : bpf_map__set_key_size(map, 0);
		return err ? err : bpf_map__set_value_size(map, 0);
	default:
		return err;
	}
}

/* Read a text to its end, as Python will. */
static size_t look(const char *text)
{
	return text ? strlen(text) : 0;
}

static int open_and_look(void *argument)
{
	const struct job *job = argument;
	struct bpf_program *program;
	struct bpf_object *object;
	struct bpf_map *map;
	volatile size_t seen = 0;
	int err = 0;

	object = lbc_object__open_mem(job->data, job->size, job->opts);
	if (!object)
		return -errno;
	/* An error that is too large for one comes as a pointer (collect_externs() of libbpf.c). */
	if ((intptr_t)object < 0 || (uintptr_t)object < 65536)
		return -EINVAL;
	bpf_object__for_each_program(program, object)
		seen += look(bpf_program__name(program)) + look(bpf_program__section_name(program));
	bpf_object__for_each_map(map, object)
		seen += look(bpf_map__name(map)) + look(bpf_map__pin_path(map)) + bpf_map__value_size(map);
	bpf_object__for_each_map(map, object)
		err = err ? err : set_up(map);
	bpf_object__close(object);
	return err;
}

int lbc_open__start(const void *data, size_t size, const struct bpf_object_open_opts *opts, int report,
		    unsigned int seconds, size_t memory)
{
	struct child_limits limits = { .seconds = seconds, .memory = memory, .output = (size_t)1 << 24 };
	struct job job = { .data = data, .size = size, .opts = opts };

	return lbc_child_start(open_and_look, &job, -1, report, &limits);
}
