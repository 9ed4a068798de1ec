/* Programs that print a line for system calls of different names; one is left out, one cannot be attached. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 16);
} callers SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 one = 1;

	bpf_map_update_elem(&callers, &pid, &one, BPF_ANY);
	bpf_printk("getppid of %u", pid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getsid")
int on_getsid(void *ctx)
{
	bpf_printk("getsid");
	return 0;
}

SEC("?tracepoint/syscalls/sys_enter_getpgid")
int on_getpgid(void *ctx)
{
	bpf_printk("getpgid");
	return 0;
}

SEC("xdp")
int on_packet(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
