/* A map of each kind that libbpf prepares in its own way: initial values, maps in maps, program arrays, data sections. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

int tail_target(void *ctx);

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} inner_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &inner_map } };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [2] = (void *)&tail_target } };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} percpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8);
	__type(key, __u64);
	__type(value, __u64);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 8);
	__uint(map_extra, 3);
	__type(value, __u64);
} bloom SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} perf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} lazy SEC(".maps");

int zeroes[16];
int numbers[4] = { 1, 2, 3, 4 };
const volatile int constants[4] = { 5, 6, 7, 8 };
int custom SEC(".data.custom") = 9;

SEC("raw_tp/sys_enter")
int tail_target(void *ctx)
{
	return zeroes[1] + numbers[2] + constants[3] + custom;
}

SEC("raw_tp/sys_enter")
int use(void *ctx)
{
	__u32 key = 1;
	__u64 value = 0;

	if (bpf_map_lookup_elem(&outer, &key) && bpf_map_lookup_elem(&percpu, &key) && bpf_map_lookup_elem(&lazy, &key) &&
	    bpf_map_lookup_elem(&recent, &value))
		value = bpf_map_peek_elem(&bloom, &value);
	bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &value, sizeof(value));
	bpf_tail_call(ctx, &jumps, 2);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
