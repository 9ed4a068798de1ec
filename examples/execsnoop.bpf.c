/*
 * Tell which programs are started, with their arguments:
 *
 *     bpf-run execsnoop.bpf.c
 *     bpf-run --filter 'comm!=sh' --columns pid,args execsnoop.bpf.c -- make
 *     bpf-run --set target_uid=1000 --json execsnoop.bpf.c
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <libbpf_cffi.bpf.h>

#define ARGS 512

/* -1 stands for all. */
const volatile int target_uid = -1;

struct event {
	pid_t pid;
	pid_t ppid;
	uid_t uid;
	char comm[16];
	/* With blanks between them; what is longer is cut. */
	char args[ARGS];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} events SEC(".maps");
LBC_RING_LOST(events);

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	uid_t uid = (uid_t)bpf_get_current_uid_gid();
	unsigned long start, length;
	struct event *event;
	u32 i;

	if (target_uid != -1 && uid != (uid_t)target_uid)
		return 0;
	event = lbc_ring_reserve(events, sizeof(*event));
	if (!event)
		return 0;
	event->pid = task->tgid;
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = uid;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	/* The new program has its arguments in memory already, each with a zero at its end. */
	start = BPF_CORE_READ(task, mm, arg_start);
	length = BPF_CORE_READ(task, mm, arg_end) - start;
	if (length > ARGS)
		length = ARGS;
	if (bpf_probe_read_user(event->args, length, (void *)start))
		length = 0;
	for (i = 0; i < ARGS - 1; i++) {
		if (i + 1 >= length)
			break;
		if (!event->args[i])
			event->args[i] = ' ';
	}
	event->args[i] = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
