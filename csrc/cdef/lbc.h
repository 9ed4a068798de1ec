/* Our own C: a header for the .c files in csrc and a cdef for CFFI at once, so it only declares. */

/* A text that grows (btf_text.c): `len` bytes at `data`, then a NUL. `error`: negative errno if cut short. */
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
 * before libbpf reads it, the types afterwards.
 */
int lbc_btf_check_header(const void *data, __u32 size, char *why, size_t why_size);
int lbc_btf_check(const struct btf *btf, char *why, size_t why_size);
int lbc_btf_ext_check(const void *data, __u32 size, char *why, size_t why_size);

/*
 * Tell whether libbpf can be given an object, to open or to link (elf_check.c): 0, or a negative errno, with what is
 * wrong in `why` if that is -LIBBPF_ERRNO__FORMAT.
 */
int lbc_elf_check(const void *data, size_t size, int linking, char *why, size_t why_size);

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

/* Open; types for which there is no memory are ENOMEM, and not left out (link_perf.c). */
struct bpf_object *lbc_object__open_mem(const void *data, size_t size, const struct bpf_object_open_opts *opts);

/* Load with signals blocked (load.c); `result` is the negative errno, or 0. */
void lbc_object_prepare(struct bpf_object *obj, int *result);
void lbc_object_load(struct bpf_object *obj, int *result);
void lbc_object_generate(struct bpf_object *obj, struct gen_loader_opts *opts, int *result);

/* Probe again for what the kernel seemed to lack (features_reset.c). */
void lbc_features_forget_missing(void);

/*
 * A bpf(2) call of libbpf (syscalls.c): its attributes as they went in and as they came back, what it pointed to, and
 * the CLOCK_MONOTONIC nanoseconds around it. `size` is that of the attributes as the kernel was told.
 */
struct lbc_syscall {
    struct lbc_syscall *next;
    union bpf_attr before;
    union bpf_attr after;
    int command;
    int error;
    __u32 size;
    __u32 thread;
    long result;
    __u64 started;
    __u64 ended;
    char *insns;
    size_t insns_size;
    char *text;
    size_t text_size;
    size_t allocated;
};

/*
 * Record calls, for each `on` until one off; give what was recorded, oldest first, and how many found no memory within
 * `limit` bytes. Let the call number `count` from now, of a command or (-1) of any, fail with an errno; 0 calls it off;
 * whether it has failed. -EOPNOTSUPP: not with the system's libbpf.
 */
int lbc_syscalls_record(int on, size_t limit);
struct lbc_syscall *lbc_syscalls_take(unsigned int *dropped);
void lbc_syscalls_free(struct lbc_syscall *call);
int lbc_syscalls_fail(int command, int count, int error);
int lbc_syscalls_failed(void);

/* Whether load puts an arena's variables at its end, not its start (features_reset.c); -EOPNOTSUPP: not known. */
int lbc_features_arena_data_at_end(void);

/* Copy memory that may be gone (memory.c): -EFAULT if it is, and no SIGSEGV. */
int lbc_memory_copy(void *buffer, const void *memory, size_t size, int write);

/* What is inside a link (link_perf.c, link_usdt.c); -1 for a link of another kind. */
int lbc_link_perf_event_fd(const struct bpf_link *link);
const char *lbc_link_legacy_event(const struct bpf_link *link);
int lbc_link_usdt_parts(const struct bpf_link *link, struct bpf_link **parts, int capacity);

/* Links that libbpf has no function for (link_perf.c): NULL and errno, EOPNOTSUPP with the system's libbpf. */
struct bpf_link *lbc_link__from_fd(int fd);
struct bpf_link *lbc_link__from_id(__u32 id);
struct bpf_link *lbc_link__create(int prog_fd, int target_fd, enum bpf_attach_type type,
    const struct bpf_link_create_opts *opts);
struct bpf_link *lbc_link__raw_tracepoint(int prog_fd, struct bpf_raw_tp_opts *opts);

