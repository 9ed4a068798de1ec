/*
 * The life of one BPF object as a C loader sees it: open, load, attach, close, one fact a line.
 *
 *     steps OBJECT
 *
 * If the object does not come all the way, and has more programs than one, then once more for each program
 * alone.
 *
 * steps.py prints the same lines for libbpf_cffi, and compare.py compares the two. So whatever changes here
 * changes there. Everything is libbpf's own: the attaching is bpf_object__attach_skeleton(), on a skeleton that
 * is filled in by hand with all programs and maps of the object, as bpftool would have generated it.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"

/* Print `text` as one field: what would break the line is written as \xNN. */
static void put(const char *text)
{
	for (; *text; text++) {
		unsigned char c = *text;

		if (c < ' ' || c == '\\' || c == 0x7f)
			printf("\\x%02x", c);
		else
			putchar_unlocked(c); /* a verifier's log can have a hundred megabytes */
	}
}

/* What attaching has failed on, as in "prog 'NAME'": only a message says it. */
static char culprit[256];

static int message(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text = NULL;
	size_t size;

	if (level > LIBBPF_INFO)
		return 0;
	if (vasprintf(&text, format, args) < 0) {
		perror("vasprintf");
		exit(2);
	}
	size = strlen(text);
	while (size && text[size - 1] == '\n')
		text[--size] = '\0';
	if (strstr(text, "': failed to auto-attach: ")) {
		snprintf(culprit, sizeof(culprit), "%s", text + strlen("libbpf: "));
		*strstr(culprit, ": failed") = '\0';
		free(text);
		return 0;
	}
	printf("message %d ", level);
	put(strncmp(text, "libbpf: ", 8) ? text : text + 8);
	putchar('\n');
	free(text);
	return 0;
}

static int open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	if (!folder) {
		perror("/proc/self/fd");
		exit(2);
	}
	while (readdir(folder))
		count++;
	closedir(folder);
	return count - 3; /* ".", ".." and the folder itself */
}

static void put_programs(struct bpf_object *obj, const char *when)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj) {
		const struct bpf_insn *insns = bpf_program__insns(prog);
		size_t count = bpf_program__insn_cnt(prog);
		int fd = bpf_program__fd(prog);

		printf("%s program ", when);
		put(bpf_program__name(prog));
		printf(" section=");
		put(bpf_program__section_name(prog));
		printf(" type=%d expected_attach_type=%d flags=%u autoload=%d autoattach=%d log_level=%u insn_cnt=%zu",
		       (int)bpf_program__type(prog), (int)bpf_program__expected_attach_type(prog), bpf_program__flags(prog),
		       bpf_program__autoload(prog), bpf_program__autoattach(prog), bpf_program__log_level(prog), count);
		if (fd < 0) {
			/* Once loaded, instructions hold numbers of descriptors; the kernel's tag stands for them then. */
			printf(" insns=%08lx", insns ? crc32(0, (const void *)insns, count * sizeof(*insns)) : 0UL);
		} else {
			struct bpf_prog_info info = {};
			__u32 size = sizeof(info);
			int i, err = bpf_prog_get_info_by_fd(fd, &info, &size);

			if (err) {
				printf(" info=%d", err);
			} else {
				printf(" tag=");
				for (i = 0; i < BPF_TAG_SIZE; i++)
					printf("%02x", info.tag[i]);
				printf(" kernel_name=");
				put(info.name);
				printf(" kernel_type=%u xlated_prog_len=%u nr_map_ids=%u gpl_compatible=%d btf=%d", info.type,
				       info.xlated_prog_len, info.nr_map_ids, info.gpl_compatible, info.btf_id != 0);
			}
		}
		putchar('\n');
	}
}

