/* Stands in for csrc/link_usdt.c when the system's libbpf is linked: nothing is known of its structs. */
#include <errno.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

int lbc_link_usdt_parts(const struct bpf_link *link, struct bpf_link **parts, int capacity)
{
	(void)link;
	(void)parts;
	(void)capacity;
	return -1;
}
