/* Stands in for csrc/link_perf.c when the system's libbpf is linked: nothing is known of its structs. */
#include <errno.h>
#include <stddef.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "program.h"

int lbc_link_perf_event_fd(const struct bpf_link *link)
{
	(void)link;
	return -1;
}

/* A link of a legacy probe is disconnected as others, and its event then stays. */
const char *lbc_link_legacy_event(const struct bpf_link *link)
{
	(void)link;
	return NULL;
}

/* What libbpf had no memory for is not known. */
struct bpf_object *lbc_object__open_mem(const void *data, size_t size, const struct bpf_object_open_opts *opts)
{
	return bpf_object__open_mem(data, size, opts);
}

/* Load then makes the map without BTF all the same, after a warning. */
void lbc_map_forget_btf(struct bpf_map *map)
{
	(void)map;
}

/* Load is then refused by the kernel if a line is of an instruction that is not there. */
void lbc_program_forget_infos(struct bpf_program *prog)
{
	(void)prog;
}

int lbc_map_fill_struct_ops(const struct bpf_map *map)
{
	(void)map;
	return -EOPNOTSUPP;
}

int lbc_map_adopt_inner(struct bpf_map *map)
{
	(void)map;
	return 0;
}

/* A template of a map of maps then keeps a descriptor until the object is closed. */
int lbc_object_begin_generating(struct bpf_object *obj, struct gen_loader_opts *opts)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		enum bpf_map_type type = bpf_map__type(map);

		if (bpf_map__autocreate(map) && (type == BPF_MAP_TYPE_STRUCT_OPS || type == BPF_MAP_TYPE_ARENA))
			return -EOPNOTSUPP;
	}
	return bpf_object__gen_loader(obj, opts);
}

void lbc_object_end_generating(struct bpf_object *obj)
{
	(void)obj;
}

/* The kernel finds an interface, and the flags, where it finds those of TCX; only libbpf's message names that. */
struct bpf_link *lbc_attach_xdp(const struct bpf_program *prog, int ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_tcx_opts, opts, .flags = flags);

	return bpf_program__attach_tcx(prog, ifindex, &opts);
}

static struct bpf_link *unknown(void)
{
	errno = EOPNOTSUPP;
	return NULL;
}

struct bpf_link *lbc_link__from_fd(int fd)
{
	(void)fd;
	return unknown();
}

struct bpf_link *lbc_link__from_id(__u32 id)
{
	(void)id;
	return unknown();
}

struct bpf_link *lbc_link__create(int prog_fd, int target_fd, enum bpf_attach_type type,
				  const struct bpf_link_create_opts *opts)
{
	(void)prog_fd;
	(void)target_fd;
	(void)type;
	(void)opts;
	return unknown();
}

struct bpf_link *lbc_link__raw_tracepoint(int prog_fd, struct bpf_raw_tp_opts *opts)
{
	(void)prog_fd;
	(void)opts;
	return unknown();
}
