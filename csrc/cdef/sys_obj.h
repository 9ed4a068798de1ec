/* Any kernel object by descriptor, id or path; BTF loading; tokens; statistics. */

struct bpf_btf_load_opts {
    size_t sz;
    char *log_buf;
    __u32 log_level;
    __u32 log_size;
    __u32 log_true_size;
    __u32 btf_flags;
    __u32 token_fd;
    ...;
};

struct bpf_obj_pin_opts {
    size_t sz;
    __u32 file_flags;
    int path_fd;
    ...;
};

struct bpf_obj_get_opts {
    size_t sz;
    __u32 file_flags;
    int path_fd;
    ...;
};

struct bpf_get_fd_by_id_opts {
    size_t sz;
    __u32 open_flags;
    __u32 token_fd;
    ...;
};

struct bpf_token_create_opts {
    size_t sz;
    __u32 flags;
    ...;
};

int bpf_btf_load(const void *btf_data, size_t btf_size, struct bpf_btf_load_opts *opts);
int bpf_obj_pin(int fd, const char *pathname);
int bpf_obj_pin_opts(int fd, const char *pathname, const struct bpf_obj_pin_opts *opts);
int bpf_obj_get(const char *pathname);
int bpf_obj_get_opts(const char *pathname, const struct bpf_obj_get_opts *opts);
int bpf_prog_get_next_id(__u32 start_id, __u32 *next_id);
int bpf_map_get_next_id(__u32 start_id, __u32 *next_id);
int bpf_btf_get_next_id(__u32 start_id, __u32 *next_id);
int bpf_link_get_next_id(__u32 start_id, __u32 *next_id);
int bpf_prog_get_fd_by_id(__u32 id);
int bpf_prog_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);
int bpf_map_get_fd_by_id(__u32 id);
int bpf_map_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);
int bpf_btf_get_fd_by_id(__u32 id);
int bpf_btf_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);
int bpf_link_get_fd_by_id(__u32 id);
int bpf_link_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);
int bpf_obj_get_info_by_fd(int bpf_fd, void *info, __u32 *info_len);
int bpf_prog_get_info_by_fd(int prog_fd, struct bpf_prog_info *info, __u32 *info_len);
int bpf_map_get_info_by_fd(int map_fd, struct bpf_map_info *info, __u32 *info_len);
int bpf_btf_get_info_by_fd(int btf_fd, struct bpf_btf_info *info, __u32 *info_len);
int bpf_link_get_info_by_fd(int link_fd, struct bpf_link_info *info, __u32 *info_len);
int bpf_task_fd_query(int pid, int fd, __u32 flags, char *buf, __u32 *buf_len, __u32 *prog_id,
    __u32 *fd_type, __u64 *probe_offset, __u64 *probe_addr);
int bpf_enable_stats(enum bpf_stats_type type);
int bpf_token_create(int bpffs_fd, struct bpf_token_create_opts *opts);
