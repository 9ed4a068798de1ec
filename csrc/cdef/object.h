/* Objects: open, configure, load, close, pin. */

enum libbpf_tristate {
    TRI_NO,
    TRI_YES,
    TRI_MODULE,
    ...
};

struct bpf_object_open_opts {
    size_t sz;
    const char *object_name;
    bool relaxed_maps;
    const char *pin_root_path;
    const char *kconfig;
    const char *btf_custom_path;
    char *kernel_log_buf;
    size_t kernel_log_size;
    __u32 kernel_log_level;
    const char *bpf_token_path;
    ...;
};

struct bpf_object *bpf_object__open(const char *path);
struct bpf_object *bpf_object__open_file(const char *path, const struct bpf_object_open_opts *opts);
struct bpf_object *bpf_object__open_mem(const void *obj_buf, size_t obj_buf_sz,
    const struct bpf_object_open_opts *opts);
int bpf_object__prepare(struct bpf_object *obj);
int bpf_object__load(struct bpf_object *obj);
void bpf_object__close(struct bpf_object *obj);
int bpf_object__pin_maps(struct bpf_object *obj, const char *path);
int bpf_object__unpin_maps(struct bpf_object *obj, const char *path);
int bpf_object__pin_programs(struct bpf_object *obj, const char *path);
int bpf_object__unpin_programs(struct bpf_object *obj, const char *path);
int bpf_object__pin(struct bpf_object *object, const char *path);
int bpf_object__unpin(struct bpf_object *object, const char *path);
const char *bpf_object__name(const struct bpf_object *obj);
unsigned int bpf_object__kversion(const struct bpf_object *obj);
int bpf_object__set_kversion(struct bpf_object *obj, __u32 kern_version);
int bpf_object__token_fd(const struct bpf_object *obj);
struct btf *bpf_object__btf(const struct bpf_object *obj);
int bpf_object__btf_fd(const struct bpf_object *obj);
