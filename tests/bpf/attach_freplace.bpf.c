/* A program with a function that another one takes the place of: `replacement` of freplace_other.bpf.c. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

__noinline int replaced(struct xdp_md *ctx)
{
	volatile int result = XDP_PASS;

	return ctx ? result : 0;
}

__noinline int other(struct xdp_md *ctx)
{
	volatile int result = XDP_DROP;

	return ctx ? result : 0;
}

SEC("xdp")
int whole(struct xdp_md *ctx)
{
	return replaced(ctx) * 16 + other(ctx);
}

char LICENSE[] SEC("license") = "GPL";
