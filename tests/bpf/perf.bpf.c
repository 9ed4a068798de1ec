/* Perf buffers, and programs that fill them when they are run; the number of events that found no room is returned. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#define LONGEST 2048

enum kind {
	KIND_NUMBER = 1,
	KIND_NAME = 2,
	KIND_BYTES = 3,
};

struct event {
	__u64 number;
	__u32 pid;
	enum kind kind;
	char comm[16];
	__u64 time;
	__u64 more[3];
};

struct named {
	__u64 number;
	__u32 pid;
	enum kind kind;
	char name[24];
};

/* 12 bytes: the kernel adds none. */
struct exact {
	__u32 number;
	__u32 more[2];
};

struct text {
	__u32 len;
	char text[];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, struct event);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} plain SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 1);
	__type(value, struct exact);
} few SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, char[LONGEST]);
} scratch SEC(".maps");

/* For BTF: libbpf keeps the types of what is in a section. */
struct named unused_named;
struct text unused_text;

/* What a producer is asked for. bpf_loop() hands on one pointer: the context goes along. */
struct run {
	__u64 first;
	__u64 count;
	__u64 size;
	__u64 step;
	__u64 lost;
	void *ctx;
};

static __always_inline int output(struct run *run, void *map, void *data, __u64 size)
{
	run->lost += !!bpf_perf_event_output(run->ctx, map, BPF_F_CURRENT_CPU, data, size);
	return 0;
}

static int one_event(__u64 i, struct run *run)
{
	struct event event = { .pid = 4711, .kind = KIND_NUMBER, .comm = "producer" };

	event.number = run->first + i;
	event.time = bpf_ktime_get_ns();
	event.more[0] = event.more[1] = i;
	event.more[2] = ~event.number;
	return output(run, &events, &event, sizeof(event));
}

/* A program that runs `one` as often as it is asked to. */
#define PRODUCER(name, one)                                \
	SEC("raw_tp")                                      \
	int name(struct bpf_raw_tracepoint_args *ctx)      \
	{                                                  \
		struct run run = {                         \
			.first = ctx->args[0],             \
			.count = ctx->args[1],             \
			.size = ctx->args[2],              \
			.step = ctx->args[3],              \
			.ctx = ctx,                        \
		};                                         \
                                                           \
		bpf_loop(run.count, one, &run, 0);         \
		return run.lost;                           \
	}

PRODUCER(produce, one_event)

/* Records of `size`, `size + step`, … bytes, modulo LONGEST, which start with their number. */
static int one_plain(__u64 i, struct run *run)
{
	__u32 size = (run->size + i * run->step) & (LONGEST - 1), key = 0;
	char *data = bpf_map_lookup_elem(&scratch, &key);

	if (!data)
		return 1;
	*(__u64 *)data = run->first + i;
	*(__u64 *)(data + 8) = ~(run->first + i);
	return output(run, &plain, data, size);
}

PRODUCER(produce_plain, one_plain)

/* Three kinds of records in turn. */
static int one_mixed(__u64 i, struct run *run)
{
	struct event event = { .number = run->first + i, .pid = 1, .comm = "mixed" };
	struct named named = { .number = run->first + i, .pid = 2, .kind = KIND_NAME, .name = "a name" };

	event.kind = i % 3 == 0 ? KIND_NUMBER : KIND_BYTES;
	if (i % 3 == 1)
		return output(run, &plain, &named, sizeof(named));
	return output(run, &plain, &event, sizeof(event));
}

PRODUCER(produce_mixed, one_mixed)

static int one_exact(__u64 i, struct run *run)
{
	struct exact exact = { .number = run->first + i };

	return output(run, &few, &exact, sizeof(exact));
}

PRODUCER(produce_exact, one_exact)

char LICENSE[] SEC("license") = "GPL";
