/* Two programs of many steps, about which the verifier's log has several megabytes: one it refuses at the end, one not. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

static __always_inline unsigned long walk(void)
{
	volatile unsigned long sum = 0;
	int i;

	for (i = 0; i < 6000; i++)
		sum += bpf_get_prandom_u32();
	return sum;
}

SEC("raw_tp/sys_enter")
int bad_end(void *ctx)
{
	return *(volatile int *)walk();
}

SEC("?raw_tp/sys_enter")
int good_end(void *ctx)
{
	return walk() & 1;
}

char LICENSE[] SEC("license") = "GPL";
