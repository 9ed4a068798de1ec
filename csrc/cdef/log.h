/* The print hook: opaque here because of its va_list; csrc has the shim. */

enum libbpf_print_level {
    LIBBPF_WARN,
    LIBBPF_INFO,
    LIBBPF_DEBUG,
    ...
};

typedef ... *libbpf_print_fn_t;

libbpf_print_fn_t libbpf_set_print(libbpf_print_fn_t fn);
