/* Attached to a kernel function's entry. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("fentry/bpf_fentry_test1")
int BPF_PROG(on_entry, int a)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
