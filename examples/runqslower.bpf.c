/*
 * Tell which tasks have waited long for a CPU:
 *
 *     bpf-run --set min_us=1000 runqslower.bpf.c
 *     bpf-run --set min_us=0 --hist waits --no-events --duration 10 runqslower.bpf.c
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <libbpf_cffi.bpf.h>

#define TASK_RUNNING 0
#define SLOTS 27

/* Shorter waits are not told of. */
const volatile u64 min_us = 10000;
/* 0 stands for all. */
const volatile pid_t target_pid;

struct event {
	u64 waited_us;
	pid_t pid;
	pid_t tid;
	u32 cpu;
	pid_t previous_tid;
	char comm[16];
	char previous[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__type(value, struct event);
} events SEC(".maps");
LBC_RING_LOST(events);

/* Since when each task has been waiting. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} queued SEC(".maps");

/* All waits, by powers of two of microseconds. */
u32 waits[SLOTS];

/* What a member was called before Linux 5.14. */
struct task_struct___before {
	volatile long state;
} __attribute__((preserve_access_index));

static bool is_running(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state) == TASK_RUNNING;
	return BPF_CORE_READ((struct task_struct___before *)task, state) == TASK_RUNNING;
}

static void begin(struct task_struct *task)
{
	u64 *since;

	/* The idle task waits for nothing. */
	if (!task->pid || (target_pid && task->tgid != target_pid))
		return;
	since = bpf_task_storage_get(&queued, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (since)
		*since = bpf_ktime_get_ns();
}

static u32 slot_of(u64 value)
{
	u32 slot = 0;

	while (value > 1 && slot < SLOTS - 1) {
		value >>= 1;
		slot++;
	}
	return slot;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	begin(task);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *task)
{
	begin(task);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *previous, struct task_struct *next)
{
	struct event *event;
	u64 *since, waited;

	/* Who has to stop, and would go on, waits from now on. */
	if (preempt || is_running(previous))
		begin(previous);
	since = bpf_task_storage_get(&queued, next, 0, 0);
	if (!since || !*since)
		return 0;
	waited = (bpf_ktime_get_ns() - *since) / 1000;
	*since = 0;
	__sync_fetch_and_add(&waits[slot_of(waited)], 1);
	if (waited < min_us)
		return 0;
	event = lbc_ring_reserve(events, sizeof(*event));
	if (!event)
		return 0;
	event->waited_us = waited;
	event->pid = next->tgid;
	event->tid = next->pid;
	event->cpu = bpf_get_smp_processor_id();
	event->previous_tid = previous->pid;
	bpf_probe_read_kernel_str(event->comm, sizeof(event->comm), next->comm);
	bpf_probe_read_kernel_str(event->previous, sizeof(event->previous), previous->comm);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
