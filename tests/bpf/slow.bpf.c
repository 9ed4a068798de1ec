/* Accepted, but only after the verifier has walked every turn of a loop: half a second of work for it. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int slow(void *ctx)
{
	volatile __u64 sum = 0;
	int i;

	for (i = 0; i < 110000; i++)
		sum += bpf_get_prandom_u32();
	return sum & 1;
}

char LICENSE[] SEC("license") = "GPL";
