/* Scalar types of the kernel headers, and the handles that libbpf keeps opaque. */

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef int... __u64;
typedef int... __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef int... pid_t;

struct bpf_program;
struct bpf_map;
struct btf;
struct btf_ext;
struct bpf_object;
struct bpf_link;
struct ring_buffer;
struct ring;
struct user_ring_buffer;
struct perf_buffer;
struct bpf_prog_linfo;
struct bpf_linker;
struct btf_dump;
