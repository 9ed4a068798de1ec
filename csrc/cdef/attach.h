/* Attaching programs and struct_ops maps: each kind of link with its options. */

enum probe_attach_mode {
    PROBE_ATTACH_MODE_DEFAULT,
    PROBE_ATTACH_MODE_LEGACY,
    PROBE_ATTACH_MODE_PERF,
    PROBE_ATTACH_MODE_LINK,
    ...
};

struct bpf_perf_event_opts {
    size_t sz;
    __u64 bpf_cookie;
    bool force_ioctl_attach;
    bool dont_enable;
    ...;
};

struct bpf_kprobe_opts {
    size_t sz;
    __u64 bpf_cookie;
    size_t offset;
    bool retprobe;
    enum probe_attach_mode attach_mode;
    ...;
};

struct bpf_kprobe_multi_opts {
    size_t sz;
    const char **syms;
    const unsigned long *addrs;
    const __u64 *cookies;
    size_t cnt;
    bool retprobe;
    bool session;
    bool unique_match;
    ...;
};

struct bpf_uprobe_multi_opts {
    size_t sz;
    const char **syms;
    const unsigned long *offsets;
    const unsigned long *ref_ctr_offsets;
    const __u64 *cookies;
    size_t cnt;
    bool retprobe;
    bool session;
    ...;
};

struct bpf_ksyscall_opts {
    size_t sz;
    __u64 bpf_cookie;
    bool retprobe;
    ...;
};

struct bpf_uprobe_opts {
    size_t sz;
    size_t ref_ctr_offset;
    __u64 bpf_cookie;
    bool retprobe;
    const char *func_name;
    enum probe_attach_mode attach_mode;
    ...;
};

struct bpf_usdt_opts {
    size_t sz;
    __u64 usdt_cookie;
    ...;
};

struct bpf_tracepoint_opts {
    size_t sz;
    __u64 bpf_cookie;
    ...;
};

struct bpf_raw_tracepoint_opts {
    size_t sz;
    __u64 cookie;
    ...;
};

struct bpf_trace_opts {
    size_t sz;
    __u64 cookie;
    ...;
};

struct bpf_netfilter_opts {
    size_t sz;
    __u32 pf;
    __u32 hooknum;
    __s32 priority;
    __u32 flags;
    ...;
};

struct bpf_tcx_opts {
    size_t sz;
    __u32 flags;
    __u32 relative_fd;
    __u32 relative_id;
    __u64 expected_revision;
    ...;
};

struct bpf_netkit_opts {
    size_t sz;
    __u32 flags;
    __u32 relative_fd;
    __u32 relative_id;
    __u64 expected_revision;
    ...;
};

struct bpf_cgroup_opts {
    size_t sz;
    __u32 flags;
    __u32 relative_fd;
    __u32 relative_id;
    __u64 expected_revision;
    ...;
};

struct bpf_iter_attach_opts {
    size_t sz;
    union bpf_iter_link_info *link_info;
    __u32 link_info_len;
    ...;
};

struct bpf_link *bpf_program__attach(const struct bpf_program *prog);
struct bpf_link *bpf_program__attach_perf_event(const struct bpf_program *prog, int pfd);
struct bpf_link *bpf_program__attach_perf_event_opts(const struct bpf_program *prog, int pfd,
    const struct bpf_perf_event_opts *opts);
struct bpf_link *bpf_program__attach_kprobe(const struct bpf_program *prog, bool retprobe,
    const char *func_name);
struct bpf_link *bpf_program__attach_kprobe_opts(const struct bpf_program *prog, const char *func_name,
    const struct bpf_kprobe_opts *opts);
struct bpf_link *bpf_program__attach_kprobe_multi_opts(const struct bpf_program *prog, const char *pattern,
    const struct bpf_kprobe_multi_opts *opts);
struct bpf_link *bpf_program__attach_uprobe_multi(const struct bpf_program *prog, pid_t pid,
    const char *binary_path, const char *func_pattern, const struct bpf_uprobe_multi_opts *opts);
struct bpf_link *bpf_program__attach_ksyscall(const struct bpf_program *prog, const char *syscall_name,
    const struct bpf_ksyscall_opts *opts);
struct bpf_link *bpf_program__attach_uprobe(const struct bpf_program *prog, bool retprobe, pid_t pid,
    const char *binary_path, size_t func_offset);
struct bpf_link *bpf_program__attach_uprobe_opts(const struct bpf_program *prog, pid_t pid,
    const char *binary_path, size_t func_offset, const struct bpf_uprobe_opts *opts);
struct bpf_link *bpf_program__attach_usdt(const struct bpf_program *prog, pid_t pid, const char *binary_path,
    const char *usdt_provider, const char *usdt_name, const struct bpf_usdt_opts *opts);
struct bpf_link *bpf_program__attach_tracepoint(const struct bpf_program *prog, const char *tp_category,
    const char *tp_name);
struct bpf_link *bpf_program__attach_tracepoint_opts(const struct bpf_program *prog, const char *tp_category,
    const char *tp_name, const struct bpf_tracepoint_opts *opts);
struct bpf_link *bpf_program__attach_raw_tracepoint(const struct bpf_program *prog, const char *tp_name);
struct bpf_link *bpf_program__attach_raw_tracepoint_opts(const struct bpf_program *prog, const char *tp_name,
    struct bpf_raw_tracepoint_opts *opts);
struct bpf_link *bpf_program__attach_trace(const struct bpf_program *prog);
struct bpf_link *bpf_program__attach_trace_opts(const struct bpf_program *prog,
    const struct bpf_trace_opts *opts);
struct bpf_link *bpf_program__attach_lsm(const struct bpf_program *prog);
struct bpf_link *bpf_program__attach_cgroup(const struct bpf_program *prog, int cgroup_fd);
struct bpf_link *bpf_program__attach_netns(const struct bpf_program *prog, int netns_fd);
struct bpf_link *bpf_program__attach_sockmap(const struct bpf_program *prog, int map_fd);
struct bpf_link *bpf_program__attach_xdp(const struct bpf_program *prog, int ifindex);
struct bpf_link *bpf_program__attach_freplace(const struct bpf_program *prog, int target_fd,
    const char *attach_func_name);
struct bpf_link *bpf_program__attach_netfilter(const struct bpf_program *prog,
    const struct bpf_netfilter_opts *opts);
struct bpf_link *bpf_program__attach_tcx(const struct bpf_program *prog, int ifindex,
    const struct bpf_tcx_opts *opts);
struct bpf_link *bpf_program__attach_netkit(const struct bpf_program *prog, int ifindex,
    const struct bpf_netkit_opts *opts);
struct bpf_link *bpf_program__attach_cgroup_opts(const struct bpf_program *prog, int cgroup_fd,
    const struct bpf_cgroup_opts *opts);
struct bpf_link *bpf_map__attach_struct_ops(const struct bpf_map *map);
struct bpf_link *bpf_program__attach_iter(const struct bpf_program *prog,
    const struct bpf_iter_attach_opts *opts);
