/* Maps whose keys and values have types, of the kinds that are mappings and sequences; a program that uses some. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

enum color { RED, GREEN = 5 };

struct flow {
	__u32 saddr;
	__u16 port;
	char comm[16];
};

struct counter {
	__u64 packets;
	__s32 delta;
};

struct locked {
	struct bpf_spin_lock lock;
	__u32 value;
};

#define MAP(NAME, TYPE, ENTRIES, KEY, VALUE)    \
	struct {                                \
		__uint(type, TYPE);             \
		__uint(max_entries, ENTRIES);   \
		__type(key, KEY);               \
		__type(value, VALUE);           \
	} NAME SEC(".maps")

#define MAPPED(NAME, ENTRIES, VALUE)                    \
	struct {                                        \
		__uint(type, BPF_MAP_TYPE_ARRAY);       \
		__uint(max_entries, ENTRIES);           \
		__uint(map_flags, BPF_F_MMAPABLE);      \
		__type(key, __u32);                     \
		__type(value, VALUE);                   \
	} NAME SEC(".maps")

MAP(numbers, BPF_MAP_TYPE_HASH, 4096, __u32, __u64);
MAP(signed_numbers, BPF_MAP_TYPE_HASH, 16, __s32, __s16);
MAP(signed_keys, BPF_MAP_TYPE_HASH, 16, __s64, __u8);
MAP(signed_values, BPF_MAP_TYPE_HASH, 16, __u16, __s8);
MAP(flows, BPF_MAP_TYPE_HASH, 64, struct flow, struct counter);
MAP(colors, BPF_MAP_TYPE_HASH, 16, enum color, bool);
MAP(recent, BPF_MAP_TYPE_LRU_HASH, 64, __u32, __u64);
MAP(locks, BPF_MAP_TYPE_HASH, 16, __u32, struct locked);
MAP(plain, BPF_MAP_TYPE_ARRAY, 100, __u32, __u64);
MAP(deltas, BPF_MAP_TYPE_ARRAY, 4, __u32, __s32);
MAP(records, BPF_MAP_TYPE_ARRAY, 4, __u32, struct counter);
MAPPED(mapped, 600, __u64);
MAPPED(mapped_bytes, 10, __u8);
MAPPED(mapped_signed, 10, __s32);
MAPPED(mapped_records, 10, struct flow);
MAP(percpu, BPF_MAP_TYPE_PERCPU_HASH, 64, __u32, __u32);
MAP(percpu_records, BPF_MAP_TYPE_PERCPU_HASH, 64, __u32, struct counter);
MAP(percpu_recent, BPF_MAP_TYPE_LRU_PERCPU_HASH, 64, __u32, __u64);
MAP(percpu_array, BPF_MAP_TYPE_PERCPU_ARRAY, 5, __u32, __s16);

/* Counts in the array that is mapped, for what reads it meanwhile. */
SEC("raw_tp/sys_enter")
int count(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 3;
	__u64 *value;

	if (ctx->args[1] != 110)
		return 0;
	value = bpf_map_lookup_elem(&mapped, &key);
	if (value)
		__sync_fetch_and_add(value, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
