/* What takes the place of functions of attach_freplace.bpf.c, and what traces them. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u64 hits;

SEC("?freplace/replaced")
int replacement(struct xdp_md *ctx)
{
	hits++;
	return XDP_TX;
}

SEC("?fentry")
int BPF_PROG(traces, struct xdp_buff *xdp)
{
	hits++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
