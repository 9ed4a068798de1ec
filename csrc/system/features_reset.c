/*
 * Stands in for csrc/features_reset.c when the system's libbpf is linked: the cache of its feature probes is a static
 * that no other object can reach, so what a probe once found missing stays missing, and what it found is not known.
 */
#include <errno.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

void lbc_features_forget_missing(void)
{
}

int lbc_features_arena_data_at_end(void)
{
	return -EOPNOTSUPP;
}
