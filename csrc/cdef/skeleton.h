/* Skeletons and subskeletons. */

struct bpf_map_skeleton {
    const char *name;
    struct bpf_map **map;
    void **mmaped;
    struct bpf_link **link;
    ...;
};

struct bpf_prog_skeleton {
    const char *name;
    struct bpf_program **prog;
    struct bpf_link **link;
    ...;
};

struct bpf_object_skeleton {
    size_t sz;
    const char *name;
    const void *data;
    size_t data_sz;
    struct bpf_object **obj;
    int map_cnt;
    int map_skel_sz;
    struct bpf_map_skeleton *maps;
    int prog_cnt;
    int prog_skel_sz;
    struct bpf_prog_skeleton *progs;
    ...;
};

struct bpf_var_skeleton {
    const char *name;
    struct bpf_map **map;
    void **addr;
    ...;
};

struct bpf_object_subskeleton {
    size_t sz;
    const struct bpf_object *obj;
    int map_cnt;
    int map_skel_sz;
    struct bpf_map_skeleton *maps;
    int prog_cnt;
    int prog_skel_sz;
    struct bpf_prog_skeleton *progs;
    int var_cnt;
    int var_skel_sz;
    struct bpf_var_skeleton *vars;
    ...;
};

int bpf_object__open_skeleton(struct bpf_object_skeleton *s, const struct bpf_object_open_opts *opts);
int bpf_object__load_skeleton(struct bpf_object_skeleton *s);
int bpf_object__attach_skeleton(struct bpf_object_skeleton *s);
void bpf_object__detach_skeleton(struct bpf_object_skeleton *s);
void bpf_object__destroy_skeleton(struct bpf_object_skeleton *s);
int bpf_object__open_subskeleton(struct bpf_object_subskeleton *s);
void bpf_object__destroy_subskeleton(struct bpf_object_subskeleton *s);
