/* Tell which programs are started and which files are opened, and count system calls; see top.py. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <libbpf_cffi.bpf.h>

enum kind {
	STARTED,
	OPENED,
};

struct event {
	enum kind kind;
	pid_t pid;
	char comm[16];
	char what[104];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} events SEC(".maps");
LBC_RING_LOST(events);

struct task {
	char comm[16];
};

/* Far too many for an event each. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct task);
	__type(value, u64);
} calls SEC(".maps");

/* The process that watches would watch itself. */
const volatile pid_t own_pid;

static struct event *begin(enum kind kind)
{
	struct event *event;
	pid_t pid = bpf_get_current_pid_tgid() >> 32;

	if (pid == own_pid)
		return NULL;
	event = lbc_ring_reserve(events, sizeof(*event));
	if (!event)
		return NULL;
	event->kind = kind;
	event->pid = pid;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->what[0] = 0;
	return event;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct event *event = begin(STARTED);

	if (!event)
		return 0;
	bpf_probe_read_kernel_str(event->what, sizeof(event->what), bprm->filename);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
int on_open(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event = begin(OPENED);

	if (!event)
		return 0;
	bpf_probe_read_user_str(event->what, sizeof(event->what), (const char *)ctx->args[1]);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("raw_tp/sys_enter")
int on_call(void *ctx)
{
	struct task task = {};
	u64 one = 1, *count;

	if (bpf_get_current_pid_tgid() >> 32 == own_pid)
		return 0;
	bpf_get_current_comm(task.comm, sizeof(task.comm));
	count = bpf_map_lookup_elem(&calls, &task);
	if (count)
		++*count;
	else
		bpf_map_update_elem(&calls, &task, &one, BPF_NOEXIST);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
