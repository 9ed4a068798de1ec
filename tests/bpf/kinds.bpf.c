/* A program for each kind of link that a section alone attaches on this machine. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("tracepoint/syscalls/sys_enter_getppid")
int of_tracepoint(void *ctx)
{
	return 0;
}

SEC("raw_tp/sys_enter")
int of_raw_tracepoint(void *ctx)
{
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(of_tp_btf, struct pt_regs *regs, long id)
{
	return 0;
}

SEC("uprobe/libc.so.6:getppid")
int of_uprobe(void *ctx)
{
	return 0;
}

SEC("uretprobe/libc.so.6:getppid")
int of_uretprobe(void *ctx)
{
	return 0;
}

SEC("iter/task")
int of_iterator(struct bpf_iter__task *ctx)
{
	return 0;
}

SEC("iter/task")
int of_iterator_too(struct bpf_iter__task *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
