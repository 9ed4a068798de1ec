/* Programs that the verifier refuses, each for one of the reasons for which it refuses a beginner's. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct event {
	__u32 pid;
	char text[12];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct event);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
} no_map;

struct task_struct___old {
	int no_such_member;
} __attribute__((preserve_access_index));

SEC("raw_tp/sys_enter")
int no_null_check(void *ctx)
{
	__u32 key = 0;
	struct event *found = bpf_map_lookup_elem(&events, &key);

	return found->pid;
}

SEC("raw_tp/sys_enter")
int kernel_pointer(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];

	return *(volatile int *)&regs->ip;
}

SEC("raw_tp/sys_enter")
int outside_of_the_value(void *ctx)
{
	__u32 key = 0;
	struct event *found = bpf_map_lookup_elem(&events, &key);

	return found ? *(volatile char *)&found->text[20] : 0;
}

SEC("raw_tp/sys_enter")
int unbounded_index(void *ctx)
{
	__u32 key = 0;
	struct event *found = bpf_map_lookup_elem(&events, &key);
	__u64 at = bpf_ktime_get_ns();

	return found ? *(volatile char *)&found->text[at] : 0;
}

SEC("raw_tp/sys_enter")
int negative_size(void *ctx)
{
	char text[16];
	__s64 size = bpf_ktime_get_ns();

	return bpf_probe_read_kernel(text, size, ctx);
}

SEC("raw_tp/sys_enter")
int endless(void *ctx)
{
	for (;;)
		bpf_ktime_get_ns();
	return 0;
}

SEC("raw_tp/sys_enter")
int more_than_is_there(void *ctx)
{
	char text[16];

	return bpf_get_current_comm(text, 600);
}

SEC("xdp")
int outside_of_the_context(struct xdp_md *ctx)
{
	return ((volatile int *)ctx)[50];
}

SEC("xdp")
int outside_of_the_packet(struct xdp_md *ctx)
{
	return *(volatile char *)(long)ctx->data;
}

SEC("raw_tp/sys_enter")
int no_such_member(__u64 *ctx)
{
	struct task_struct___old *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, no_such_member);
}

SEC("raw_tp/sys_enter")
int never_submitted(void *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);

	if (event)
		event->pid = 1;
	return 0;
}

SEC("raw_tp/sys_enter")
int may_sleep(void *ctx)
{
	char text[16];

	return bpf_copy_from_user(text, sizeof(text), ctx);
}

SEC("xdp")
int of_another_type(struct xdp_md *ctx)
{
	char text[16];

	return bpf_get_current_comm(text, sizeof(text)) + bpf_override_return((void *)ctx, 1);
}

SEC("raw_tp/sys_enter")
int leaves_the_map_out(void *ctx)
{
	__u32 key = 0;

	return bpf_map_delete_elem(&events, &key);
}

SEC("cgroup_skb/egress")
int returns_five(struct __sk_buff *skb)
{
	return 5;
}

SEC("raw_tp/sys_enter")
int map_in_no_section(void *ctx)
{
	__u32 key = 0;

	return bpf_map_delete_elem(&no_map, &key);
}

SEC("raw_tp/sys_enter")
int number_for_a_pointer(__u64 *ctx)
{
	return bpf_probe_read_user((void *)0, 8, (void *)ctx[1]);
}

char LICENSE[] SEC("license") = "GPL";
