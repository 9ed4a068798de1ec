/* A scheduler that leaves everything to the kernel's defaults and counts: what it declares itself, older kernels lack. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u64 runs;

struct sched_ext_ops___ours {
	void (*running)(struct task_struct *p);
	__u64 flags;
	char name[128];
};

SEC("struct_ops/lbc_running")
void BPF_PROG(lbc_running, struct task_struct *p)
{
	__sync_fetch_and_add(&runs, 1);
}

SEC(".struct_ops.link")
struct sched_ext_ops___ours scheduler = {
	.running = (void *)lbc_running,
	.name = "lbc_sched",
};

char LICENSE[] SEC("license") = "GPL";
