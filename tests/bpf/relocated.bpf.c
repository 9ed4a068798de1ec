/* What an object takes from where it is loaded: every kind of CO-RE relocation, kernel settings of every type. */
#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

enum lbc_kind { LBC_FIRST = 1, LBC_SECOND = 7 };

struct lbc_list {
	struct lbc_list *next;
	int length;
};

struct lbc_task {
	long state;
	struct lbc_task *parent;
	enum lbc_kind kind;
	unsigned int low : 3, high : 21;
	union {
		int number;
		char name[16];
	};
	struct lbc_list lists[4];
} __attribute__((preserve_access_index));

typedef int (*lbc_function)(struct lbc_task *task, int number);

extern bool CONFIG_LBC_BOOL __kconfig __weak;
extern enum libbpf_tristate CONFIG_LBC_TRISTATE __kconfig __weak;
extern char CONFIG_LBC_CHAR __kconfig __weak;
extern int CONFIG_LBC_INT __kconfig __weak;
extern unsigned long CONFIG_LBC_LONG __kconfig __weak;
extern char CONFIG_LBC_TEXT[24] __kconfig __weak;
extern int LINUX_KERNEL_VERSION __kconfig;

SEC("raw_tp/sys_enter")
int relocate(struct bpf_raw_tracepoint_args *ctx)
{
	struct lbc_task *task = (void *)ctx->args[0];
	long sum = 0;

	sum += BPF_CORE_READ(task, parent, lists[2].next, length);
	sum += BPF_CORE_READ_BITFIELD_PROBED(task, high);
	sum += bpf_core_field_exists(task->name[3]) + bpf_core_field_size(task->lists);
	sum += bpf_core_field_offset(struct lbc_task, number);
	sum += bpf_core_type_exists(struct lbc_list) + bpf_core_type_matches(struct lbc_task);
	sum += bpf_core_type_size(struct lbc_task) + bpf_core_type_exists(lbc_function);
	sum += bpf_core_type_id_local(struct lbc_list) + bpf_core_type_id_kernel(struct lbc_list);
	sum += bpf_core_enum_value_exists(enum lbc_kind, LBC_SECOND) + bpf_core_enum_value(enum lbc_kind, LBC_FIRST);
	sum += CONFIG_LBC_BOOL + CONFIG_LBC_TRISTATE + CONFIG_LBC_CHAR + CONFIG_LBC_INT + CONFIG_LBC_LONG;
	return sum + CONFIG_LBC_TEXT[3] + LINUX_KERNEL_VERSION;
}

char LICENSE[] SEC("license") = "GPL";
