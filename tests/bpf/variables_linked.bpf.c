/* One file of two that are linked; the other one is the same with another value of THIS. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#ifndef THIS
#define THIS 1
#define NAME(name) name##1
int shared = 5;
#else
#define NAME(name) name##2
extern int shared;
#endif

static volatile int same = THIS * 10;
static volatile long same_zero;

SEC("raw_tp")
int NAME(work)(void *ctx)
{
	static volatile int counter = THIS * 100;

	counter++;
	same++;
	same_zero += THIS;
	shared++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
