/* Handlers of custom sections. */

typedef int (*libbpf_prog_setup_fn_t)(struct bpf_program *prog, long cookie);
typedef int (*libbpf_prog_prepare_load_fn_t)(struct bpf_program *prog, struct bpf_prog_load_opts *opts,
    long cookie);
typedef int (*libbpf_prog_attach_fn_t)(const struct bpf_program *prog, long cookie, struct bpf_link **link);

struct libbpf_prog_handler_opts {
    size_t sz;
    long cookie;
    libbpf_prog_setup_fn_t prog_setup_fn;
    libbpf_prog_prepare_load_fn_t prog_prepare_load_fn;
    libbpf_prog_attach_fn_t prog_attach_fn;
    ...;
};

int libbpf_register_prog_handler(const char *sec, enum bpf_prog_type prog_type,
    enum bpf_attach_type exp_attach_type, const struct libbpf_prog_handler_opts *opts);
int libbpf_unregister_prog_handler(int handler_id);
