/* A user ring buffer, and a program that takes what is in it when it is run. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct command {
	__u32 verb;
	__u32 pid;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, struct command);
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} plain SEC(".maps");

int taken;
__u64 sum;
struct command last;

static long take_command(struct bpf_dynptr *sample, void *ctx)
{
	bpf_dynptr_read(&last, sizeof(last), sample, 0, 0);
	taken++;
	sum += last.verb;
	return 0;
}

SEC("syscall")
int drain(void *ctx)
{
	return bpf_user_ringbuf_drain(&commands, take_command, NULL, 0);
}

static long take_number(struct bpf_dynptr *sample, void *ctx)
{
	__u64 number = 0;

	bpf_dynptr_read(&number, sizeof(number), sample, 0, 0);
	taken++;
	sum += number;
	return 0;
}

SEC("syscall")
int drain_plain(void *ctx)
{
	return bpf_user_ringbuf_drain(&plain, take_number, NULL, 0);
}

SEC("syscall")
int drain_silently(void *ctx)
{
	return bpf_user_ringbuf_drain(&plain, take_number, NULL, BPF_RB_NO_WAKEUP);
}

char LICENSE[] SEC("license") = "GPL";
