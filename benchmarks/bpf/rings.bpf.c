/* A producer of records of 64 bytes, as fast as the kernel can be: a program that is run, once, for all of them. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <libbpf_cffi.bpf.h>

struct event {
	__u64 number;
	__u64 time;
	__u32 pid;
	__u32 tgid;
	__u64 address;
	__u64 size;
	__u64 latency;
	__s32 result;
	__u32 cpu;
	__u64 flags;
};

/* What is asked for, and what became of it. */
struct order {
	__u64 first;
	__u64 count;
	__u64 flags;
	__u64 sent;
	__u64 lost;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
	__type(value, struct event);
} events SEC(".maps");
LBC_RING_LOST(events);

static int one(__u64 i, struct order *order)
{
	struct event *event;

	event = lbc_ring_reserve(events, sizeof(*event));
	if (!event) {
		order->lost++;
		return 0;
	}
	event->number = order->first + i;
	event->time = i;
	event->pid = event->tgid = 4711;
	event->address = (__u64)event->number << 12;
	event->size = 4096;
	event->latency = i & 1023;
	event->result = -1;
	event->cpu = 0;
	event->flags = 1;
	bpf_ringbuf_submit(event, order->flags);
	order->sent++;
	return 0;
}

SEC("syscall")
int produce(struct order *order)
{
	struct order own = {};

	own.first = order->first;
	own.flags = order->flags;
	bpf_loop(order->count, one, &own, 0);
	order->sent = own.sent;
	order->lost = own.lost;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
