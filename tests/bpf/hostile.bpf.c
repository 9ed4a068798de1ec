/* One of each thing that libbpf reads of an object, to be tampered with (tests/support/object_edit.py). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, int);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, int);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { &first, &second } };

extern int LINUX_KERNEL_VERSION __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[64] __kconfig __weak;
extern enum libbpf_tristate CONFIG_BPF __kconfig __weak;

int number = 7;
long zero;
const volatile int constant = 3;

static __attribute__((noinline)) int helped(int a)
{
	return a * constant + (int)zero;
}

SEC("raw_tp/sys_enter")
int program(void *ctx)
{
	int key = 0, *found = bpf_map_lookup_elem(&first, &key);

	number += LINUX_KERNEL_VERSION + CONFIG_DEFAULT_HOSTNAME[0] + CONFIG_BPF;
	return helped(found ? *found : number) + helped(number);
}

struct bpf_dummy_ops___own {
	int (*test_1)(void *state);
	long plain;
};

SEC("struct_ops/test_1")
int test_1(unsigned long long *ctx)
{
	return 1;
}

SEC(".struct_ops")
struct bpf_dummy_ops___own dummy = {
	.test_1 = (void *)test_1,
};

__u32 kernel_version SEC("version") = 1;
char LICENSE[] SEC("license") = "GPL";
