/* An arena whose pages only programs make. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#define __arena __attribute__((address_space(1)))

void __arena *bpf_arena_alloc_pages(void *map, void __arena *addr, __u32 page_cnt, int node_id, __u64 flags) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_SEGV_ON_FAULT);
	__uint(max_entries, 4);
} arena SEC(".maps");

struct point {
	int x;
	int y;
};

struct point unused;
__u64 where;

SEC("syscall")
int make(void *ctx)
{
	struct point __arena *page = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);

	if (!page)
		return 1;
	page->x = 3;
	page->y = 4;
	where = (__u64)page;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
