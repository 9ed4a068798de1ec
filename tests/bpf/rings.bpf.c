/* Ring buffers, and programs that fill them when they are run with `struct order` as their context. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <libbpf_cffi.bpf.h>

#define LONGEST 2048

enum kind {
	KIND_NUMBER = 1,
	KIND_NAME = 2,
	KIND_BYTES = 3,
};

struct event {
	__u64 number;
	__u32 pid;
	enum kind kind;
	char comm[16];
	__u64 more[4];
};

struct named {
	__u64 number;
	__u32 pid;
	enum kind kind;
	char name[24];
};

struct text {
	__u32 len;
	char text[];
};

struct moved {
	__u32 kind;
	__u32 number;
};

/* What a producer is asked for; it writes back how many it has sent and how many found no room. */
struct order {
	__u64 first;
	__u32 count;
	__u32 size;
	__u32 step;
	__u32 discard_every;
	__u64 flags;
	__u64 sent;
	__u64 lost;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} events SEC(".maps");
LBC_RING_LOST(events);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} small SEC(".maps");
LBC_RING_LOST(small);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} plain SEC(".maps");

struct inner_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, struct event);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner_ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, char[LONGEST]);
} scratch SEC(".maps");

/* For BTF: libbpf keeps the types of what is in a section. */
struct named unused_named;
struct text unused_text;
struct moved unused_moved;

static int one_event(__u64 i, struct order *order)
{
	struct event *event;

	event = lbc_ring_reserve(events, sizeof(*event));
	if (!event) {
		order->lost++;
		return 0;
	}
	event->number = order->first + i;
	event->pid = 4711;
	event->kind = KIND_NUMBER;
	__builtin_memcpy(event->comm, "producer", 9);
	event->more[0] = event->more[1] = event->more[2] = i;
	event->more[3] = ~event->number;
	if (order->discard_every && i % order->discard_every == 0) {
		bpf_ringbuf_discard(event, order->flags);
		return 0;
	}
	bpf_ringbuf_submit(event, order->flags);
	order->sent++;
	return 0;
}

/* A program that runs `one` as often as it is asked to. What bpf_loop() hands on must be on the stack. */
#define PRODUCER(name, one)                                \
	SEC("syscall")                                     \
	int name(struct order *order)                      \
	{                                                  \
		struct order own;                          \
                                                           \
		own.first = order->first;                  \
		own.count = order->count;                  \
		own.size = order->size;                    \
		own.step = order->step;                    \
		own.discard_every = order->discard_every;  \
		own.flags = order->flags;                  \
		own.sent = own.lost = 0;                   \
		bpf_loop(own.count, one, &own, 0);         \
		order->sent = own.sent;                    \
		order->lost = own.lost;                    \
		return 0;                                  \
	}

PRODUCER(produce, one_event)

/* Records of `size`, `size + step`, … bytes, modulo LONGEST, which start with their number. */
static __always_inline char *one_of_any_size(__u64 i, struct order *order, __u32 *size)
{
	__u64 number = order->first + i;
	char *data;
	__u32 key = 0;

	*size = (order->size + i * order->step) & (LONGEST - 1);
	data = bpf_map_lookup_elem(&scratch, &key);
	if (data) {
		*(__u64 *)data = number;
		*(__u64 *)(data + 8) = ~number;
	}
	return data;
}

static int one_plain(__u64 i, struct order *order)
{
	__u32 size;
	char *data = one_of_any_size(i, order, &size);

	if (!data)
		return 1;
	if (bpf_ringbuf_output(&plain, data, size, order->flags))
		order->lost++;
	else
		order->sent++;
	return 0;
}

PRODUCER(produce_plain, one_plain)

static int one_small(__u64 i, struct order *order)
{
	__u32 size;
	char *data = one_of_any_size(i, order, &size);

	if (!data)
		return 1;
	if (lbc_ring_output(small, data, size, order->flags))
		order->lost++;
	else
		order->sent++;
	return 0;
}

PRODUCER(produce_small, one_small)

/* Three kinds of records in turn. */
static int one_mixed(__u64 i, struct order *order)
{
	struct event event = { .number = order->first + i, .pid = 1, .comm = "mixed" };
	struct named named = { .number = order->first + i, .pid = 2, .kind = KIND_NAME, .name = "a name" };
	long err;

	event.kind = i % 3 == 0 ? KIND_NUMBER : KIND_BYTES;
	if (i % 3 == 1)
		err = bpf_ringbuf_output(&plain, &named, sizeof(named), order->flags);
	else
		err = bpf_ringbuf_output(&plain, &event, sizeof(event), order->flags);
	if (err)
		order->lost++;
	else
		order->sent++;
	return 0;
}

PRODUCER(produce_mixed, one_mixed)

static int nothing(__u64 i, void *unused)
{
	return 0;
}

/* Reserve, be long about it (`count` loops), and submit; a second one comes behind it meanwhile. */
SEC("syscall")
int dawdle(struct order *order)
{
	struct event *event, second = { .number = order->first + 1 };

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 1;
	event->number = order->first;
	event->pid = 4711;
	event->kind = KIND_NUMBER;
	event->comm[0] = 0;
	event->more[0] = event->more[1] = event->more[2] = event->more[3] = 0;
	bpf_ringbuf_output(&events, &second, sizeof(second), order->flags);
	bpf_loop(order->count, nothing, NULL, 0);
	if (order->discard_every)
		bpf_ringbuf_discard(event, 0);
	else
		bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