/* A program that no object has (program.c; loading it, with signals blocked, load.c): its descriptor. */
struct lbc_prog {
    int fd;
};

struct lbc_prog *lbc_prog__load(enum bpf_prog_type type, const char *name, const char *license,
    const struct bpf_insn *insns, size_t insn_cnt, struct bpf_prog_load_opts *opts);
struct lbc_prog *lbc_prog__from_id(__u32 id);
struct lbc_prog *lbc_prog__from_pin(const char *path);
struct lbc_prog *lbc_prog__from_fd(int fd);
void lbc_prog__close(struct lbc_prog *prog);

/* Close a descriptor, unless it is the negative errno of none (descriptor.c). */
void lbc_descriptor__close(int fd);
/* Whether two threads have the same table of descriptors: 0 if so, more than that if not, or a negative errno. */
int lbc_descriptor_tables(int pid, int other);

/* A map that no object has (map.c): its descriptor. */
struct lbc_map {
    int fd;
};

struct lbc_map *lbc_map__create(enum bpf_map_type type, const char *name, __u32 key_size, __u32 value_size,
    __u32 max_entries, const struct bpf_map_create_opts *opts);
struct lbc_map *lbc_map__from_id(__u32 id, __u32 open_flags);
struct lbc_map *lbc_map__from_pin(const char *path, __u32 file_flags);
struct lbc_map *lbc_map__from_fd(int fd);
void lbc_map__close(struct lbc_map *map);

/* What access to the elements of a map needs (map.c); `value_size` is what the kernel copies, of all CPUs. */
struct lbc_elements {
    int fd;
    __u32 key_size;
    __u32 value_size;
    __u32 max_entries;
    void *memory;
    size_t memory_size;
    int writable;
    unsigned int closed;
    unsigned int users;
    unsigned int generation;
};

enum lbc_access {
    /* What every call returns once the elements are closed: no errno. */
    LBC_CLOSED = -100000,
    /* What no lookup of a number can find out: look again, the long way. */
    LBC_LOOK_AGAIN = 2021161080,
};

void lbc_elements_open(struct lbc_elements *elements);
int lbc_elements_map_memory(struct lbc_elements *elements, size_t size, int writable);
void lbc_elements_close(struct lbc_elements *elements);
int lbc_lookup(struct lbc_elements *elements, const void *key, void *value, __u64 flags);
int lbc_update(struct lbc_elements *elements, const void *key, const void *value, __u64 flags);
int lbc_delete(struct lbc_elements *elements, const void *key, __u64 flags);
int lbc_lookup_and_delete(struct lbc_elements *elements, const void *key, void *value, __u64 flags);
int lbc_next_key(struct lbc_elements *elements, const void *key, void *next);
uint64_t lbc_quick_lookup_uu(struct lbc_elements *elements, uint64_t key);
int64_t lbc_quick_lookup_us(struct lbc_elements *elements, uint64_t key);
uint64_t lbc_quick_lookup_su(struct lbc_elements *elements, int64_t key);
int64_t lbc_quick_lookup_ss(struct lbc_elements *elements, int64_t key);
int lbc_quick_update_uu(struct lbc_elements *elements, uint64_t key, uint64_t value);
int lbc_quick_update_us(struct lbc_elements *elements, uint64_t key, int64_t value);
int lbc_quick_update_su(struct lbc_elements *elements, int64_t key, uint64_t value);
int lbc_quick_update_ss(struct lbc_elements *elements, int64_t key, int64_t value);
uint64_t lbc_quick_peek_u(struct lbc_elements *elements, uint64_t index);
int64_t lbc_quick_peek_s(struct lbc_elements *elements, uint64_t index);
int lbc_quick_poke_u(struct lbc_elements *elements, uint64_t index, uint64_t value);
int lbc_quick_poke_s(struct lbc_elements *elements, uint64_t index, int64_t value);
int lbc_peek(struct lbc_elements *elements, __u64 index, void *value);
int lbc_poke(struct lbc_elements *elements, __u64 index, const void *value);

