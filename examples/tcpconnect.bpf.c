/*
 * Tell who connects to where by TCP:
 *
 *     bpf-run tcpconnect.bpf.c
 *     bpf-run --filter port=443 --json tcpconnect.bpf.c -- curl https://example.org
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <libbpf_cffi.bpf.h>

#define AF_INET 2

/* 0 stands for all. */
const volatile pid_t target_pid;

struct event {
	pid_t pid;
	uid_t uid;
	u16 port;
	char comm[16];
	/* Addresses as text, which the kernel itself makes of them. */
	char from[46];
	char to[46];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__type(value, struct event);
} events SEC(".maps");
LBC_RING_LOST(events);

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *sk, int old_state, int new_state)
{
	pid_t pid = bpf_get_current_pid_tgid() >> 32;
	struct event *event;

	/* This state begins in connect(), in the task that calls it. */
	if (new_state != TCP_SYN_SENT || (target_pid && pid != target_pid))
		return 0;
	event = lbc_ring_reserve(events, sizeof(*event));
	if (!event)
		return 0;
	event->pid = pid;
	event->uid = (uid_t)bpf_get_current_uid_gid();
	event->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		BPF_SNPRINTF(event->from, sizeof(event->from), "%pI4", &sk->__sk_common.skc_rcv_saddr);
		BPF_SNPRINTF(event->to, sizeof(event->to), "%pI4", &sk->__sk_common.skc_daddr);
	} else {
		BPF_SNPRINTF(event->from, sizeof(event->from), "%pI6", &sk->__sk_common.skc_v6_rcv_saddr);
		BPF_SNPRINTF(event->to, sizeof(event->to), "%pI6", &sk->__sk_common.skc_v6_daddr);
	}
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
