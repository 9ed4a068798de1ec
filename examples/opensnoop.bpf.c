/*
 * Tell which files are opened, and how that ended. What is told is chosen when it is started:
 *
 *     bpf-run --set target_pid=4711 --set failed_only=true opensnoop.bpf.c
 *     bpf-run --set name=sshd --map opens opensnoop.bpf.c
 *     bpf-run --filter path~*.conf --columns comm,path,result opensnoop.bpf.c -- make
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <libbpf_cffi.bpf.h>

#define LONGEST 256

/* 0 stands for all. */
const volatile pid_t target_pid;
const volatile bool failed_only;
/* The task's name; none stands for all. */
const volatile char name[16];

struct started {
	const char *path;
	int flags;
};

struct event {
	pid_t pid;
	pid_t tid;
	/* A descriptor, or minus an errno. */
	int result;
	u32 flags;
	char comm[16];
	char path[LONGEST];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} events SEC(".maps");
LBC_RING_LOST(events);

struct task {
	char name[16];
};

struct tally {
	u64 opened;
	u64 failed;
	int last_errno;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, u64);
	__type(value, struct started);
} running SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct task);
	__type(value, struct tally);
} opens SEC(".maps");

static bool wanted(const char *task)
{
	int i;

	if (!name[0])
		return true;
	for (i = 0; i < (int)sizeof(name); i++) {
		if (task[i] != name[i])
			return false;
		if (!name[i])
			break;
	}
	return true;
}

SEC("tracepoint/syscalls/sys_enter_openat")
int on_enter(struct trace_event_raw_sys_enter *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct started started = { (const char *)ctx->args[1], (int)ctx->args[2] };

	if (!target_pid || target_pid == (pid_t)(id >> 32))
		bpf_map_update_elem(&running, &id, &started, BPF_ANY);
	return 0;
}

static void tell(u64 id, const struct started *started, const struct task *task, int result)
{
	struct event *event = lbc_ring_reserve(events, sizeof(*event));

	if (!event)
		return;
	event->pid = id >> 32;
	event->tid = (pid_t)id;
	event->result = result;
	event->flags = started->flags;
	__builtin_memcpy(event->comm, task->name, sizeof(event->comm));
	/* The end of an earlier event may be in there. */
	if (bpf_probe_read_user_str(event->path, sizeof(event->path), started->path) < 0)
		event->path[0] = 0;
	bpf_ringbuf_submit(event, 0);
}

SEC("tracepoint/syscalls/sys_exit_openat")
int on_exit(struct trace_event_raw_sys_exit *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct started *started = bpf_map_lookup_elem(&running, &id);
	struct tally nothing = {}, *tally;
	struct task task = {};
	long result = ctx->ret;

	if (!started)
		return 0;
	bpf_get_current_comm(task.name, sizeof(task.name));
	if (wanted(task.name) && (result < 0 || !failed_only)) {
		bpf_map_update_elem(&opens, &task, &nothing, BPF_NOEXIST);
		tally = bpf_map_lookup_elem(&opens, &task);
		if (tally && result < 0) {
			__sync_fetch_and_add(&tally->failed, 1);
			tally->last_errno = -result;
		} else if (tally) {
			__sync_fetch_and_add(&tally->opened, 1);
		}
		tell(id, started, &task, result);
	}
	bpf_map_delete_elem(&running, &id);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
