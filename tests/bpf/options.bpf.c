/* Everything that an option of open changes: a kernel setting, a pin by name, a relocation, an attribute libbpf does not know. */
#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

extern int CONFIG_HZ __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[32] __kconfig __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} shared SEC(".maps");

__u64 hz;
__u64 task_size;

SEC("raw_tp/sys_enter")
int read_options(void *ctx)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&shared, &zero);

	hz = CONFIG_HZ + (CONFIG_DEFAULT_HOSTNAME[0] == 'x');
	task_size = bpf_core_type_size(struct task_struct);
	if (value)
		*value = task_size;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
