/* The static linker of BPF objects. */

struct bpf_linker_opts {
    size_t sz;
    ...;
};

struct bpf_linker_file_opts {
    size_t sz;
    ...;
};

struct bpf_linker *bpf_linker__new(const char *filename, struct bpf_linker_opts *opts);
struct bpf_linker *bpf_linker__new_fd(int fd, struct bpf_linker_opts *opts);
int bpf_linker__add_file(struct bpf_linker *linker, const char *filename,
    const struct bpf_linker_file_opts *opts);
int bpf_linker__add_fd(struct bpf_linker *linker, int fd, const struct bpf_linker_file_opts *opts);
int bpf_linker__add_buf(struct bpf_linker *linker, void *buf, size_t buf_sz,
    const struct bpf_linker_file_opts *opts);
int bpf_linker__finalize(struct bpf_linker *linker);
void bpf_linker__free(struct bpf_linker *linker);
