/* Programs that a test run runs by calling functions of the kernel that are there for it. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u64 seen;

SEC("fentry/bpf_fentry_test1")
int BPF_PROG(enter, int a)
{
	seen = a + 100;
	return 0;
}

SEC("?fmod_ret/bpf_modify_return_test")
int BPF_PROG(change, int a, int *b)
{
	seen = a + 200;
	return 7;
}

char LICENSE[] SEC("license") = "GPL";
