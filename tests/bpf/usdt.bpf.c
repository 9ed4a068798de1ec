/* Count the hits of a USDT probe; its binary, usdt_target.c, is found in PATH. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

__u64 hits;

SEC("usdt/libbpf_cffi_usdt:tests:probe")
int BPF_USDT(on_probe)
{
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
