/* Count the system calls of chosen processes, each in a map of its own; see per_process.py. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct counts {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, u32);
	__type(value, u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 1000);
	__type(key, u32);
	__array(values, struct counts);
} processes SEC(".maps");

SEC("tracepoint/raw_syscalls/sys_enter")
int count(struct trace_event_raw_sys_enter *ctx)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32, number = ctx->id;
	void *counts = bpf_map_lookup_elem(&processes, &pid);
	u64 one = 1, *known;

	if (!counts)
		return 0;
	known = bpf_map_lookup_elem(counts, &number);
	if (known)
		__sync_fetch_and_add(known, 1);
	else
		bpf_map_update_elem(counts, &number, &one, BPF_NOEXIST);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
