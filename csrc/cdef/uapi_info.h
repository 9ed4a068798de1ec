/* What the kernel tells of a program, a map, a BTF, a link, a token. */

struct bpf_prog_info {
    __u32 type;
    __u32 id;
    __u8 tag[8];
    __u32 jited_prog_len;
    __u32 xlated_prog_len;
    __u64 jited_prog_insns;
    __u64 xlated_prog_insns;
    __u64 load_time;
    __u32 created_by_uid;
    __u32 nr_map_ids;
    __u64 map_ids;
    char name[16];
    __u32 ifindex;
    __u32 gpl_compatible:1;
    __u32 :31;
    __u64 netns_dev;
    __u64 netns_ino;
    __u32 nr_jited_ksyms;
    __u32 nr_jited_func_lens;
    __u64 jited_ksyms;
    __u64 jited_func_lens;
    __u32 btf_id;
    __u32 func_info_rec_size;
    __u64 func_info;
    __u32 nr_func_info;
    __u32 nr_line_info;
    __u64 line_info;
    __u64 jited_line_info;
    __u32 nr_jited_line_info;
    __u32 line_info_rec_size;
    __u32 jited_line_info_rec_size;
    __u32 nr_prog_tags;
    __u64 prog_tags;
    __u64 run_time_ns;
    __u64 run_cnt;
    __u64 recursion_misses;
    __u32 verified_insns;
    __u32 attach_btf_obj_id;
    __u32 attach_btf_id;
};

struct bpf_map_info {
    __u32 type;
    __u32 id;
    __u32 key_size;
    __u32 value_size;
    __u32 max_entries;
    __u32 map_flags;
    char name[16];
    __u32 ifindex;
    __u32 btf_vmlinux_value_type_id;
    __u64 netns_dev;
    __u64 netns_ino;
    __u32 btf_id;
    __u32 btf_key_type_id;
    __u32 btf_value_type_id;
    __u32 btf_vmlinux_id;
    __u64 map_extra;
    __u64 hash;
    __u32 hash_size;
    ...;
};

struct bpf_btf_info {
    __u64 btf;
    __u32 btf_size;
    __u32 id;
    __u64 name;
    __u32 name_len;
    __u32 kernel_btf;
    ...;
};

typedef struct {
    __u64 target_name;
    __u32 target_name_len;
    struct {
        __u32 map_id;
    } map;
    union {
        struct {
            __u64 cgroup_id;
            __u32 order;
        } cgroup;
        struct {
            __u32 tid;
            __u32 pid;
        } task;
    };
    ...;
} lbc_bpf_link_info_iter;

typedef struct {
    __u32 type;
    union {
        struct {
            __u64 file_name;
            __u32 name_len;
            __u32 offset;
            __u64 cookie;
            __u64 ref_ctr_offset;
        } uprobe;
        struct {
            __u64 func_name;
            __u32 name_len;
            __u32 offset;
            __u64 addr;
            __u64 missed;
            __u64 cookie;
        } kprobe;
        struct {
            __u64 tp_name;
            __u32 name_len;
            __u32 :32;
            __u64 cookie;
        } tracepoint;
        struct {
            __u64 config;
            __u32 type;
            __u32 :32;
            __u64 cookie;
        } event;
    };
    ...;
} lbc_bpf_link_info_perf_event;

struct bpf_link_info {
    __u32 type;
    __u32 id;
    __u32 prog_id;
    union {
        struct {
            __u64 tp_name;
            __u32 tp_name_len;
            __u32 :32;
            __u64 cookie;
        } raw_tracepoint;
        struct {
            __u32 attach_type;
            __u32 target_obj_id;
            __u32 target_btf_id;
            __u32 :32;
            __u64 cookie;
        } tracing;
        struct {
            __u64 cgroup_id;
            __u32 attach_type;
        } cgroup;
        lbc_bpf_link_info_iter iter;
        struct {
            __u32 netns_ino;
            __u32 attach_type;
        } netns;
        struct {
            __u32 ifindex;
        } xdp;
        struct {
            __u32 map_id;
        } struct_ops;
        struct {
            __u32 pf;
            __u32 hooknum;
            __s32 priority;
            __u32 flags;
        } netfilter;
        struct {
            __u64 addrs;
            __u32 count;
            __u32 flags;
            __u64 missed;
            __u64 cookies;
        } kprobe_multi;
        struct {
            __u64 path;
            __u64 offsets;
            __u64 ref_ctr_offsets;
            __u64 cookies;
            __u32 path_size;
            __u32 count;
            __u32 flags;
            __u32 pid;
        } uprobe_multi;
        lbc_bpf_link_info_perf_event perf_event;
        struct {
            __u32 ifindex;
            __u32 attach_type;
        } tcx;
        struct {
            __u32 ifindex;
            __u32 attach_type;
        } netkit;
        struct {
            __u32 map_id;
            __u32 attach_type;
        } sockmap;
    };
    ...;
};

struct bpf_token_info {
    __u64 allowed_cmds;
    __u64 allowed_maps;
    __u64 allowed_progs;
    __u64 allowed_attachs;
    ...;
};