static void put_maps(struct bpf_object *obj, const char *when, int created)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		printf("%s map ", when);
		put(bpf_map__name(map));
		printf(" type=%d key_size=%u value_size=%u max_entries=%u map_flags=%u numa_node=%u map_extra=%llu ifindex=%u",
		       (int)bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
		       bpf_map__map_flags(map), bpf_map__numa_node(map), (unsigned long long)bpf_map__map_extra(map),
		       bpf_map__ifindex(map));
		printf(" autocreate=%d autoattach=%d internal=%d btf_key=%u btf_value=%u pinned=%d pin_path=",
		       bpf_map__autocreate(map), bpf_map__autoattach(map), bpf_map__is_internal(map),
		       bpf_map__btf_key_type_id(map), bpf_map__btf_value_type_id(map), bpf_map__is_pinned(map));
		put(bpf_map__pin_path(map) ?: "");
		if (created && bpf_map__autocreate(map)) {
			struct bpf_map_info info = {};
			__u32 size = sizeof(info);
			int err = bpf_map_get_info_by_fd(bpf_map__fd(map), &info, &size);

			if (err) {
				printf(" info=%d", err);
			} else {
				printf(" kernel_name=");
				put(info.name);
				printf(" kernel_type=%u kernel_key_size=%u kernel_value_size=%u kernel_max_entries=%u kernel_map_flags=%u",
				       info.type, info.key_size, info.value_size, info.max_entries, info.map_flags);
			}
		}
		putchar('\n');
	}
}

static void put_link(const char *name, struct bpf_link *link, int is_map, __u32 *id)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_link__fd(link);

	printf("link ");
	put(name);
	/* The links of USDT and struct_ops have no descriptor of a link: their field holds something else. */
	if (is_map || fd <= 2 || bpf_link_get_info_by_fd(fd, &info, &size)) {
		printf(" no info\n");
		*id = 0;
		return;
	}
	printf(" type=%u\n", info.type);
	*id = info.id;
}

/* A skeleton with all programs and maps of an object, and its links. */
struct whole {
	struct bpf_object_skeleton skeleton;
	struct bpf_object *obj;
	struct bpf_program **progs;
	struct bpf_map **maps;
	struct bpf_link **prog_links, **map_links;
	__u32 *ids;
	int id_cnt;
};

static void *zeroed(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory) {
		perror("calloc");
		exit(2);
	}
	return memory;
}

static void fill(struct whole *whole, struct bpf_object *obj)
{
	struct bpf_object_skeleton *skeleton = &whole->skeleton;
	struct bpf_program *prog;
	struct bpf_map *map;
	int i;

	whole->obj = obj;
	bpf_object__for_each_program(prog, obj)
		skeleton->prog_cnt++;
	bpf_object__for_each_map(map, obj)
		skeleton->map_cnt++;
	whole->progs = zeroed(skeleton->prog_cnt, sizeof(*whole->progs));
	whole->prog_links = zeroed(skeleton->prog_cnt, sizeof(*whole->prog_links));
	whole->maps = zeroed(skeleton->map_cnt, sizeof(*whole->maps));
	whole->map_links = zeroed(skeleton->map_cnt, sizeof(*whole->map_links));
	whole->ids = zeroed(skeleton->prog_cnt + skeleton->map_cnt, sizeof(*whole->ids));

	skeleton->sz = sizeof(*skeleton);
	skeleton->name = bpf_object__name(obj);
	skeleton->obj = &whole->obj;
	skeleton->prog_skel_sz = sizeof(*skeleton->progs);
	skeleton->progs = zeroed(skeleton->prog_cnt, sizeof(*skeleton->progs));
	skeleton->map_skel_sz = sizeof(*skeleton->maps);
	skeleton->maps = zeroed(skeleton->map_cnt, sizeof(*skeleton->maps));
	i = 0;
	bpf_object__for_each_program(prog, obj) {
		whole->progs[i] = prog;
		skeleton->progs[i].name = bpf_program__name(prog);
		skeleton->progs[i].prog = &whole->progs[i];
		skeleton->progs[i].link = &whole->prog_links[i];
		i++;
	}
	i = 0;
	bpf_object__for_each_map(map, obj) {
		whole->maps[i] = map;
		skeleton->maps[i].name = bpf_map__name(map);
		skeleton->maps[i].map = &whole->maps[i];
		skeleton->maps[i].link = &whole->map_links[i];
		i++;
	}
}

