/* The maps that maps.py reads and writes: no programs. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

/* 64 bytes, as tools keep of a connection. */
struct flow {
	__u64 packets;
	__u64 bytes;
	__u64 first_seen;
	__u64 last_seen;
	__u32 saddr;
	__u32 daddr;
	__u16 sport;
	__u16 dport;
	__u32 pid;
	char comm[16];
};

/* What this program loads is sized before load; another library cannot. */
#ifndef ENTRIES
#define ENTRIES 1
#endif

#define MAP(NAME, TYPE, KEY, VALUE)             \
	struct {                                \
		__uint(type, TYPE);             \
		__uint(max_entries, ENTRIES);   \
		__type(key, KEY);               \
		__type(value, VALUE);           \
	} NAME SEC(".maps")

typedef __u64 words[8];

MAP(numbers, BPF_MAP_TYPE_HASH, __u64, __u64);
MAP(arrays, BPF_MAP_TYPE_HASH, __u64, words);
MAP(flows, BPF_MAP_TYPE_HASH, __u64, struct flow);
MAP(percpu, BPF_MAP_TYPE_PERCPU_HASH, __u64, __u64);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} mapped SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
