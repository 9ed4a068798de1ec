/* One program for each way to attach to user space; each counts, and tells its cookie and arguments. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

/* The kernel has given it an argument. */
extern bool bpf_session_is_return___old(void) __weak __ksym;
extern bool bpf_session_is_return___new(void *ctx) __weak __ksym;

static __always_inline bool is_return(void *ctx)
{
	if (bpf_ksym_exists(bpf_session_is_return___new))
		return bpf_session_is_return___new(ctx);
	return bpf_session_is_return___old();
}

__u64 hits;
__u64 returns;
__u64 cookie;
__s64 first;
__s64 second;
__u64 count;

static __always_inline int seen(void *ctx)
{
	hits++;
	cookie = bpf_get_attach_cookie(ctx);
	return 0;
}

SEC("?uprobe")
int by_uprobe(struct pt_regs *ctx)
{
	first = PT_REGS_PARM1(ctx);
	return seen(ctx);
}

SEC("?uretprobe")
int by_uretprobe(struct pt_regs *ctx)
{
	returns = PT_REGS_RC(ctx);
	return seen(ctx);
}

SEC("?uprobe.multi")
int by_uprobe_multi(struct pt_regs *ctx)
{
	return seen(ctx);
}

SEC("?uprobe.session")
int by_uprobe_session(struct pt_regs *ctx)
{
	if (is_return(ctx))
		returns++;
	return seen(ctx);
}

SEC("?usdt")
int by_usdt(struct pt_regs *ctx)
{
	long number;

	hits++;
	cookie = bpf_usdt_cookie(ctx);
	count = bpf_usdt_arg_cnt(ctx);
	if (!bpf_usdt_arg(ctx, 0, &number))
		first = number;
	if (!bpf_usdt_arg(ctx, 1, &number))
		second = number;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
