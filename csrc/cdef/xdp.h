/* XDP through netlink. */

struct bpf_xdp_set_link_opts {
    size_t sz;
    int old_fd;
    ...;
};

struct bpf_xdp_attach_opts {
    size_t sz;
    int old_prog_fd;
    ...;
};

struct bpf_xdp_query_opts {
    size_t sz;
    __u32 prog_id;
    __u32 drv_prog_id;
    __u32 hw_prog_id;
    __u32 skb_prog_id;
    __u8 attach_mode;
    __u64 feature_flags;
    __u32 xdp_zc_max_segs;
    ...;
};

int bpf_xdp_attach(int ifindex, int prog_fd, __u32 flags, const struct bpf_xdp_attach_opts *opts);
int bpf_xdp_detach(int ifindex, __u32 flags, const struct bpf_xdp_attach_opts *opts);
int bpf_xdp_query(int ifindex, int flags, struct bpf_xdp_query_opts *opts);
int bpf_xdp_query_id(int ifindex, int flags, __u32 *prog_id);
