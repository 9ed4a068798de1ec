/* BTF: parse, load, search, resolve. */

static char *const BTF_ELF_SEC;
static char *const BTF_EXT_ELF_SEC;
static char *const BTF_BASE_ELF_SEC;
static char *const MAPS_ELF_SEC;

enum btf_endianness {
    BTF_LITTLE_ENDIAN,
    BTF_BIG_ENDIAN,
    ...
};

void btf__free(struct btf *btf);
struct btf *btf__new(const void *data, __u32 size);
struct btf *btf__new_split(const void *data, __u32 size, struct btf *base_btf);
struct btf *btf__parse(const char *path, struct btf_ext **btf_ext);
struct btf *btf__parse_split(const char *path, struct btf *base_btf);
struct btf *btf__parse_elf(const char *path, struct btf_ext **btf_ext);
struct btf *btf__parse_elf_split(const char *path, struct btf *base_btf);
struct btf *btf__parse_raw(const char *path);
struct btf *btf__parse_raw_split(const char *path, struct btf *base_btf);
struct btf *btf__load_vmlinux_btf(void);
struct btf *btf__load_module_btf(const char *module_name, struct btf *vmlinux_btf);
struct btf *btf__load_from_kernel_by_id(__u32 id);
struct btf *btf__load_from_kernel_by_id_split(__u32 id, struct btf *base_btf);
int btf__load_into_kernel(struct btf *btf);
__s32 btf__find_by_name(const struct btf *btf, const char *type_name);
__s32 btf__find_by_name_kind(const struct btf *btf, const char *type_name, __u32 kind);
__u32 btf__type_cnt(const struct btf *btf);
const struct btf *btf__base_btf(const struct btf *btf);
const struct btf_type *btf__type_by_id(const struct btf *btf, __u32 id);
size_t btf__pointer_size(const struct btf *btf);
enum btf_endianness btf__endianness(const struct btf *btf);
__s64 btf__resolve_size(const struct btf *btf, __u32 type_id);
int btf__resolve_type(const struct btf *btf, __u32 type_id);
int btf__align_of(const struct btf *btf, __u32 id);
int btf__fd(const struct btf *btf);
const void *btf__raw_data(const struct btf *btf, __u32 *size);
const char *btf__name_by_offset(const struct btf *btf, __u32 offset);
const char *btf__str_by_offset(const struct btf *btf, __u32 offset);

struct btf *libbpf_find_kernel_btf(void);
const void *btf__get_raw_data(const struct btf *btf, __u32 *size);
