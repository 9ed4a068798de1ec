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
 * The lines of a program whose instructions were replaced by fewer are refused by the kernel, and libbpf has no call that
 * takes them away.
 *
 * Generating a loader, libbpf forgets the descriptor that stands for the map that those of a map of maps are like, reads
 * the kernel's types, which it has not, for a struct_ops map, and writes an arena's variables to a file without a byte.
 *
 * The map that those of a map of maps are like is made by libbpf without a pointer to its object, which each of its
 * setters follows.
 *
 * bpf_link__update_map() reads what only links have that were made of a struct_ops map, and is not for one that was
 * opened: what it does first, to fill the map, is here, and the update itself is a call of the kernel's.
 *
 * A link whose descriptor is known, such as one that was opened by its id, gets a struct of libbpf's here: libbpf makes
 * one only of a pin.
 *
 * A legacy probe is an event of tracefs that outlives its process. libbpf tries once to remove it, and a moment without
 * memory or descriptors leaves it for ever: so what it writes there is tried twice. Whether a link has such an event libbpf
 * does not tell.
 *
 * Of types that libbpf has no memory for it says that the object has none, and where a section's number was to be kept it
 * goes on with NULL, which load follows. Opening an object tells of both here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include "btf.h"

static __thread int types_error;

#define btf__new(data, size)                              \
	({                                                \
		struct btf *made_ = btf__new(data, size); \
							  \
		if (!made_)                               \
			types_error = errno;              \
		made_;                                    \
	})
#define btf_ext__new(data, size)                                  \
	({                                                        \
		struct btf_ext *made_ = btf_ext__new(data, size); \
								  \
		if (!made_)                                       \
			types_error = errno;                      \
		made_;                                            \
	})

/* What libbpf.c opens to append to are tracefs's lists of events (append_to_file()). */
static int open_twice(const char *path, int flags)
{
	int fd = open(path, flags);

	return fd < 0 && flags & O_APPEND ? open(path, flags) : fd;
}

static ssize_t write_twice(int fd, const char *text, size_t size)
{
	ssize_t written = write(fd, text, size);

	return written < 0 && *text == '-' ? write(fd, text, size) : written;
}

#define open(path, flags, ...) open_twice(path, flags)
#define write(fd, text, size) write_twice(fd, text, size)
#include "libbpf.c"
#undef open
#undef write
#include "program.h"

static int lacks_memory(const struct bpf_object *obj)
{
	const struct btf_ext *ext = obj->btf_ext;

	if (types_error == ENOMEM)
		return 1;
	return ext && ((ext->func_info.sec_cnt && !ext->func_info.sec_idxs) ||
		       (ext->line_info.sec_cnt && !ext->line_info.sec_idxs) ||
		       (ext->core_relo_info.sec_cnt && !ext->core_relo_info.sec_idxs));
}

struct bpf_object *lbc_object__open_mem(const void *data, size_t size, const struct bpf_object_open_opts *opts)
{
	struct bpf_object *obj;

	types_error = 0;
	obj = bpf_object__open_mem(data, size, opts);
	/* Of a malformed file it may be no pointer at all. */
	if ((intptr_t)obj <= 0 || !lacks_memory(obj))
		return obj;
	bpf_object__close(obj);
	errno = ENOMEM;
	return NULL;
}

static struct bpf_link *hold_link(int fd)
{
	struct bpf_link *link;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	link = calloc(1, sizeof(*link));
	if (!link) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	link->detach = &bpf_link__detach_fd;
	link->fd = fd;
	return link;
}

struct bpf_link *lbc_link__from_fd(int fd)
{
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return hold_link(fd < 0 ? -errno : fd);
}

struct bpf_link *lbc_link__from_id(__u32 id)
{
	return hold_link(bpf_link_get_fd_by_id(id));
}

struct bpf_link *lbc_link__create(int prog_fd, int target_fd, enum bpf_attach_type type,
				  const struct bpf_link_create_opts *opts)
{
	return hold_link(bpf_link_create(prog_fd, target_fd, type, opts));
}

struct bpf_link *lbc_link__raw_tracepoint(int prog_fd, struct bpf_raw_tp_opts *opts)
{
	return hold_link(bpf_raw_tracepoint_open_opts(prog_fd, opts));
}

int lbc_link_perf_event_fd(const struct bpf_link *link)
{
	if (link->detach != bpf_link_perf_detach)
		return -1;
	return container_of(link, struct bpf_link_perf, link)->perf_event_fd;
}

/* Give the name of the event of a legacy probe, or NULL; it is the link's. */
const char *lbc_link_legacy_event(const struct bpf_link *link)
{
	if (link->detach != bpf_link_perf_detach)
		return NULL;
	return container_of(link, struct bpf_link_perf, link)->legacy_probe_name;
}

void lbc_map_forget_btf(struct bpf_map *map)
{
	map->btf_key_type_id = 0;
	map->btf_value_type_id = 0;
}

void lbc_program_forget_infos(struct bpf_program *prog)
{
	zfree(&prog->func_info);
	zfree(&prog->line_info);
	prog->func_info_cnt = 0;
	prog->line_info_cnt = 0;
}

int lbc_map_fill_struct_ops(const struct bpf_map *map)
{
	__u32 zero = 0;
	int err;

	if (!bpf_map__is_struct_ops(map) || map->fd < 0)
		return -EINVAL;
	err = bpf_map_update_elem(map->fd, &zero, map->st_ops->kern_vdata, 0);
	/* A table that is there already cannot be written again. */
	return err == -EBUSY ? 0 : err;
}

/* Make the template of a map of maps one that can be set; tell whether it can. */
int lbc_map_adopt_inner(struct bpf_map *map)
{
	if (!map->inner_map)
		return 0;
	map->inner_map->obj = map->obj;
	return 1;
}

/*
 * Prepare to generate: whether it can be done, or an errno. Until lbc_object_end_generating() each template shares its
 * map's descriptor, which is closed with the map; libbpf only looks whether there is one, and then drops its number.
 */
int lbc_object_begin_generating(struct bpf_object *obj, struct gen_loader_opts *opts)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		if (bpf_map__is_struct_ops(map) && map->autocreate) {
			pr_warn("map '%s': a loader cannot make a struct_ops map\n", map->name);
			return -EOPNOTSUPP;
		}
		if (map->def.type == BPF_MAP_TYPE_ARENA && obj->arena_data) {
			pr_warn("map '%s': a loader cannot fill an arena with variables\n", map->name);
			return -EOPNOTSUPP;
		}
	}
	bpf_object__for_each_map(map, obj) {
		if (map->inner_map) {
			zclose(map->inner_map->fd);
			map->inner_map->fd = map->fd;
		}
	}
	return bpf_object__gen_loader(obj, opts);
}

void lbc_object_end_generating(struct bpf_object *obj)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		if (map->inner_map && map->inner_map->fd == map->fd)
			map->inner_map->fd = -1;
	}
}

struct bpf_link *lbc_attach_xdp(const struct bpf_program *prog, int ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	return bpf_program_attach_fd(prog, ifindex, "xdp", &opts);
}
