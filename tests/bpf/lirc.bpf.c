/* What an infrared receiver sees: pulses, and how long they were. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

/* LIRC_MODE2_MASK, LIRC_MODE2_PULSE and LIRC_VALUE_MASK of linux/lirc.h, which are no types */
#define KIND 0xff000000
#define PULSE 0x01000000
#define VALUE 0x00ffffff

__u64 pulses;
__u64 microseconds;

SEC("lirc_mode2")
int infrared(__u32 *sample)
{
	if ((*sample & KIND) == PULSE) {
		pulses++;
		microseconds += *sample & VALUE;
	}
	return 0;
}

SEC("lirc_mode2")
int second(__u32 *sample)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
