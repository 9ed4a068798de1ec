/* One event for each run, into a perf buffer: for kernels that are too old for perf.bpf.c. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct event {
	__u64 number;
	__u64 time;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, struct event);
} events SEC(".maps");

SEC("raw_tp")
int produce(struct bpf_raw_tracepoint_args *ctx)
{
	struct event event = { .number = ctx->args[0], .time = bpf_ktime_get_ns() };

	return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
}

char LICENSE[] SEC("license") = "GPL";
