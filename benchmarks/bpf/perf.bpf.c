/* A producer of records of 64 bytes for perf buffers, as fast as the kernel can be: one run of a program for all. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

/* As in rings.bpf.c. */
struct event {
	__u64 number;
	__u64 time;
	__u32 pid;
	__u32 tgid;
	__u64 address;
	__u64 size;
	__u64 latency;
	__s32 result;
	__u32 cpu;
	__u64 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, struct event);
} events SEC(".maps");

struct run {
	__u64 first;
	__u64 lost;
	void *ctx;
};

static int one(__u64 i, struct run *run)
{
	struct event event = {
		.number = run->first + i,
		.time = i,
		.pid = 4711,
		.tgid = 4711,
		.address = i << 12,
		.size = 4096,
		.latency = i & 1023,
		.result = -1,
		.flags = 1,
	};

	run->lost += !!bpf_perf_event_output(run->ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return 0;
}

/* The arguments are the first number and how many; the result is how many found no room. */
SEC("raw_tp")
int produce(struct bpf_raw_tracepoint_args *ctx)
{
	struct run run = { .first = ctx->args[0], .ctx = ctx };

	bpf_loop(ctx->args[1], one, &run, 0);
	return run.lost;
}

char LICENSE[] SEC("license") = "GPL";
