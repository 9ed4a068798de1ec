/* Programs of sections that libbpf does not know. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

__u64 calls;

SEC("mine/sys_enter")
int on_mine(void *ctx)
{
	__sync_fetch_and_add(&calls, 1);
	return 0;
}

SEC("yours")
int on_yours(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
