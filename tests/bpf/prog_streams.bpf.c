/* A program that prints to its own streams, and whose section libbpf does not know. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

/* Linux 6.18 calls it so, with a last argument that is the verifier's; later ones have another name, and hide that. */
extern int bpf_stream_vprintk_impl(int stream_id, const char *fmt__str, const void *args, __u32 len__sz,
				   void *aux__prog) __ksym __weak;
extern int bpf_stream_vprintk___visible(int stream_id, const char *fmt__str, const void *args, __u32 len__sz)
	__ksym __weak;

SEC("syscall")
int print(void *ctx)
{
	static const char format[] = "number %d\n";
	__u64 numbers[1] = { 7 };

	if (bpf_ksym_exists(bpf_stream_vprintk_impl))
		return bpf_stream_vprintk_impl(1, format, numbers, sizeof(numbers), 0);
	return bpf_stream_vprintk___visible(1, format, numbers, sizeof(numbers));
}

char LICENSE[] SEC("license") = "GPL";
