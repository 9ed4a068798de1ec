/*
 * Say hello whenever a program is started: one line of trace_pipe an execve().
 *
 * Needs no headers but libbpf's own, so that plain `clang -O2 -target bpf -c` compiles it; with -g it has BTF as well.
 */
typedef unsigned int __u32;
typedef unsigned long long __u64;
#define SEC(name) __attribute__((section(name), used))

static long (*bpf_get_current_comm)(void *buf, __u32 size_of_buf) = (void *)16;
static long (*bpf_trace_printk)(const char *fmt, __u32 fmt_size, ...) = (void *)6;

SEC("tracepoint/syscalls/sys_enter_execve")
int execve(void *ctx)
{
	char task[16];
	char format[] = "execve: %s";

	bpf_get_current_comm(task, sizeof(task));
	bpf_trace_printk(format, sizeof(format), task);
	return 0;
}

char _license[] SEC("license") = "GPL";