/* Iterators that no section can say the target of: libbpf_cffi leaves them out, libbpf fails on them. */
static void leave_out_iterators(struct whole *whole)
{
	static const char *const needy[] = {"bpf_map_elem", "bpf_sk_storage_map", "sockmap", "cgroup"};
	struct bpf_program *prog;
	size_t i;

	bpf_object__for_each_program(prog, whole->obj) {
		const char *target = strchr(bpf_program__section_name(prog), '/');

		if (strncmp(bpf_program__section_name(prog), "iter", 4) || !target)
			continue;
		for (i = 0; i < sizeof(needy) / sizeof(*needy); i++)
			if (!strcmp(target + 1, needy[i]))
				bpf_program__set_autoattach(prog, false);
	}
}

static int attach(struct whole *whole)
{
	struct bpf_object_skeleton *skeleton = &whole->skeleton;
	int i, err;

	leave_out_iterators(whole);
	culprit[0] = '\0';
	err = bpf_object__attach_skeleton(skeleton);
	if (err) {
		printf("attach errno=%d ", -err);
		put(culprit);
		putchar('\n');
		return err;
	}
	printf("attach ok\n");
	for (i = 0; i < skeleton->prog_cnt; i++)
		if (whole->prog_links[i])
			put_link(skeleton->progs[i].name, whole->prog_links[i], 0, &whole->ids[whole->id_cnt++]);
	for (i = 0; i < skeleton->map_cnt; i++)
		if (whole->map_links[i])
			put_link(skeleton->maps[i].name, whole->map_links[i], 1, &whole->ids[whole->id_cnt++]);
	return 0;
}

static void finish(struct whole *whole)
{
	struct bpf_object_skeleton *skeleton = &whole->skeleton;
	int i;

	for (i = skeleton->map_cnt - 1; i >= 0; i--)
		bpf_link__destroy(whole->map_links[i]);
	for (i = skeleton->prog_cnt - 1; i >= 0; i--)
		bpf_link__destroy(whole->prog_links[i]);
	bpf_object__close(whole->obj);
	for (i = 0; i < whole->id_cnt; i++) {
		int fd = whole->ids[i] ? bpf_link_get_fd_by_id(whole->ids[i]) : -ENOENT;

		if (fd != -ENOENT)
			printf("link %u is still there\n", whole->ids[i]);
	}
	free(whole->progs);
	free(whole->prog_links);
	free(whole->maps);
	free(whole->map_links);
	free(whole->ids);
	free(skeleton->progs);
	free(skeleton->maps);
}

/* Go through the life of the object, with all its programs or with only the one numbered `only`. */
static int live(const char *path, int only, int *prog_cnt)
{
	struct whole whole = {};
	struct bpf_object *obj;
	int i, err;

	obj = bpf_object__open_file(path, NULL);
	if (!obj) {
		err = -errno;
		printf("open errno=%d\n", -err);
		return err;
	}
	fill(&whole, obj);
	*prog_cnt = whole.skeleton.prog_cnt;
	if (only < 0) {
		printf("open ok\nobject ");
		put(bpf_object__name(obj));
		printf(" kversion=%u\n", bpf_object__kversion(obj));
		put_programs(obj, "opened");
		put_maps(obj, "opened", 0);
	} else {
		printf("only ");
		put(bpf_program__name(whole.progs[only]));
		putchar('\n');
		for (i = 0; i < *prog_cnt; i++)
			bpf_program__set_autoload(whole.progs[i], i == only);
	}
	err = bpf_object__load(obj);
	if (err) {
		printf("load errno=%d\n", -err);
	} else {
		printf("load ok\nobject btf=%d token=%d\n", bpf_object__btf_fd(obj) >= 0, bpf_object__token_fd(obj) > 0);
		put_programs(obj, "loaded");
		put_maps(obj, "loaded", 1);
		err = attach(&whole);
	}
	finish(&whole);
	return err;
}

int main(int argc, char **argv)
{
	int i, before, prog_cnt = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s OBJECT\n", argv[0]);
		return 2;
	}
	libbpf_set_print(message);
	before = open_descriptors();
	if (live(argv[1], -1, &prog_cnt) && prog_cnt > 1)
		for (i = 0; i < prog_cnt; i++)
			live(argv[1], i, &prog_cnt);
	printf("close descriptors=%+d\n", open_descriptors() - before);
	return 0;
}
