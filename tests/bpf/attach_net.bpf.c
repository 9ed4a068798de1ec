/* Programs for each hook of the network, which count how often they run; load those that a test needs. */
#include <vmlinux.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NEXT -1
#define OK 0
#define PORT 4711

__u64 hits;
__u64 first_hits;
__u64 second_hits;
__u64 third_hits;
__u64 device_hits;
__u64 cpu_hits;
__u64 other_cpu;

/* Who has run, in order. */
char order[16];
__u32 ran;

static void run(char name)
{
	/* One after the other: an atomic that gives a value back needs Linux 5.12. */
	order[ran++ & 15] = name;
}

static int is_ours(void *data, void *end)
{
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end || ethernet->h_proto != bpf_htons(0x0800) || ip->protocol != IPPROTO_UDP)
		return 0;
	return udp->dest == bpf_htons(PORT);
}

#define DATA(ctx) ((void *)(long)(ctx)->data), ((void *)(long)(ctx)->data_end)

/* XDP */

SEC("xdp")
int xdp_count(struct xdp_md *ctx)
{
	if (is_ours(DATA(ctx)))
		__sync_fetch_and_add(&hits, 1);
	return XDP_PASS;
}

SEC("xdp")
int xdp_other(struct xdp_md *ctx)
{
	if (is_ours(DATA(ctx)))
		__sync_fetch_and_add(&second_hits, 1);
	return XDP_PASS;
}

SEC("xdp.frags")
int xdp_frags(struct xdp_md *ctx)
{
	if (is_ours(DATA(ctx)) && bpf_xdp_get_buff_len(ctx) > ctx->data_end - ctx->data)
		__sync_fetch_and_add(&hits, 1);
	return XDP_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

SEC("xdp")
int xdp_to_device(struct xdp_md *ctx)
{
	if (!is_ours(DATA(ctx)))
		return XDP_PASS;
	__sync_fetch_and_add(&hits, 1);
	return bpf_redirect_map(&devices, 0, XDP_DROP);
}

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xdp_sockets SEC(".maps");

SEC("xdp")
int xdp_to_socket(struct xdp_md *ctx)
{
	return is_ours(DATA(ctx)) ? bpf_redirect_map(&xdp_sockets, 0, XDP_PASS) : XDP_PASS;
}

SEC("xdp/devmap")
int xdp_on_device(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&device_hits, 1);
	return XDP_PASS;
}

SEC("xdp")
int xdp_to_cpu(struct xdp_md *ctx)
{
	if (!is_ours(DATA(ctx)))
		return XDP_PASS;
	__sync_fetch_and_add(&hits, 1);
	return bpf_redirect_map(&cpus, 0, XDP_DROP);
}

SEC("xdp/cpumap")
int xdp_on_cpu(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&cpu_hits, 1);
	if (bpf_get_smp_processor_id())
		__sync_fetch_and_add(&other_cpu, 1);
	return XDP_PASS;
}

/* TC, TCX, netkit */

#define CLASSIFIER(section, function, counter, name, verdict)	\
	SEC(section)						\
	int function(struct __sk_buff *skb)			\
	{							\
		if (is_ours(DATA(skb))) {			\
			__sync_fetch_and_add(&counter, 1);	\
			run(name);				\
		}						\
		return verdict;					\
	}

CLASSIFIER("tc", tc_count, hits, 't', OK)
CLASSIFIER("tc", tc_other, second_hits, 'u', OK)
CLASSIFIER("tcx/ingress", tcx_a, first_hits, 'a', NEXT)
CLASSIFIER("tcx/ingress", tcx_b, second_hits, 'b', NEXT)
CLASSIFIER("tcx/ingress", tcx_c, third_hits, 'c', NEXT)
CLASSIFIER("tcx/egress", tcx_out, hits, 'o', NEXT)
CLASSIFIER("netkit/primary", netkit_primary, first_hits, 'p', NEXT)
CLASSIFIER("netkit/primary", netkit_before, third_hits, 'q', NEXT)
CLASSIFIER("netkit/peer", netkit_peer, second_hits, 'r', NEXT)

/* Network namespaces */

SEC("sk_lookup")
int lookup(struct bpf_sk_lookup *ctx)
{
	if (ctx->local_port != PORT)
		return SK_PASS;
	__sync_fetch_and_add(&hits, 1);
	return SK_DROP;
}

SEC("flow_dissector")
int dissect(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

/* Netfilter */

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	__sync_fetch_and_add(&hits, 1);
	return 1;
}

SEC("netfilter")
int filter_too(struct bpf_nf_ctx *ctx)
{
	__sync_fetch_and_add(&second_hits, 1);
	return 1;
}

/* Sockets */

SEC("socket")
int socket_none(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("socket")
int socket_second(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	/* The number of the socket in the group. */
	return 1;
}

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sharing SEC(".maps");

SEC("sk_reuseport")
int choose(struct sk_reuseport_md *ctx)
{
	__u32 key = 1;

	__sync_fetch_and_add(&hits, 1);
	bpf_sk_select_reuseport(ctx, &sharing, &key, 0);
	return SK_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

SEC("sk_msg")
int message(struct sk_msg_md *msg)
{
	__sync_fetch_and_add(&hits, 1);
	return SK_PASS;
}

SEC("sk_skb/stream_parser")
int parser(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&first_hits, 1);
	return skb->len;
}

SEC("sk_skb/stream_verdict")
int stream_verdict(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&second_hits, 1);
	return SK_PASS;
}

SEC("sk_skb/verdict")
int verdict(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return SK_PASS;
}

/* Routes */

SEC("lwt_in")
int route_in(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return BPF_OK;
}

SEC("lwt_out")
int route_out(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return BPF_OK;
}

SEC("lwt_xmit")
int route_xmit(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return BPF_OK;
}

SEC("lwt_seg6local")
int route_segment(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return BPF_OK;
}

char LICENSE[] SEC("license") = "GPL";
