/* BTF to C text. The sink is opaque here because of its va_list; csrc/btf_text.c has the shim. */

typedef ... *btf_dump_printf_fn_t;

struct btf_dump_opts {
    size_t sz;
    ...;
};

struct btf_dump_emit_type_decl_opts {
    size_t sz;
    const char *field_name;
    int indent_level;
    bool strip_mods;
    ...;
};

struct btf_dump_type_data_opts {
    size_t sz;
    const char *indent_str;
    int indent_level;
    bool compact;
    bool skip_names;
    bool emit_zeroes;
    bool emit_strings;
    ...;
};

struct btf_dump *btf_dump__new(const struct btf *btf, btf_dump_printf_fn_t printf_fn, void *ctx,
    const struct btf_dump_opts *opts);
void btf_dump__free(struct btf_dump *d);
int btf_dump__dump_type(struct btf_dump *d, __u32 id);
int btf_dump__emit_type_decl(struct btf_dump *d, __u32 id, const struct btf_dump_emit_type_decl_opts *opts);
int btf_dump__dump_type_data(struct btf_dump *d, __u32 id, const void *data, size_t data_sz,
    const struct btf_dump_type_data_opts *opts);
