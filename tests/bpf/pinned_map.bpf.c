/* A map that libbpf pins by its name, and a program whose tracepoint no kernel has. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} libbpf_cffi_pinned SEC(".maps");

SEC("raw_tp/sys_enter")
int counts(void *ctx)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&libbpf_cffi_pinned, &zero);

	if (value)
		*value += 1;
	return 0;
}

SEC("tracepoint/no_such_category/no_such_event")
int has_no_event(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
