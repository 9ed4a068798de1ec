/*
 * Memory by process: page faults and resident pages, counted where they happen.
 *
 * CO-RE with raw tracepoints, per-CPU maps and a loop unrolled: more relocations than the others.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define DEPTH 12

struct process {
	__u32 tgid;
	__u32 depth;
	char comm[16];
};

struct usage {
	__u64 faults;
	__u64 resident;
	__u64 mapped;
	__u64 voluntary;
	__u64 involuntary;
	__u32 ancestors[DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 512);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct process);
	__type(value, struct usage);
} usages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct usage);
} scratch SEC(".maps");

static __always_inline int account(struct task_struct *task)
{
	struct task_struct *ancestor = task;
	struct usage *usage;
	struct process key = {};
	struct mm_struct *mm;
	__u32 zero = 0;

	mm = BPF_CORE_READ(task, mm);
	usage = bpf_map_lookup_elem(&scratch, &zero);
	if (!mm || !usage)
		return 0;
	key.tgid = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_STR_INTO(&key.comm, task, comm);
	usage->faults = BPF_CORE_READ(task, maj_flt) + BPF_CORE_READ(task, min_flt);
	usage->mapped = BPF_CORE_READ(mm, total_vm);
	usage->resident = BPF_CORE_READ(mm, hiwater_rss);
	usage->voluntary = BPF_CORE_READ(task, nvcsw);
	usage->involuntary = BPF_CORE_READ(task, nivcsw);
#pragma unroll
	for (int i = 0; i < DEPTH; i++) {
		ancestor = BPF_CORE_READ(ancestor, real_parent);
		usage->ancestors[i] = BPF_CORE_READ(ancestor, tgid);
		if (usage->ancestors[i] > 1)
			key.depth++;
	}
	bpf_map_update_elem(&usages, &key, usage, BPF_ANY);
	return 0;
}

SEC("raw_tracepoint/sched_process_exit")
int exiting(struct bpf_raw_tracepoint_args *ctx)
{
	return account((struct task_struct *)ctx->args[0]);
}

SEC("raw_tracepoint/sched_process_fork")
int forking(struct bpf_raw_tracepoint_args *ctx)
{
	return account((struct task_struct *)ctx->args[0]);
}

char LICENSE[] SEC("license") = "GPL";
