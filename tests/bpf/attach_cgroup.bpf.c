/* A program for each hook of control groups, which counts how often it runs; load those that a test needs. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u64 hits;
char order[16];
__u32 ran;

#define ALLOW(section, function, context)		\
	SEC(section)					\
	int function(context *ctx)			\
	{						\
		__sync_fetch_and_add(&hits, 1);		\
		return 1;				\
	}

ALLOW("cgroup_skb/ingress", skb_ingress, struct __sk_buff)
ALLOW("cgroup_skb/egress", skb_egress, struct __sk_buff)
ALLOW("cgroup/sock_create", sock_create, struct bpf_sock)
ALLOW("cgroup/sock_release", sock_release, struct bpf_sock)
ALLOW("cgroup/post_bind4", post_bind4, struct bpf_sock)
ALLOW("cgroup/post_bind6", post_bind6, struct bpf_sock)
ALLOW("cgroup/bind4", bind4, struct bpf_sock_addr)
ALLOW("cgroup/bind6", bind6, struct bpf_sock_addr)
ALLOW("cgroup/connect4", connect4, struct bpf_sock_addr)
ALLOW("cgroup/connect6", connect6, struct bpf_sock_addr)
ALLOW("cgroup/connect_unix", connect_unix, struct bpf_sock_addr)
ALLOW("cgroup/sendmsg4", sendmsg4, struct bpf_sock_addr)
ALLOW("cgroup/sendmsg6", sendmsg6, struct bpf_sock_addr)
ALLOW("cgroup/sendmsg_unix", sendmsg_unix, struct bpf_sock_addr)
ALLOW("cgroup/recvmsg4", recvmsg4, struct bpf_sock_addr)
ALLOW("cgroup/recvmsg6", recvmsg6, struct bpf_sock_addr)
ALLOW("cgroup/recvmsg_unix", recvmsg_unix, struct bpf_sock_addr)
ALLOW("cgroup/getpeername4", getpeername4, struct bpf_sock_addr)
ALLOW("cgroup/getpeername6", getpeername6, struct bpf_sock_addr)
ALLOW("cgroup/getpeername_unix", getpeername_unix, struct bpf_sock_addr)
ALLOW("cgroup/getsockname4", getsockname4, struct bpf_sock_addr)
ALLOW("cgroup/getsockname6", getsockname6, struct bpf_sock_addr)
ALLOW("cgroup/getsockname_unix", getsockname_unix, struct bpf_sock_addr)
ALLOW("cgroup/getsockopt", get_option, struct bpf_sockopt)
ALLOW("cgroup/setsockopt", set_option, struct bpf_sockopt)
ALLOW("cgroup/sysctl", sysctl, struct bpf_sysctl)
ALLOW("cgroup/dev", device, struct bpf_cgroup_dev_ctx)
ALLOW("sockops", sock_ops, struct bpf_sock_ops)

SEC("lsm_cgroup/socket_post_create")
int BPF_PROG(post_create, struct socket *sock, int family, int type, int protocol, int kern)
{
	__sync_fetch_and_add(&hits, 1);
	return 1;
}

static int run(char name)
{
	/* One after the other: an atomic that gives a value back needs Linux 5.12. */
	order[ran++ & 15] = name;
	return 1;
}

SEC("cgroup/sock_create")
int create_a(struct bpf_sock *ctx)
{
	return run('a');
}

SEC("cgroup/sock_create")
int create_b(struct bpf_sock *ctx)
{
	return run('b');
}

SEC("cgroup/sock_create")
int create_c(struct bpf_sock *ctx)
{
	return run('c');
}

char LICENSE[] SEC("license") = "GPL";
