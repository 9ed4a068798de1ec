/*
 * Count getppid() calls a process, seen by a tracepoint and by a raw tracepoint: what most tests of the core load.
 *
 * getppid() because nothing but a test calls it, a process because other tests may run beside this one.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} tracepoint_hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} raw_hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

__u64 total;
const volatile __u64 step = 1;

static __always_inline void count(void *map)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 none = 0, *hits;

	bpf_map_update_elem(map, &tgid, &none, BPF_NOEXIST);
	hits = bpf_map_lookup_elem(map, &tgid);
	if (hits)
		__sync_fetch_and_add(hits, step);
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_tracepoint(void *ctx)
{
	count(&tracepoint_hits);
	__sync_fetch_and_add(&total, 1);
	return 0;
}

/* getppid() is system call 110 on x86-64; where it is not, this counts another one, and the tests look first. */
SEC("raw_tp/sys_enter")
int on_raw(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] == 110)
		count(&raw_hits);
	return 0;
}

/* Left out unless it is asked for. */
SEC("?raw_tp/sys_enter")
int optional(void *ctx)
{
	return 0;
}

/* The section does not say to which device. */
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