/* Where a reader is in a map (map_bulk.c). */
struct lbc_cursor {
    void *at;
    void *next;
    __u64 elem_flags;
    __u64 budget;
    __u32 step;
    __u32 filled;
    int bounded;
    int take;
    int two_steps;
    int way;
    int started;
    int done;
    int error;
};

/* How far a call that writes many has come. */
struct lbc_progress {
    __u32 done;
    __u32 missing;
    int way;
};

int lbc_read(struct lbc_elements *elements, struct lbc_cursor *cursor, void *keys, void *values, __u32 capacity);
int lbc_update_many(struct lbc_elements *elements, const void *keys, const void *values, __u32 count, __u64 flags,
    struct lbc_progress *progress);
int lbc_delete_many(struct lbc_elements *elements, const void *keys, __u32 count, __u64 flags,
    struct lbc_progress *progress);

/* The memory of an arena that no object has (map_arena.c). */
struct lbc_arena {
    void *memory;
    size_t size;
};

struct lbc_arena *lbc_arena__map(int fd, uint64_t address, size_t size);
void lbc_arena__unmap(struct lbc_arena *arena);

/* Ring buffers (ringbuf.c, ringbuf_open.c). A reader's memory, its rings' and a batch's are the caller's. */
struct lbc_ring {
    unsigned long *consumer_pos;
    const unsigned long *producer_pos;
    /* Of a ring whose oldest records are overwritten (Linux 6.19): up to where; else NULL. */
    const unsigned long *overwrite_pos;
    const char *data;
    unsigned long size;
    /* How many bytes were, before they had been read. */
    __u64 overwritten;
    void *claim;
    int fd;
};

struct lbc_ring_reader {
    struct lbc_ring *rings;
    __u32 count;
    __u32 next;
    __u32 failed;
    int epoll_fd;
    int wake_fd;
    unsigned int signalled;
    unsigned int closed;
    unsigned int users;
    unsigned int generation;
};

struct lbc_ring_state {
    __u64 consumer_pos;
    __u64 producer_pos;
    __u64 overwrite_pos;
};

/*
 * Records one after the other: where each ends, and the ring that it is of (NULL: there is one ring). The one record of
 * a `special` batch is none, but how many were lost there.
 */
struct lbc_ring_batch {
    char *data;
    __u32 *ends;
    __u16 *rings;
    __u64 room;
    __u64 len;
    __u32 limit;
    __u32 count;
    __u32 size;
    __u32 wanted;
    int mixed;
    int full;
    int special;
};

struct lbc_ring_reader *lbc_ring_reader__open(struct lbc_ring_reader *reader, const int *fds, __u32 count);
void lbc_ring_reader__close(struct lbc_ring_reader *reader);
int lbc_ring_reader__dup(struct lbc_ring_reader *reader, int *fds);
int lbc_ring_reader__signal(struct lbc_ring_reader *reader, int on);
int lbc_ring_reader__rearm(struct lbc_ring_reader *reader);
int lbc_ring_reader__state(struct lbc_ring_reader *reader, __u32 index, struct lbc_ring_state *state);
int lbc_ring_read(struct lbc_ring_reader *reader, struct lbc_ring_batch *batch, int timeout_ms);

/* Perf buffers (perfbuf.c). A reader's memory and its rings' are the caller's; the gate is how one gets in and waits. */
struct lbc_perf_ring {
    void *base;
    const char *data;
    __u64 size;
    __u64 lost;
    __u64 tail;
    __u64 head;
    __u64 time;
    void *claim;
    int fd;
    int cpu;
    int map_key;
};

struct lbc_perf_reader {
    struct lbc_ring_reader gate;
    struct perf_buffer *buffer;
    struct lbc_perf_ring *rings;
    __u64 sample_type;
    __u64 read_format;
    __u64 window;
    __u64 due;
    __u32 count;
    __u32 next;
    __u32 trim;
    __u32 payload_at;
    __u32 time_at;
    __u32 time_back;
    int whole;
    int losses;
    int map_fd;
    int timer_fd;
    unsigned int busy;
};

