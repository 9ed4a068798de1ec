/* Programs that the verifier takes with CAP_PERFMON alone, though of types whose programs need it not. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

static __always_inline void store(__u64 value)
{
	__u32 key = 0;

	bpf_map_update_elem(&values, &key, &value, BPF_ANY);
}

SEC("xdp")
int difference(struct xdp_md *ctx)
{
	void *end = (void *)(__u64)ctx->data_end, *data = (void *)(__u64)ctx->data;

	store(end - data);
	return XDP_PASS;
}

SEC("xdp")
int comparison(struct xdp_md *ctx)
{
	void *data = (void *)(__u64)ctx->data;

	return (__u64)data < 0x1000 ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int stored_pointer(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	if (value)
		*value = (__u64)ctx;
	return XDP_PASS;
}

SEC("xdp")
int unset_stack(struct xdp_md *ctx)
{
	__u64 unset[2];

	asm volatile("%0 = *(u64 *)(%1 + 0)" : "=r"(unset[0]) : "r"(unset) : "memory");
	store(unset[0]);
	return XDP_PASS;
}

SEC("xdp")
int unset_argument(struct xdp_md *ctx)
{
	__u64 unset[2];

	asm volatile("" : : "r"(unset));
	bpf_ringbuf_output(&ring, unset, sizeof(unset), 0);
	return XDP_PASS;
}

SEC("xdp")
int prints(struct xdp_md *ctx)
{
	bpf_printk("%d", 1);
	return XDP_PASS;
}

SEC("tc")
int current_task(struct __sk_buff *skb)
{
	store(bpf_get_current_task());
	return 0;
}

SEC("tc")
int current_comm(struct __sk_buff *skb)
{
	char comm[16];

	bpf_get_current_comm(comm, sizeof(comm));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
