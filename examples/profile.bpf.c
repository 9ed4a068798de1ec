/* Counts by process and stack, each time that a perf event fires: examples/profile.py shows the stacks. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#define DEPTH 64

struct where {
	__u32 pid;
	__s32 kernel;
	__s32 user;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16384);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, DEPTH * sizeof(__u64));
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct where);
	__type(value, __u64);
} counts SEC(".maps");

/* Of this process alone; 0 is of all. */
const volatile __u32 only = 0;

SEC("perf_event")
int sample(struct bpf_perf_event_data *ctx)
{
	struct where where = {};
	__u64 one = 1, *count;

	where.pid = bpf_get_current_pid_tgid() >> 32;
	if (!where.pid || (only && where.pid != only))
		return 0;
	/* Negative where there is none: a kernel thread has no stack of user space. */
	where.kernel = bpf_get_stackid(ctx, &stacks, 0);
	where.user = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	bpf_get_current_comm(where.comm, sizeof(where.comm));
	count = bpf_map_lookup_elem(&counts, &where);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counts, &where, &one, BPF_NOEXIST);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
