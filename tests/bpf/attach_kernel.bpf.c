/*
 * One program for each way to attach to the kernel that takes its target from a method, not from the section.
 *
 * Each counts what the process `tgid` does, and tells the cookie that it was attached with. All are optional: a test
 * loads the one that it attaches.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* The kernel has given it an argument. */
extern bool bpf_session_is_return___old(void) __weak __ksym;
extern bool bpf_session_is_return___new(void *ctx) __weak __ksym;

static __always_inline bool is_return(void *ctx)
{
	if (bpf_ksym_exists(bpf_session_is_return___new))
		return bpf_session_is_return___new(ctx);
	return bpf_session_is_return___old();
}

#define EPERM 1

__u32 tgid;
__u64 hits;
__u64 returns;
__u64 cookie;

static __always_inline int ours(void)
{
	return bpf_get_current_pid_tgid() >> 32 == tgid;
}

static __always_inline int seen(void *ctx)
{
	if (ours()) {
		hits++;
		cookie = bpf_get_attach_cookie(ctx);
	}
	return 0;
}

SEC("?kprobe")
int by_kprobe(void *ctx)
{
	return seen(ctx);
}

SEC("?kretprobe")
int by_kretprobe(struct pt_regs *ctx)
{
	if (ours())
		returns = PT_REGS_RC(ctx);
	return seen(ctx);
}

SEC("?ksyscall")
int BPF_KSYSCALL(by_ksyscall, int pid)
{
	if (ours())
		returns = pid;
	return seen(ctx);
}

SEC("?kprobe.multi")
int by_kprobe_multi(void *ctx)
{
	return seen(ctx);
}

SEC("?kprobe.session")
int by_kprobe_session(void *ctx)
{
	if (ours() && is_return(ctx))
		returns++;
	return seen(ctx);
}

SEC("?tracepoint")
int by_tracepoint(void *ctx)
{
	return seen(ctx);
}

SEC("?tracepoint")
int by_plain_tracepoint(void *ctx)
{
	if (ours())
		hits++;
	return 0;
}

/* Of each system call: one of them is counted. */
__u64 number;

SEC("?raw_tp")
int by_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[1] == number ? seen(ctx) : 0;
}

SEC("?raw_tp")
int by_plain_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	if (ours() && ctx->args[1] == number)
		hits++;
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(by_tp_btf, struct pt_regs *regs, long id)
{
	return id == number ? seen(ctx) : 0;
}

SEC("?tp_btf")
int BPF_PROG(by_tp_btf_later, struct pt_regs *regs, long id)
{
	if (ours() && id == number)
		hits++;
	return 0;
}

SEC("?fentry")
int by_fentry(void *ctx)
{
	return seen(ctx);
}

SEC("?fexit/security_task_getpgid")
int BPF_PROG(by_fexit, struct task_struct *task, int result)
{
	if (ours())
		returns = 100 + result;
	return seen(ctx);
}

SEC("?fmod_ret/security_task_getpgid")
int BPF_PROG(by_fmod_ret, struct task_struct *task, int result)
{
	seen(ctx);
	return ours() ? -EPERM : 0;
}

SEC("?lsm/task_getpgid")
int BPF_PROG(by_lsm, struct task_struct *task, int result)
{
	if (ours())
		hits++;
	return ours() ? -EPERM : result;
}

SEC("?fsession/security_task_getpgid")
int BPF_PROG(by_fsession, struct task_struct *task)
{
	return seen(ctx);
}

SEC("?fentry/no_such_function_of_the_kernel")
int BPF_PROG(of_nothing)
{
	return 0;
}

SEC("?fentry/vfs_raed")
int BPF_PROG(misspelt)
{
	return 0;
}

SEC("?lsm/file_opne")
int BPF_PROG(misspelt_hook)
{
	return 0;
}

SEC("?perf_event")
int by_perf_event(void *ctx)
{
	return seen(ctx);
}

SEC("?perf_event")
int by_plain_perf_event(void *ctx)
{
	if (ours())
		hits++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
