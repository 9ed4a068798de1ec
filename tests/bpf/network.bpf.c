/* Programs whose sections do not say to what they are attached, and whose links can be detached and updated. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

__u64 first_hits;
__u64 second_hits;

SEC("cgroup_skb/egress")
int first(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&first_hits, 1);
	return 1;
}

SEC("cgroup_skb/egress")
int second(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&second_hits, 1);
	return 1;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
