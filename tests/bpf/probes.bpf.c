/*
 * Count getpgid() calls a process, by each kind of probe of a kernel function: what a kernel without kprobes cannot load.
 *
 * getpgid() and not getppid(): BTF has no functions that do not look at their arguments. The function's name is that of
 * x86-64. All are optional: a test asks for the one that it fires.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

static __always_inline int count(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 none = 0, *found;

	bpf_map_update_elem(&hits, &tgid, &none, BPF_NOEXIST);
	found = bpf_map_lookup_elem(&hits, &tgid);
	if (found)
		__sync_fetch_and_add(found, 1);
	return 0;
}

SEC("?kprobe/__x64_sys_getpgid")
int by_kprobe(void *ctx)
{
	return count();
}

SEC("?kretprobe/__x64_sys_getpgid")
int by_kretprobe(void *ctx)
{
	return count();
}

SEC("?ksyscall/getpgid")
int by_ksyscall(void *ctx)
{
	return count();
}

SEC("?kprobe.multi/__x64_sys_getpgid*")
int by_kprobe_multi(void *ctx)
{
	return count();
}

SEC("?fentry/__x64_sys_getpgid")
int by_fentry(void *ctx)
{
	return count();
}

SEC("?fexit/__x64_sys_getpgid")
int by_fexit(void *ctx)
{
	return count();
}

char LICENSE[] SEC("license") = "GPL";
