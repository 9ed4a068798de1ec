/* A map that two programs use, one of which may be its only one. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} mine SEC(".maps");

SEC("raw_tp/sys_enter")
int owner(void *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&mine, &key) != NULL;
}

SEC("raw_tp/sys_exit")
int other(void *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&mine, &key) == NULL;
}

char LICENSE[] SEC("license") = "GPL";
