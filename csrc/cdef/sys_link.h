/* Links by descriptor: create, update, detach, iterate, raw tracepoints. */

struct bpf_link_create_opts {
    size_t sz;
    __u32 flags;
    union bpf_iter_link_info *iter_info;
    __u32 iter_info_len;
    __u32 target_btf_id;
    union {
        struct {
            __u64 bpf_cookie;
        } perf_event;
        struct {
            __u32 flags;
            __u32 cnt;
            const char **syms;
            const unsigned long *addrs;
            const __u64 *cookies;
        } kprobe_multi;
        struct {
            __u32 flags;
            __u32 cnt;
            const char *path;
            const unsigned long *offsets;
            const unsigned long *ref_ctr_offsets;
            const __u64 *cookies;
            __u32 pid;
        } uprobe_multi;
        struct {
            __u64 cookie;
        } tracing;
        struct {
            __u32 pf;
            __u32 hooknum;
            __s32 priority;
            __u32 flags;
        } netfilter;
        struct {
            __u32 relative_fd;
            __u32 relative_id;
            __u64 expected_revision;
        } tcx;
        struct {
            __u32 relative_fd;
            __u32 relative_id;
            __u64 expected_revision;
        } netkit;
        struct {
            __u32 relative_fd;
            __u32 relative_id;
            __u64 expected_revision;
        } cgroup;
    };
    ...;
};

struct bpf_link_update_opts {
    size_t sz;
    __u32 flags;
    __u32 old_prog_fd;
    __u32 old_map_fd;
    ...;
};

struct bpf_raw_tp_opts {
    size_t sz;
    const char *tp_name;
    __u64 cookie;
    ...;
};

int bpf_link_create(int prog_fd, int target_fd, enum bpf_attach_type attach_type,
    const struct bpf_link_create_opts *opts);
int bpf_link_detach(int link_fd);
int bpf_link_update(int link_fd, int new_prog_fd, const struct bpf_link_update_opts *opts);
int bpf_iter_create(int link_fd);
int bpf_raw_tracepoint_open_opts(int prog_fd, struct bpf_raw_tp_opts *opts);
int bpf_raw_tracepoint_open(const char *name, int prog_fd);
