/* Perf buffers: the consumer side of BPF_MAP_TYPE_PERF_EVENT_ARRAY. */

enum bpf_perf_event_ret {
    LIBBPF_PERF_EVENT_DONE,
    LIBBPF_PERF_EVENT_ERROR,
    LIBBPF_PERF_EVENT_CONT,
    ...
};

typedef void (*perf_buffer_sample_fn)(void *ctx, int cpu, void *data, __u32 size);
typedef void (*perf_buffer_lost_fn)(void *ctx, int cpu, __u64 cnt);
typedef enum bpf_perf_event_ret (*perf_buffer_event_fn)(void *ctx, int cpu, struct perf_event_header *event);

struct perf_buffer_opts {
    size_t sz;
    __u32 sample_period;
    ...;
};

struct perf_buffer_raw_opts {
    size_t sz;
    int cpu_cnt;
    int *cpus;
    int *map_keys;
    ...;
};

struct perf_buffer *perf_buffer__new(int map_fd, size_t page_cnt, perf_buffer_sample_fn sample_cb,
    perf_buffer_lost_fn lost_cb, void *ctx, const struct perf_buffer_opts *opts);
struct perf_buffer *perf_buffer__new_raw(int map_fd, size_t page_cnt, struct perf_event_attr *attr,
    perf_buffer_event_fn event_cb, void *ctx, const struct perf_buffer_raw_opts *opts);
void perf_buffer__free(struct perf_buffer *pb);
int perf_buffer__epoll_fd(const struct perf_buffer *pb);
int perf_buffer__poll(struct perf_buffer *pb, int timeout_ms);
int perf_buffer__consume(struct perf_buffer *pb);
int perf_buffer__consume_buffer(struct perf_buffer *pb, size_t buf_idx);
size_t perf_buffer__buffer_cnt(const struct perf_buffer *pb);
int perf_buffer__buffer_fd(const struct perf_buffer *pb, size_t buf_idx);
int perf_buffer__buffer(struct perf_buffer *pb, int buf_idx, void **buf, size_t *buf_size);
