/* What variables.py measures against: the element of an array map looked up by the kernel's call, in a loop. */
#include <errno.h>
#include <time.h>

#include "bpf.h"

#define API __attribute__((visibility("default")))

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Return the nanoseconds that `count` lookups of the element 0 take, or a negative errno. */
API long long variables_lookup(int fd, void *value, long count)
{
	__u32 key = 0;
	long long start = now();
	long i;

	for (i = 0; i < count; i++)
		if (bpf_map_lookup_elem(fd, &key, value))
			return -errno;
	return now() - start;
}

/* The same for writing. */
API long long variables_update(int fd, const void *value, long count)
{
	__u32 key = 0;
	long long start = now();
	long i;

	for (i = 0; i < count; i++)
		if (bpf_map_update_elem(fd, &key, value, BPF_ANY))
			return -errno;
	return now() - start;
}