struct lbc_perf_state {
    __u64 data_head;
    __u64 data_tail;
    __u64 lost;
};

struct lbc_perf_reader *lbc_perf_reader__open(struct lbc_perf_reader *reader, int map_fd, struct perf_event_attr *attr,
    size_t page_cnt);
void lbc_perf_reader__close(struct lbc_perf_reader *reader);
int lbc_perf_reader__look(struct lbc_perf_reader *reader, int swallow);
int lbc_perf_reader__state(struct lbc_perf_reader *reader, __u32 index, struct lbc_perf_state *state);
int lbc_perf_reader__copy(struct lbc_perf_reader *reader, __u32 index, void *buffer, size_t size);
int lbc_perf_read(struct lbc_perf_reader *reader, struct lbc_ring_batch *batch, int timeout_ms, int only);

/* User ring buffers (user_ringbuf.c). The ring's struct is memory of the caller's. */
struct lbc_user_ring {
    struct user_ring_buffer *ring;
    int fd;
    int epoll_fd;
    int wake_fd;
    unsigned int closed;
    unsigned int users;
};

struct lbc_user_sample {
    struct lbc_user_ring *ring;
    void *data;
    __u32 size;
};

struct lbc_user_ring *lbc_user_ring__open(struct lbc_user_ring *ring, int fd);
void lbc_user_ring__close(struct lbc_user_ring *ring);
int lbc_user_ring__send(struct lbc_user_ring *ring, const void *data, __u32 size);
int lbc_user_ring__wait(struct lbc_user_ring *ring, int timeout_ms);
struct lbc_user_sample *lbc_user_sample__reserve(struct lbc_user_ring *ring, __u32 size);
int lbc_user_sample__submit(struct lbc_user_sample *sample, const void *data);
void lbc_user_sample__free(struct lbc_user_sample *sample);

/* Forget a program's functions and lines (link_perf.c): they are of other instructions. */
void lbc_program_forget_infos(struct bpf_program *prog);

/* Write its table of functions into a struct_ops map, if that is not done yet (link_perf.c). */
int lbc_map_fill_struct_ops(const struct bpf_map *map);

/* What the files of tracefs say of sub-buffers, of events in them, and of the events that are text (trace_raw.c). */
struct lbc_trace_format {
    __u32 commit_offset;
    __u32 commit_size;
    __u32 data_offset;
    __u32 data_max;
    __u32 padding;
    __u32 time_extend;
    __u32 time_stamp;
    __u32 common_size;
    __u32 type_offset;
    __u32 flags_offset;
    __u32 preempt_count_offset;
    __u32 pid_offset;
    __u32 printk_id;
    __u32 printk_text;
    __u32 printk_relative;
    __u32 print_id;
    __u32 print_ip;
    __u32 print_ip_size;
    __u32 print_text;
    __u32 in_ns;
};

/* What many lines have in common. */
struct lbc_trace_head {
    __u64 ip;
    __s32 pid;
    __u32 event;
    __u32 cpu;
    __u8 flags;
    __u8 preempt_count;
};

struct lbc_trace_loss {
    __u64 count;
    __u32 uncounted;
    __u32 before;
    __u32 cpu;
};

struct lbc_trace_cpu;

/* A batch has `count` lines: times (double, or __u64 with clocks that do not count seconds), heads by number, texts with a
 * NUL after each. `others` of them are no text but an event in hexadecimal digits. `mixed`: there are several heads. `pending`: more have been read. While
 * `generation` is the same, so are the heads behind their numbers. With `closed` set, nothing more is read. */
struct lbc_trace_reader {
    struct lbc_trace_format format;
    struct lbc_trace_cpu *cpus;
    char *scratch;
    char *text;
    __u64 *times;
    __u32 *numbers;
    struct lbc_trace_loss *losses;
    struct lbc_trace_head *heads;
    __u16 *places;
    __u64 pages;
    size_t page_size;
    size_t text_len;
    size_t text_room;
    __u32 cpu_count;
    __u32 count;
    __u32 loss_count;
    __u32 head_count;
    __u32 last_head;
    __u32 mixed;
    __u32 others;
    __u32 generation;
    __u32 pending;
    __u32 closed;
};

