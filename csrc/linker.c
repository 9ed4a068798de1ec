/*
 * Link objects in a child process (child.c).
 *
 * libbpf's linker takes sizes, offsets and indices of its inputs for granted. They are checked (elf_check.c); what the
 * types of two objects come to when they are merged is not.
 */
#include <errno.h>
#include <stddef.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "child.h"

/* The largest objects take a fraction of a second; malformed inputs can ask for any number of zeroes. */
static const struct child_limits LIMITS = { .seconds = 60, .memory = (size_t)4 << 30, .output = (size_t)1 << 30 };

struct job {
	const struct lbc_link_input *inputs;
	__u32 count;
	int output;
};

static int link_all(void *argument)
{
	const struct job *job = argument;
	struct bpf_linker *linker;
	int error = 0;
	__u32 i;

	lbc_child_tell('i', "%d", -1);
	linker = bpf_linker__new_fd(job->output, NULL);
	if (!linker)
		return -errno;
	for (i = 0; i < job->count && !error; i++) {
		lbc_child_tell('i', "%u", i);
		error = bpf_linker__add_buf(linker, (void *)job->inputs[i].data, job->inputs[i].size, NULL);
	}
	if (!error) {
		lbc_child_tell('i', "%d", -1);
		error = bpf_linker__finalize(linker);
	}
	bpf_linker__free(linker);
	return error;
}

int lbc_link__start(const struct lbc_link_input *inputs, __u32 count, int output, int report)
{
	struct job job = { .inputs = inputs, .count = count, .output = output };

	return lbc_child_start(link_all, &job, output, report, &LIMITS);
}
