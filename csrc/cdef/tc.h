/* TC classifiers through netlink. */

enum bpf_tc_attach_point {
    BPF_TC_INGRESS,
    BPF_TC_EGRESS,
    BPF_TC_CUSTOM,
    BPF_TC_QDISC,
    ...
};

enum bpf_tc_flags {
    BPF_TC_F_REPLACE,
    ...
};

struct bpf_tc_hook {
    size_t sz;
    int ifindex;
    enum bpf_tc_attach_point attach_point;
    __u32 parent;
    __u32 handle;
    const char *qdisc;
    ...;
};

struct bpf_tc_opts {
    size_t sz;
    int prog_fd;
    __u32 flags;
    __u32 prog_id;
    __u32 handle;
    __u32 priority;
    ...;
};

int bpf_tc_hook_create(struct bpf_tc_hook *hook);
int bpf_tc_hook_destroy(struct bpf_tc_hook *hook);
int bpf_tc_attach(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts);
int bpf_tc_detach(const struct bpf_tc_hook *hook, const struct bpf_tc_opts *opts);
int bpf_tc_query(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts);
