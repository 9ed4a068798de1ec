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

/* Load then makes the map without BTF all the same, after a warning. */
void lbc_map_forget_btf(struct bpf_map *map)
{
	(void)map;
}

int lbc_map_adopt_inner(struct bpf_map *map)
{
	(void)map;
	return 0;
}

/* The kernel finds an interface, and the flags, where it finds those of TCX; only libbpf's message names that. */
struct bpf_link *lbc_attach_xdp(const struct bpf_program *prog, int ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_tcx_opts, opts, .flags = flags);

	return bpf_program__attach_tcx(prog, ifindex, &opts);
}
