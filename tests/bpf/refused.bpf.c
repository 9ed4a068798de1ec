/* One program that the verifier accepts, one that it refuses, one that it never comes to. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int accepted(void *ctx)
{
	return 0;
}

SEC("raw_tp/sys_enter")
int wild_read(void *ctx)
{
	return *(volatile int *)(unsigned long)bpf_get_prandom_u32();
}

SEC("raw_tp/sys_enter")
int never_reached(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
