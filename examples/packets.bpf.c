/* Count IPv4 packets by protocol, each CPU for itself; see packets.py. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET 14
#define ETH_P_IP 0x0800

struct traffic {
	u64 packets;
	u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, struct traffic);
} by_protocol SEC(".maps");

SEC("socket")
int count(struct __sk_buff *skb)
{
	struct traffic *traffic;
	struct iphdr ip;
	u32 protocol;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETHERNET, &ip, sizeof(ip)) < 0)
		return 0;
	protocol = ip.protocol;
	traffic = bpf_map_lookup_elem(&by_protocol, &protocol);
	if (traffic) {
		traffic->packets++;
		traffic->bytes += skb->len;
	}
	/* None of it is for the socket itself. */
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
