/* A map for one program alone, and another program that wants it too. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} secret SEC(".maps");

static __always_inline int count(__u64 by)
{
	__u32 key = 0;
	__u64 *hits = bpf_map_lookup_elem(&secret, &key);

	if (hits)
		__sync_fetch_and_add(hits, by);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int owner(void *ctx)
{
	return count(1);
}

/* The kernel knows a program by its instructions: with the same ones this would be the owner. */
SEC("?tracepoint/syscalls/sys_enter_getppid")
int other(void *ctx)
{
	return count(2);
}

char LICENSE[] SEC("license") = "GPL";
