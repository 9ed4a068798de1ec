/* BTF: build, deduplicate, permute, relocate. */

enum btf_fwd_kind {
    BTF_FWD_STRUCT,
    BTF_FWD_UNION,
    BTF_FWD_ENUM,
    ...
};

struct btf_dedup_opts {
    size_t sz;
    struct btf_ext *btf_ext;
    bool force_collisions;
    ...;
};

struct btf_permute_opts {
    size_t sz;
    struct btf_ext *btf_ext;
    ...;
};

struct btf *btf__new_empty(void);
struct btf *btf__new_empty_split(struct btf *base_btf);
int btf__distill_base(const struct btf *src_btf, struct btf **new_base_btf, struct btf **new_split_btf);
int btf__set_pointer_size(struct btf *btf, size_t ptr_sz);
int btf__set_endianness(struct btf *btf, enum btf_endianness endian);
void btf__set_fd(struct btf *btf, int fd);
int btf__find_str(struct btf *btf, const char *s);
int btf__add_str(struct btf *btf, const char *s);
int btf__add_type(struct btf *btf, const struct btf *src_btf, const struct btf_type *src_type);
int btf__add_btf(struct btf *btf, const struct btf *src_btf);
int btf__add_int(struct btf *btf, const char *name, size_t byte_sz, int encoding);
int btf__add_float(struct btf *btf, const char *name, size_t byte_sz);
int btf__add_ptr(struct btf *btf, int ref_type_id);
int btf__add_array(struct btf *btf, int index_type_id, int elem_type_id, __u32 nr_elems);
int btf__add_struct(struct btf *btf, const char *name, __u32 sz);
int btf__add_union(struct btf *btf, const char *name, __u32 sz);
int btf__add_field(struct btf *btf, const char *name, int field_type_id, __u32 bit_offset, __u32 bit_size);
int btf__add_enum(struct btf *btf, const char *name, __u32 bytes_sz);
int btf__add_enum_value(struct btf *btf, const char *name, __s64 value);
int btf__add_enum64(struct btf *btf, const char *name, __u32 bytes_sz, bool is_signed);
int btf__add_enum64_value(struct btf *btf, const char *name, __u64 value);
int btf__add_fwd(struct btf *btf, const char *name, enum btf_fwd_kind fwd_kind);
int btf__add_typedef(struct btf *btf, const char *name, int ref_type_id);
int btf__add_volatile(struct btf *btf, int ref_type_id);
int btf__add_const(struct btf *btf, int ref_type_id);
int btf__add_restrict(struct btf *btf, int ref_type_id);
int btf__add_type_tag(struct btf *btf, const char *value, int ref_type_id);
int btf__add_type_attr(struct btf *btf, const char *value, int ref_type_id);
int btf__add_func(struct btf *btf, const char *name, enum btf_func_linkage linkage, int proto_type_id);
int btf__add_func_proto(struct btf *btf, int ret_type_id);
int btf__add_func_param(struct btf *btf, const char *name, int type_id);
int btf__add_var(struct btf *btf, const char *name, int linkage, int type_id);
int btf__add_datasec(struct btf *btf, const char *name, __u32 byte_sz);
int btf__add_datasec_var_info(struct btf *btf, int var_type_id, __u32 offset, __u32 byte_sz);
int btf__add_decl_tag(struct btf *btf, const char *value, int ref_type_id, int component_idx);
int btf__add_decl_attr(struct btf *btf, const char *value, int ref_type_id, int component_idx);
int btf__dedup(struct btf *btf, const struct btf_dedup_opts *opts);
int btf__relocate(struct btf *btf, const struct btf *base_btf);
int btf__permute(struct btf *btf, __u32 *id_map, __u32 id_map_cnt, const struct btf_permute_opts *opts);
