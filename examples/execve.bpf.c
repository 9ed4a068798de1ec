/*
 * Name the file whenever a program is started: one line of trace_pipe an execve(), those that fail included.
 *
 * Needs no headers but libbpf's own, so that plain `clang -O2 -target bpf -c` compiles it; with -g it has BTF as well.
 */
typedef unsigned int __u32;
typedef unsigned long long __u64;
#define SEC(name) __attribute__((section(name), used))

static long (*bpf_trace_printk)(const char *fmt, __u32 fmt_size, ...) = (void *)6;
static long (*bpf_probe_read_user_str)(void *dst, __u32 size, const void *unsafe_ptr) = (void *)114;

/* As /sys/kernel/tracing/events/syscalls/sys_enter_execve/format has it. */
struct sys_enter_execve {
	__u64 common;
	__u64 number;
	const char *filename;
};

SEC("tracepoint/syscalls/sys_enter_execve")
int execve(struct sys_enter_execve *ctx)
{
	char file[200];
	char format[] = "execve: %s";

	/* A name on a page that is not in memory yet cannot be read here. */
	if (bpf_probe_read_user_str(file, sizeof(file), ctx->filename) < 0)
		__builtin_memcpy(file, "?", 2);
	bpf_trace_printk(format, sizeof(format), file);
	return 0;
}

char _license[] SEC("license") = "GPL";
