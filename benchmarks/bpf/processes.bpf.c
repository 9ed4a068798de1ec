/*
 * Programs that start and end: who, whose child, in which namespaces, for how long, with which exit status.
 *
 * CO-RE with classic tracepoints and chains of pointers through the kernel's structures.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum what { STARTED, ENDED };

struct event {
	__u64 cgroup;
	__u64 lasted_ns;
	__u32 what;
	__u32 pid;
	__u32 tgid;
	__u32 parent_tgid;
	__u32 uid;
	__u32 pid_namespace;
	__u32 mount_namespace;
	__u32 exit_code;
	char comm[16];
	char parent_comm[16];
	char host[64];
	char path[128];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} started SEC(".maps");

const volatile __u64 shortest_ns = 0;

__u64 lost;

static __always_inline void describe(struct event *event, struct task_struct *task)
{
	struct nsproxy *namespaces = BPF_CORE_READ(task, nsproxy);

	event->pid = BPF_CORE_READ(task, pid);
	event->tgid = BPF_CORE_READ(task, tgid);
	event->parent_tgid = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = BPF_CORE_READ(task, cred, uid.val);
	event->pid_namespace = BPF_CORE_READ(namespaces, pid_ns_for_children, ns.inum);
	event->mount_namespace = BPF_CORE_READ(namespaces, mnt_ns, ns.inum);
	event->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	BPF_CORE_READ_STR_INTO(&event->comm, task, comm);
	BPF_CORE_READ_STR_INTO(&event->parent_comm, task, real_parent, comm);
	BPF_CORE_READ_STR_INTO(&event->host, namespaces, uts_ns, name.nodename);
}

SEC("tracepoint/sched/sched_process_exec")
int started_program(struct trace_event_raw_sched_process_exec *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_ns();
	struct event *event;

	bpf_map_update_elem(&started, &tgid, &now, BPF_ANY);
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->what = STARTED;
	describe(event, task);
	bpf_probe_read_kernel_str(event->path, sizeof(event->path),
				  (void *)ctx + (ctx->__data_loc_filename & 0xffff));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tracepoint/sched/sched_process_exit")
int ended_program(struct trace_event_raw_sched_process_template *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 id = bpf_get_current_pid_tgid(), lasted = 0, *since;
	__u32 tgid = id >> 32;
	struct event *event;

	if (tgid != (__u32)id)
		return 0;
	since = bpf_map_lookup_elem(&started, &tgid);
	if (since) {
		lasted = bpf_ktime_get_ns() - *since;
		bpf_map_delete_elem(&started, &tgid);
		if (lasted < shortest_ns)
			return 0;
	}
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->what = ENDED;
	event->lasted_ns = lasted;
	event->exit_code = BPF_CORE_READ(task, exit_code);
	describe(event, task);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
