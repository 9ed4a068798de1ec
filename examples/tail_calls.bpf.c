/* Jump by the protocol of a packet into another program: a table of tail calls; see tail_calls.py. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET 14
#define ETH_P_IP 0x0800

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u32);
} handlers SEC(".maps");

u64 datagrams, streams, others;
/* The last UDP datagram's port. */
u16 port;

SEC("socket")
int classify(struct __sk_buff *skb)
{
	struct iphdr ip;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETHERNET, &ip, sizeof(ip)) < 0)
		return 0;
	bpf_tail_call(skb, &handlers, ip.protocol);
	/* Only where there is no program to jump to. */
	__sync_fetch_and_add(&others, 1);
	return 0;
}

SEC("socket")
int on_udp(struct __sk_buff *skb)
{
	struct udphdr udp;

	if (bpf_skb_load_bytes(skb, ETHERNET + sizeof(struct iphdr), &udp, sizeof(udp)) == 0)
		port = bpf_ntohs(udp.dest);
	__sync_fetch_and_add(&datagrams, 1);
	return 0;
}

SEC("socket")
int on_tcp(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&streams, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
