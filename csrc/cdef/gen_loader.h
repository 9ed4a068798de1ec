/* Loader programs for light skeletons. */

struct gen_loader_opts {
    size_t sz;
    const char *data;
    const char *insns;
    __u32 data_sz;
    __u32 insns_sz;
    bool gen_hash;
    ...;
};

int bpf_object__gen_loader(struct bpf_object *obj, struct gen_loader_opts *opts);
