/* Sends events of many kinds of members, `burst` of them whenever a process that is chosen calls getppid(). */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <libbpf_cffi.bpf.h>

const volatile pid_t target_pid;
/* Counted in the numbers of events; what is 0 stands for 1. */
const volatile __u32 burst;

enum mood {
	CALM,
	ANGRY = 7,
};

struct inner {
	__u32 low;
	__s64 high;
};

struct event {
	__u64 time;
	__u32 pid;
	__u32 number;
	enum mood mood;
	bool even;
	__u8 bytes[3];
	char comm[16];
	struct inner inner;
	__u16 list[2];
	char text[28];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__type(value, struct event);
} events SEC(".maps");
LBC_RING_LOST(events);

__u32 calls;

static int send(__u64 i, void *unused)
{
	struct event *event = lbc_ring_reserve(events, sizeof(*event));
	__u32 number = __sync_fetch_and_add(&calls, 1);

	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->time = bpf_ktime_get_ns();
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->number = number;
	event->mood = number % 3 ? CALM : ANGRY;
	event->even = number % 2 == 0;
	event->bytes[1] = 255;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->inner.low = number * 10;
	event->inner.high = -(__s64)number;
	event->list[0] = number;
	event->list[1] = 7;
	__builtin_memcpy(event->text, "a \"b\", 100%\n\033[1m", 17);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	if (target_pid && target_pid != (pid_t)(bpf_get_current_pid_tgid() >> 32))
		return 0;
	bpf_loop(burst ? burst : 1, send, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