struct lbc_trace_reader *lbc_trace_reader__new(const struct lbc_trace_format *format, const int *fds,
    const __u32 *cpus, __u32 count);
void lbc_trace_reader__free(struct lbc_trace_reader *reader);
int lbc_trace_read(struct lbc_trace_reader *reader);
void lbc_trace_symbol(__u64 address, char *name, size_t size);
int lbc_trace_feed(struct lbc_trace_reader *reader, __u32 index, const char *data, size_t size);

/* Forget what BTF says of the keys and values of an object's map (link_perf.c). */
void lbc_map_forget_btf(struct bpf_map *map);

/* Whether the template of a map of maps can be set; libbpf crashes at that before this (link_perf.c). */
int lbc_map_adopt_inner(struct bpf_map *map);

/* Files that probes go into (target_copy.c): opened below another root; what is read copied and checked, or why not. */
int lbc_target_open(int root_fd, const char *path);
int lbc_target_copy(int fd, char *why, size_t why_size);

/* What libbpf reads from such a copy, or with -1 from the path (target_elf.c). -EOPNOTSUPP: not known. */
long lbc_target_symbol(int copy, const char *path, const char *name);
struct bpf_link *lbc_attach_uprobe_multi(const struct bpf_program *prog, int copy, int pid, const char *path,
    const char *pattern, const struct bpf_uprobe_multi_opts *opts);
struct bpf_link *lbc_attach_usdt(const struct bpf_program *prog, int copy, int pid, const char *path,
    const char *provider, const char *name, const struct bpf_usdt_opts *opts);

/* A perf event (perf_event.c): its descriptor. A link gets a duplicate of it. */
struct lbc_perf_event {
    int fd;
};

struct lbc_perf_event *lbc_perf_event__open(const void *attr, int pid, int cpu, int group_fd, unsigned long flags);
void lbc_perf_event__close(struct lbc_perf_event *event);
struct bpf_link *lbc_program__attach_perf_event(const struct bpf_program *prog, int pfd,
    const struct bpf_perf_event_opts *opts);

/* Attach an XDP program with flags: XDP_FLAGS_…_MODE (link_perf.c). */
struct bpf_link *lbc_attach_xdp(const struct bpf_program *prog, int ifindex, __u32 flags);

/* Let this thread be in the network namespace of a descriptor (network.c). */
int lbc_enter_netns(int fd);

/* A program on a socket (network.c). */
struct lbc_socket_program {
    int fd;
    int detach;
    __u64 cookie;
};

struct lbc_socket_program *lbc_socket_program__attach(struct lbc_socket_program *made, int fd, int prog_fd,
    bool reuseport);
int lbc_socket_program__detach(struct lbc_socket_program *made);
/*
 * Do something in a child process (child.c), whose number is given, or a negative errno. It writes to a descriptor what
 * happened: messages of libbpf's ('0' + level), the input at work ('i'), the result ('r'), each a letter, a text and a
 * NUL. A child that crashed has written no result.
 *
 * Link objects, and write the one to a descriptor (linker.c).
 */
struct lbc_link_input {
    const void *data;
    size_t size;
};

int lbc_link__start(const struct lbc_link_input *inputs, __u32 count, int output, int report);

/* Open an object, see what is in it, and close it (isolate.c); within so many seconds, with so many bytes of memory. */
int lbc_open__start(const void *data, size_t size, const struct bpf_object_open_opts *opts, int report,
    unsigned int seconds, size_t memory);

/* A BPF token (token.c): its descriptor. */
struct lbc_token {
    int fd;
};

struct lbc_token *lbc_token__create(int bpffs_fd, struct bpf_token_create_opts *opts);
void lbc_token__close(struct lbc_token *token);
