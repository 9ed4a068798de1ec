/* Two congestion controls of one name, one to take the other's place, and one of another name. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u64 firsts;
__u64 seconds;

SEC("struct_ops")
void BPF_PROG(first_init, struct sock *sk)
{
	__sync_fetch_and_add(&firsts, 1);
}

SEC("struct_ops")
void BPF_PROG(second_init, struct sock *sk)
{
	__sync_fetch_and_add(&seconds, 1);
}

SEC("struct_ops")
__u32 BPF_PROG(both_ssthresh, struct sock *sk)
{
	return 10;
}

SEC("struct_ops")
void BPF_PROG(both_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops")
__u32 BPF_PROG(both_undo_cwnd, struct sock *sk)
{
	return 10;
}

#define CONTROL(variable, start, label)                                                                                \
	SEC(".struct_ops.link")                                                                                        \
	struct tcp_congestion_ops variable = {                                                                         \
		.init = (void *)start,                                                                                 \
		.ssthresh = (void *)both_ssthresh,                                                                     \
		.cong_avoid = (void *)both_cong_avoid,                                                                 \
		.undo_cwnd = (void *)both_undo_cwnd,                                                                   \
		.name = label,                                                                                         \
	}

CONTROL(first, first_init, "lbc_update");
CONTROL(second, second_init, "lbc_update");
CONTROL(different, second_init, "lbc_different");

char LICENSE[] SEC("license") = "GPL";
