/* Kernel settings that are strings of many pages: a .kconfig section that a smaller map could not hold. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

extern char CONFIG_FIRST[5000] __kconfig __weak;
extern char CONFIG_SECOND[50000] __kconfig __weak;
extern char CONFIG_THIRD[500000] __kconfig __weak;

SEC("raw_tp/sys_enter")
int compare(void *ctx)
{
	return CONFIG_FIRST[0] == CONFIG_SECOND[0] && CONFIG_SECOND[0] == CONFIG_THIRD[0];
}

char LICENSE[] SEC("license") = "GPL";
