/* Count getppid() calls a CPU, in both kinds of map that have a value a CPU. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} in_array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} in_hash SEC(".maps");

static __always_inline void count(void *map)
{
	__u32 key = 0;
	__u64 *hits = bpf_map_lookup_elem(map, &key);

	if (hits)
		*hits += 1;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	count(&in_array);
	count(&in_hash);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
