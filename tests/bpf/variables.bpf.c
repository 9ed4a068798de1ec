/* A global variable of every kind; a run of `work` changes those that can change. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

enum mode { OFF, ON, AUTO = 7 };

struct limits {
	__u32 low;
	__u64 high[3];
};

union either {
	__u64 whole;
	__u8 bytes[8];
};

struct config {
	struct limits limits;
	enum mode mode;
	union either either;
	char name[16];
	unsigned int first : 3;
	int second : 5;
	unsigned long long third : 33;
	struct {
		__s16 inner;
	} list[2];
};

int answer = 42;
__s8 small = -5;
bool flag = true;
enum mode mode = AUTO;
char comm[16] = "before";
struct config settings = { .limits = { 1, { 2, 3, 4 } }, .name = "first", .first = 5, .second = -3 };
__u32 grid[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };

__u64 hits;
__u32 slots[4];

const volatile __u32 target_pid = 7;
const volatile struct limits bounds = { 10, { 20, 30, 40 } };
const volatile __u32 own_constant SEC(".rodata.own") = 8;

int own SEC(".data.own") = 9;

static volatile int of_file = 11;

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig __weak;
extern int CONFIG_HZ __kconfig __weak;
extern const char CONFIG_DEFAULT_HOSTNAME[32] __kconfig __weak;

SEC("raw_tp")
int work(void *ctx)
{
	static volatile int counter = 100;

	{
		static volatile int counter = 1000;

		counter++;
	}
	counter++;
	of_file++;
	hits += target_pid;
	answer += own_constant + bounds.high[1];
	own++;
	slots[hits & 3]++;
	settings.limits.high[2]++;
	flag = !flag;
	if (CONFIG_BPF_SYSCALL && CONFIG_HZ && CONFIG_DEFAULT_HOSTNAME[0])
		small = LINUX_KERNEL_VERSION >> 16;
	grid[1][2] += mode + comm[0];
	return 0;
}

SEC("raw_tp")
int work_too(void *ctx)
{
	static volatile unsigned int counter = 200;

	counter += 2;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
