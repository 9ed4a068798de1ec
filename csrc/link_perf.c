/*
 * libbpf itself, with a way to the descriptor of a link's perf event, and one to a map's BTF ids.
 *
 * A link to a tracepoint or probe has two descriptors: the kernel's link, which bpf_link__fd() gives, and the perf
 * event. The second one is needed to drop everything in a forked child, and to close it when a link is disconnected,
 * which libbpf leaves open for ever. The type of a ring buffer's events is declared as its value's, but the kernel
 * takes a ring buffer without a value only, and then refuses the type: libbpf has no call that takes it away. Both are
 * in structs of libbpf.c, so that file is compiled through this one.
 *
 * libbpf's way to attach an XDP program takes no flags, so none of its modes; what it is made of does.
 *
 * The map that those of a map of maps are like is made by libbpf without a pointer to its object, which each of its
 * setters follows.
 */
#include "libbpf.c"

int lbc_link_perf_event_fd(const struct bpf_link *link)
{
	if (link->detach != bpf_link_perf_detach)
		return -1;
	return container_of(link, struct bpf_link_perf, link)->perf_event_fd;
}

void lbc_map_forget_btf(struct bpf_map *map)
{
	map->btf_key_type_id = 0;
	map->btf_value_type_id = 0;
}

/* Make the template of a map of maps one that can be set; tell whether it can. */
int lbc_map_adopt_inner(struct bpf_map *map)
{
	if (!map->inner_map)
		return 0;
	map->inner_map->obj = map->obj;
	return 1;
}

struct bpf_link *lbc_attach_xdp(const struct bpf_program *prog, int ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	return bpf_program_attach_fd(prog, ifindex, "xdp", &opts);
}
