/* A map with an attribute that libbpf does not know, as a newer compiler's headers might give it. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(attribute_of_the_future, 7);
} odd SEC(".maps");

SEC("raw_tp/sys_enter")
int look(void *ctx)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&odd, &zero) != NULL;
}

char LICENSE[] SEC("license") = "GPL";
