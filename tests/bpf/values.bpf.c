/* Counts calls of getppid() in maps of every shape that the command shows. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

enum verbosity { QUIET, LOUD };

struct who {
	u32 pid;
	char comm[16];
};

struct slotted {
	u32 pid;
	u64 slot;
};

struct tally {
	u64 calls;
	struct {
		u32 even;
		u32 odd;
	} parity;
	enum verbosity verbosity;
	bool seen;
};

struct histogram {
	u32 slots[20];
	char comm[16];
};

struct network {
	u32 prefixlen;
	u8 address[4];
};

struct settings {
	u32 limit;
	u64 weights[3];
	enum verbosity verbosity;
	char label[8];
};

const volatile pid_t target_pid;
const volatile bool talking;
const volatile double ratio = 0.5;
enum verbosity verbosity;
struct settings settings = { .limit = 100 };
char prefix[16] = "none";
u64 calls;
u32 latency[24];
struct histogram by_parity[3];

#define MAP(name, kind, k, v, n)                                                                                       \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_##kind);                                                                     \
		__uint(max_entries, n);                                                                                \
		__type(key, k);                                                                                        \
		__type(value, v);                                                                                      \
	} name SEC(".maps")

MAP(by_pid, HASH, u32, u64, 100);
MAP(by_who, HASH, struct who, struct tally, 100);
MAP(per_cpu, PERCPU_HASH, u32, u64, 100);
MAP(per_cpu_tally, PERCPU_ARRAY, u32, struct tally, 1);
MAP(histograms, HASH, u32, struct histogram, 100);
MAP(slotted, HASH, struct slotted, u64, 100);
MAP(counts, ARRAY, u32, u64, 32);
MAP(unused, HASH, u32, u64, 100);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, u64);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4);
	__type(key, struct network);
	__type(value, u64);
} networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, typeof(by_pid));
} outer SEC(".maps") = { .values = { [2] = &by_pid } };

static struct tally *tally_of(void *map, const void *key)
{
	struct tally zero = {};

	bpf_map_update_elem(map, key, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

static void count(void *map, const void *key)
{
	u64 one = 1, *known = bpf_map_lookup_elem(map, key);

	if (known)
		*known += one;
	else
		bpf_map_update_elem(map, key, &one, BPF_ANY);
}

static void add(struct tally *tally)
{
	if (!tally)
		return;
	tally->calls++;
	if (calls & 1)
		tally->parity.odd++;
	else
		tally->parity.even++;
	tally->verbosity = LOUD;
	tally->seen = true;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	static const struct histogram nothing;
	struct who who = {};
	struct slotted slotted_key = {};
	struct histogram *histogram;
	struct network network = { 24, { 192, 0, 2 } };
	u32 slot, zero = 0;

	who.pid = bpf_get_current_pid_tgid() >> 32;
	if (target_pid && who.pid != target_pid)
		return 0;
	bpf_get_current_comm(who.comm, sizeof(who.comm));
	/* 0, 1, 2, 3, 0, … */
	slot = calls & 3;
	calls++;
	bpf_map_update_elem(&networks, &network, &calls, BPF_ANY);
	latency[slot]++;
	by_parity[slot & 1].slots[slot]++;
	count(&by_pid, &who.pid);
	count(&per_cpu, &who.pid);
	count(&counts, &slot);
	add(tally_of(&by_who, &who));
	add(bpf_map_lookup_elem(&per_cpu_tally, &zero));
	slotted_key.pid = who.pid;
	slotted_key.slot = slot;
	count(&slotted, &slotted_key);
	histogram = bpf_map_lookup_elem(&histograms, &who.pid);
	if (!histogram) {
		bpf_map_update_elem(&histograms, &who.pid, &nothing, BPF_NOEXIST);
		histogram = bpf_map_lookup_elem(&histograms, &who.pid);
	}
	if (histogram) {
		histogram->slots[slot & 3]++;
		bpf_get_current_comm(histogram->comm, sizeof(histogram->comm));
	}
	return 0;
}

SEC("?tracepoint/syscalls/sys_enter_getppid")
int say(void *ctx)
{
	pid_t pid = bpf_get_current_pid_tgid() >> 32;

	if (talking && pid == target_pid)
		bpf_printk("%s %u", prefix, settings.limit);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
