/* Two programs that attach, and a third whose tracepoint no kernel has. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int comes_first(void *ctx)
{
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int comes_second(void *ctx)
{
	return 0;
}

SEC("tracepoint/no_such_category/no_such_event")
int has_no_event(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
