/* Programs that use maps of the rarer kinds, run by bpf_prog_test_run() or by system calls. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EFAULT 14

__u64 seen;
__u64 result;
__u32 pid;
__s64 stack_id;

/* Tail calls */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} jumps SEC(".maps");

SEC("xdp")
int target(struct xdp_md *ctx)
{
	return 77;
}

SEC("xdp")
int jump(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, 2);
	return 1;
}

SEC("socket")
int other_type(struct __sk_buff *skb)
{
	return 0;
}

SEC("xdp/devmap")
int on_device(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp/cpumap")
int on_cpu(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Maps of maps */

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} by_tenant SEC(".maps");

SEC("xdp")
int read_inner(struct xdp_md *ctx)
{
	__u32 tenant = 7, key = 1;
	void *inner = bpf_map_lookup_elem(&by_tenant, &tenant);
	__u64 *value;

	if (!inner)
		return 1;
	value = bpf_map_lookup_elem(inner, &key);
	return value ? *value : 2;
}

/* Longest prefix */

struct ipv4_prefix {
	__u32 prefixlen;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 100);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ipv4_prefix);
	__type(value, __u32);
} routes SEC(".maps");

struct tagged_prefix {
	__u32 prefixlen;
	__u16 zone;
	__u8 address[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 100);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tagged_prefix);
	__type(value, __u32);
} tagged SEC(".maps");

SEC("xdp")
int route(struct xdp_md *ctx)
{
	/* The first bytes of the packet are the address. */
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv4_prefix key = { .prefixlen = 32 };
	__u32 *value;

	if (data + 4 > end)
		return 1;
	__builtin_memcpy(key.address, data, 4);
	value = bpf_map_lookup_elem(&routes, &key);
	return value ? *value : 2;
}

/* Queue, stack, Bloom filter */

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, __u32);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 4);
	__type(value, __u32);
} stack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__type(value, __u32);
} known SEC(".maps");

/* Not on the stack: for the verifier of Linux 7.3 peek only writes, and what it reads for a bloom filter is dead. */
__u32 moved;

SEC("xdp")
int transfer(struct xdp_md *ctx)
{
	if (bpf_map_pop_elem(&queue, &moved))
		return 1;
	bpf_map_push_elem(&stack, &moved, 0);
	return bpf_map_peek_elem(&known, &moved) ? 2 : 3;
}

/* Storages and groups: on getppid() of one process */

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 64);
	__type(key, __u32);
	__uint(value_size, 16 * sizeof(__u64));
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(map_flags, BPF_F_STACK_BUILD_ID);
	__uint(max_entries, 64);
	__type(key, __u32);
	__uint(value_size, 16 * sizeof(struct bpf_stack_build_id));
} user_stacks SEC(".maps");

__s64 user_stack_id;

SEC("tp_btf/sys_enter")
int BPF_PROG(on_call, struct pt_regs *regs, long id)
{
	__u64 *count;

	if (bpf_get_current_pid_tgid() >> 32 != pid)
		return 0;
	count = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (count)
		__sync_fetch_and_add(count, 1);
	result = bpf_current_task_under_cgroup(&groups, 1);
	stack_id = bpf_get_stackid(ctx, &stacks, 0);
	user_stack_id = bpf_get_stackid(ctx, &user_stacks, BPF_F_USER_STACK);
	return 0;
}

/* Storage of a program on a control group */

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} sockets_by_cpu SEC(".maps");

SEC("cgroup/sock_create")
int on_socket(struct bpf_sock *sk)
{
	__u64 *all = bpf_get_local_storage(&sockets, 0), *here = bpf_get_local_storage(&sockets_by_cpu, 0);

	__sync_fetch_and_add(all, 1);
	*here += 1;
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
