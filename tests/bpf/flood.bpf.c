/* A thousand lines for each getppid(). */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getppid")
int flood(void *ctx)
{
	int i;

	for (i = 0; i < 1000; i++)
		bpf_printk("line %d of a flood that is larger than what any buffer holds", i);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
