/* Memory shared with user space, with two pages of global variables in it. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 8);
} arena SEC(".maps");

char __attribute__((address_space(1))) pages[8192] SEC(".addr_space.1") = { 1 };

SEC("syscall")
int touch(void *ctx)
{
	void *map = &arena;

	__asm__ volatile("" : : "r"(map));
	pages[4096] = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
