/*
 * How long tasks wait for a CPU: a histogram for each process, of the time from wake-up to running.
 *
 * CO-RE with BTF-typed tracepoints (tp_btf): the programs themselves are checked against the kernel's types.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SLOTS 26
#define TASK_RUNNING 0

struct histogram {
	__u32 slots[SLOTS];
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} woken SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct histogram);
} histograms SEC(".maps");

const volatile __u32 only_tgid = 0;

static const struct histogram empty;

/* `__state` was called `state` until Linux 5.14. */
struct task_struct___before_514 {
	volatile long state;
} __attribute__((preserve_access_index));

static __always_inline unsigned int state_of(struct task_struct *task)
{
	struct task_struct___before_514 *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ(old, state);
}

static __always_inline int remember(struct task_struct *task)
{
	__u32 pid = BPF_CORE_READ(task, pid);
	__u64 now = bpf_ktime_get_ns();

	if (!pid || (only_tgid && (__u32)BPF_CORE_READ(task, tgid) != only_tgid))
		return 0;
	bpf_map_update_elem(&woken, &pid, &now, BPF_ANY);
	return 0;
}

static __always_inline __u32 log2(__u64 value)
{
	__u32 slot = 0;

	if (value >> 32)
		return SLOTS - 1;
	for (int bit = 16; bit; bit >>= 1)
		if (value >> (slot + bit))
			slot += bit;
	return slot < SLOTS ? slot : SLOTS - 1;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(wakeup, struct task_struct *task)
{
	return remember(task);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(wakeup_new, struct task_struct *task)
{
	return remember(task);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 pid, tgid, slot;
	struct histogram *histogram;
	__u64 *since;

	if (state_of(prev) == TASK_RUNNING)
		remember(prev);
	pid = BPF_CORE_READ(next, pid);
	since = bpf_map_lookup_elem(&woken, &pid);
	if (!since)
		return 0;
	tgid = BPF_CORE_READ(next, tgid);
	histogram = bpf_map_lookup_elem(&histograms, &tgid);
	if (!histogram) {
		bpf_map_update_elem(&histograms, &tgid, &empty, BPF_NOEXIST);
		histogram = bpf_map_lookup_elem(&histograms, &tgid);
		if (!histogram)
			return 0;
		BPF_CORE_READ_STR_INTO(&histogram->comm, next, comm);
	}
	slot = log2((bpf_ktime_get_ns() - *since) / 1000);
	if (slot < SLOTS)
		__sync_fetch_and_add(&histogram->slots[slot], 1);
	bpf_map_delete_elem(&woken, &pid);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
