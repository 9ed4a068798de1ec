/* Static variables alone: libbpf does not map the memory of such sections. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

static volatile int one = 1;
static volatile __u8 bytes[3] = { 1, 2, 3 };
static volatile struct {
	unsigned int low : 4;
	unsigned int high : 4;
} halves = { 1, 2 };
static volatile const int step = 4;
static volatile long zero;

SEC("raw_tp")
int work(void *ctx)
{
	one += step;
	bytes[one & 1]++;
	zero--;
	halves.low++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
