/* Variables in an arena, whose page the program can give back. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#define __arena __attribute__((address_space(1)))

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16);
} arena SEC(".maps");

void bpf_arena_free_pages(void *map, void __arena *page, __u32 count) __ksym __weak;

struct pair {
	__u32 left;
	__u32 right;
};

__u64 __arena counter SEC(".addr_space.1") = 40;
struct pair __arena pair SEC(".addr_space.1") = { 1, 2 };
__u8 __arena pages[8192] SEC(".addr_space.1") = { 1 };
int ordinary = 3;

SEC("syscall")
int work(void *ctx)
{
	void *map = &arena;

	__asm__ volatile("" : : "r"(map));
	counter += 2;
	pair.right++;
	pages[4096] = 1;
	ordinary++;
	return 0;
}

SEC("syscall")
int give_back(void *ctx)
{
	bpf_arena_free_pages(&arena, (void __arena *)&counter, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
