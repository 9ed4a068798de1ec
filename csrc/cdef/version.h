/* Version, error texts, names of kinds, global settings. */

#define LIBBPF_MAJOR_VERSION ...
#define LIBBPF_MINOR_VERSION ...
#define MAPS_RELAX_COMPAT ...

enum libbpf_strict_mode {
    LIBBPF_STRICT_ALL,
    LIBBPF_STRICT_NONE,
    LIBBPF_STRICT_CLEAN_PTRS,
    LIBBPF_STRICT_DIRECT_ERRS,
    LIBBPF_STRICT_SEC_NAME,
    LIBBPF_STRICT_NO_OBJECT_LIST,
    LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK,
    LIBBPF_STRICT_MAP_DEFINITIONS,
    __LIBBPF_STRICT_LAST,
    ...
};

enum libbpf_errno {
    __LIBBPF_ERRNO__START,
    LIBBPF_ERRNO__LIBELF,
    LIBBPF_ERRNO__FORMAT,
    LIBBPF_ERRNO__KVERSION,
    LIBBPF_ERRNO__ENDIAN,
    LIBBPF_ERRNO__INTERNAL,
    LIBBPF_ERRNO__RELOC,
    LIBBPF_ERRNO__LOAD,
    LIBBPF_ERRNO__VERIFY,
    LIBBPF_ERRNO__PROG2BIG,
    LIBBPF_ERRNO__KVER,
    LIBBPF_ERRNO__PROGTYPE,
    LIBBPF_ERRNO__WRNGPID,
    LIBBPF_ERRNO__INVSEQ,
    LIBBPF_ERRNO__NLPARSE,
    __LIBBPF_ERRNO__END,
    ...
};

int libbpf_set_strict_mode(enum libbpf_strict_mode mode);
long libbpf_get_error(const void *ptr);
__u32 libbpf_major_version(void);
__u32 libbpf_minor_version(void);
const char *libbpf_version_string(void);
int libbpf_strerror(int err, char *buf, size_t size);
const char *libbpf_bpf_attach_type_str(enum bpf_attach_type t);
const char *libbpf_bpf_link_type_str(enum bpf_link_type t);
const char *libbpf_bpf_map_type_str(enum bpf_map_type t);
const char *libbpf_bpf_prog_type_str(enum bpf_prog_type t);
int libbpf_prog_type_by_name(const char *name, enum bpf_prog_type *prog_type,
    enum bpf_attach_type *expected_attach_type);
int libbpf_attach_type_by_name(const char *name, enum bpf_attach_type *attach_type);
int libbpf_find_vmlinux_btf_id(const char *name, enum bpf_attach_type attach_type);
int libbpf_set_memlock_rlim(size_t memlock_bytes);
