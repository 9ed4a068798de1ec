/* Stands in for csrc/link_perf.c when the system's libbpf is linked: nothing is known of its structs. */
#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

int lbc_link_perf_event_fd(const struct bpf_link *link)
{
	(void)link;
	return -1;
}
