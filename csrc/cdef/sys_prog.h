/* Programs by descriptor: load, attach, query, test, streams. */

#define BPF_LOG_BUF_SIZE ...

struct bpf_prog_load_opts {
    size_t sz;
    int attempts;
    enum bpf_attach_type expected_attach_type;
    __u32 prog_btf_fd;
    __u32 prog_flags;
    __u32 prog_ifindex;
    __u32 kern_version;
    __u32 attach_btf_id;
    __u32 attach_prog_fd;
    __u32 attach_btf_obj_fd;
    const int *fd_array;
    const void *func_info;
    __u32 func_info_cnt;
    __u32 func_info_rec_size;
    const void *line_info;
    __u32 line_info_cnt;
    __u32 line_info_rec_size;
    __u32 log_level;
    __u32 log_size;
    char *log_buf;
    __u32 log_true_size;
    __u32 token_fd;
    __u32 fd_array_cnt;
    ...;
};

struct bpf_prog_attach_opts {
    size_t sz;
    __u32 flags;
    union {
        int replace_prog_fd;
        int replace_fd;
    };
    int relative_fd;
    __u32 relative_id;
    __u64 expected_revision;
    ...;
};

struct bpf_prog_detach_opts {
    size_t sz;
    __u32 flags;
    int relative_fd;
    __u32 relative_id;
    __u64 expected_revision;
    ...;
};

struct bpf_prog_test_run_attr {
    int prog_fd;
    int repeat;
    const void *data_in;
    __u32 data_size_in;
    void *data_out;
    __u32 data_size_out;
    __u32 retval;
    __u32 duration;
    const void *ctx_in;
    __u32 ctx_size_in;
    void *ctx_out;
    __u32 ctx_size_out;
};

struct bpf_prog_query_opts {
    size_t sz;
    __u32 query_flags;
    __u32 attach_flags;
    __u32 *prog_ids;
    union {
        __u32 prog_cnt;
        __u32 count;
    };
    __u32 *prog_attach_flags;
    __u32 *link_ids;
    __u32 *link_attach_flags;
    __u64 revision;
    ...;
};

struct bpf_prog_bind_opts {
    size_t sz;
    __u32 flags;
    ...;
};

struct bpf_test_run_opts {
    size_t sz;
    const void *data_in;
    void *data_out;
    __u32 data_size_in;
    __u32 data_size_out;
    const void *ctx_in;
    void *ctx_out;
    __u32 ctx_size_in;
    __u32 ctx_size_out;
    __u32 retval;
    int repeat;
    __u32 duration;
    __u32 flags;
    __u32 cpu;
    __u32 batch_size;
    ...;
};

struct bpf_prog_stream_read_opts {
    size_t sz;
    ...;
};

struct bpf_prog_assoc_struct_ops_opts {
    size_t sz;
    __u32 flags;
    ...;
};

int bpf_prog_load(enum bpf_prog_type prog_type, const char *prog_name, const char *license,
    const struct bpf_insn *insns, size_t insn_cnt, struct bpf_prog_load_opts *opts);
int bpf_prog_attach(int prog_fd, int attachable_fd, enum bpf_attach_type type, unsigned int flags);
int bpf_prog_detach(int attachable_fd, enum bpf_attach_type type);
int bpf_prog_detach2(int prog_fd, int attachable_fd, enum bpf_attach_type type);
int bpf_prog_attach_opts(int prog_fd, int target, enum bpf_attach_type type,
    const struct bpf_prog_attach_opts *opts);
int bpf_prog_detach_opts(int prog_fd, int target, enum bpf_attach_type type,
    const struct bpf_prog_detach_opts *opts);
int bpf_prog_query_opts(int target, enum bpf_attach_type type, struct bpf_prog_query_opts *opts);
int bpf_prog_query(int target_fd, enum bpf_attach_type type, __u32 query_flags, __u32 *attach_flags,
    __u32 *prog_ids, __u32 *prog_cnt);
int bpf_prog_bind_map(int prog_fd, int map_fd, const struct bpf_prog_bind_opts *opts);
int bpf_prog_test_run_opts(int prog_fd, struct bpf_test_run_opts *opts);
int bpf_prog_stream_read(int prog_fd, __u32 stream_id, void *buf, __u32 buf_len,
    struct bpf_prog_stream_read_opts *opts);
int bpf_prog_assoc_struct_ops(int prog_fd, int map_fd, struct bpf_prog_assoc_struct_ops_opts *opts);
