/* Our own C: a header for the .c files in csrc and a cdef for CFFI at once, so it only declares. */

/* A text that grows (btf_dump.c): `len` bytes at `data`, then a NUL. `error`: negative errno if cut short. */
struct lbc_text {
    char *data;
    size_t len;
    size_t cap;
    int error;
};

struct lbc_text *lbc_text__new(void);
void lbc_text__reset(struct lbc_text *text);
void lbc_text__free(struct lbc_text *text);
struct btf_dump *lbc_btf_dump__new(const struct btf *btf, struct lbc_text *text,
    const struct btf_dump_opts *opts);

/*
 * Tell whether a BTF makes sense (btf_check.c): 0, or a negative errno, with what is wrong in `why`. The header is checked
 * before libbpf reads it, the types afterwards; of an object's section both, before libbpf opens the object.
 */
int lbc_btf_check_header(const void *data, __u32 size, char *why, size_t why_size);
int lbc_btf_check(const struct btf *btf, char *why, size_t why_size);
int lbc_btf_check_section(const void *data, __u32 size, char *why, size_t why_size);

/* Dump the types of a range of ids, and deduplicate, with a stack as deep as that takes (btf_deep.c). */
int lbc_btf_dump__dump_types(struct btf_dump *dump, const struct btf *btf, __u32 first, __u32 last);
int lbc_btf__dedup(struct btf *btf, const struct btf_dedup_opts *opts);

/* What libbpf has said on this thread (log.c). */
struct lbc_message {
    struct lbc_message *next;
    const char *text;
    size_t size;
    int level;
};

void lbc_log_install(void);
int lbc_log_set_level(int level);
int lbc_log_pending(void);
struct lbc_message *lbc_log_take(unsigned int *dropped);
void lbc_log_free(struct lbc_message *message);

/* Load with signals blocked (load.c); `result` is the negative errno, or 0. */
void lbc_object_prepare(struct bpf_object *obj, int *result);
void lbc_object_load(struct bpf_object *obj, int *result);

/* Probe again for what the kernel seemed to lack (features_reset.c). */
void lbc_features_forget_missing(void);

/* What is inside a link (link_perf.c, link_usdt.c); -1 for a link of another kind. */
int lbc_link_perf_event_fd(const struct bpf_link *link);
int lbc_link_usdt_parts(const struct bpf_link *link, struct bpf_link **parts, int capacity);
