/* What benchmarks/perf_buffer.py compares with: libbpf's own reader, with a callback that counts. */
#include <stdint.h>
#include <stdlib.h>

#include "bpf.h"
#include "libbpf.h"

#define EXPORT __attribute__((visibility("default")))

static uint32_t taken;

static void take(void *ctx, int cpu, void *data, __u32 size)
{
	(void)ctx;
	(void)cpu;
	(void)data;
	(void)size;
	taken++;
}

EXPORT struct perf_buffer *perf_open(int map_fd, size_t page_cnt, uint32_t wakeup_events)
{
	LIBBPF_OPTS(perf_buffer_opts, opts, .sample_period = wakeup_events);

	return perf_buffer__new(map_fd, page_cnt, take, NULL, NULL, &opts);
}

EXPORT int perf_consume(struct perf_buffer *buffer)
{
	int err;

	taken = 0;
	err = perf_buffer__consume(buffer);
	return err ? err : (int)taken;
}

/* Run a program on a CPU; what it returns, or a negative errno. */
EXPORT int64_t perf_run(int prog_fd, int cpu, void *arguments, uint32_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = arguments, .ctx_size_in = size,
		    .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);
	int err = bpf_prog_test_run_opts(prog_fd, &opts);

	return err ? err : (int64_t)opts.retval;
}
