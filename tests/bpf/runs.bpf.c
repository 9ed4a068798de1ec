/* Programs that tests run by hand, and whose instructions and lines they look at. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct sum {
	__s32 a;
	__s32 b;
	__s64 total;
};

__u64 seen[4];

static __noinline int twice(int number)
{
	return number * 2 + (int)seen[3];
}

__noinline int thrice(int number)
{
	return number * 3 + (int)seen[3];
}

SEC("syscall")
int add(struct sum *sum)
{
	sum->total = (__s64)sum->a + sum->b;
	return twice(sum->a) - thrice(sum->b);
}

SEC("syscall")
int untyped(void *ctx)
{
	return -5;
}

/* Puts 4 bytes before the packet, and marks it. */
SEC("xdp")
int grow(struct xdp_md *ctx)
{
	unsigned char *data;

	seen[0] = ctx->ingress_ifindex;
	if (bpf_xdp_adjust_head(ctx, -4))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	if (data + 1 > (unsigned char *)(long)ctx->data_end)
		return XDP_ABORTED;
	*data = 0xaa;
	return XDP_TX;
}

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&seen[1], 1);
	return XDP_DROP;
}

SEC("tc")
int mark(struct __sk_buff *skb)
{
	skb->mark += skb->priority;
	skb->cb[2] = 7;
	return skb->ifindex;
}

SEC("raw_tp/sys_enter")
int on_raw(struct bpf_raw_tracepoint_args *ctx)
{
	seen[0] = ctx->args[0];
	seen[1] = ctx->args[1];
	seen[2] = bpf_get_smp_processor_id();
	return seen[0] == 1 ? 11 : 12;
}

SEC("flow_dissector")
int dissect(struct __sk_buff *skb)
{
	skb->flow_keys->thoff = 34;
	skb->flow_keys->sport = bpf_htons(80);
	skb->flow_keys->flow_label = skb->flow_keys->flags;
	return BPF_OK;
}

SEC("sk_lookup")
int look(struct bpf_sk_lookup *ctx)
{
	return ctx->local_port == 80 ? SK_PASS : SK_DROP;
}

char LICENSE[] SEC("license") = "GPL";
