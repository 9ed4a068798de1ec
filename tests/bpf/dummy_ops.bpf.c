/* The table of functions that the kernel has for test runs. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct bpf_dummy_ops___own {
	int (*test_1)(void *state);
	int (*test_2)(void *state, int a1, unsigned short a2, char a3, unsigned long a4);
};

SEC("struct_ops/test_2")
int BPF_PROG(test_2, void *state, int a1, unsigned short a2, char a3, unsigned long a4)
{
	return a1 + a2 + a3 + (int)a4;
}

SEC(".struct_ops")
struct bpf_dummy_ops___own dummy = {
	.test_2 = (void *)test_2,
};

char LICENSE[] SEC("license") = "GPL";
