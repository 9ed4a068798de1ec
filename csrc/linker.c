/*
 * Link objects in a child process.
 *
 * libbpf's linker takes sizes, offsets and indices of its inputs for granted: one changed field ends in a SIGSEGV, in
 * an abort() of malloc's or in a loop. The child does nothing but link; what becomes of it, its parent survives. It is
 * forked here, and not started by Python, so that it needs no interpreter, and takes a millisecond.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

/* Seconds of CPU time: the largest objects take a fraction of one. */
#define TIME_LIMIT 60

/* Bytes of output: malformed inputs can ask for any number of zeroes. */
#define SIZE_LIMIT ((rlim_t)1 << 30)

static int report_fd;

/* One entry of the report: its kind, the text, a NUL. */
__attribute__((format(printf, 2, 0)))
static void report(char kind, const char *format, va_list args)
{
	char text[1024];
	int size;

	text[0] = kind;
	size = vsnprintf(text + 1, sizeof(text) - 1, format, args);
	if (size < 0)
		return;
	size = size + 2 > (int)sizeof(text) ? (int)sizeof(text) : size + 2;
	text[size - 1] = 0;
	/* When it cannot be written, the parent finds no result, which is the worst that it can find. */
	if (write(report_fd, text, size) < 0)
		return;
}

__attribute__((format(printf, 2, 3)))
static void tell(char kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(kind, format, args);
	va_end(args);
}

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level <= LIBBPF_INFO)
		report((char)('0' + level), format, args);
	return 0;
}

/* A link or a map of the parent's must not live on because a child has its descriptor. */
static void close_others(int a, int b)
{
#ifdef SYS_close_range
	int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 0)
		syscall(SYS_close_range, 0, low - 1, 0);
	if (high > low + 1)
		syscall(SYS_close_range, low + 1, high - 1, 0);
	syscall(SYS_close_range, high + 1, ~0U, 0);
#else
	(void)a, (void)b;
#endif
}

static void limit(int resource, rlim_t value)
{
	struct rlimit old, new = { value, value };

	if (getrlimit(resource, &old) == 0 && old.rlim_max < value)
		new.rlim_cur = new.rlim_max = old.rlim_max;
	setrlimit(resource, &new);
}

static int link_all(const struct lbc_link_input *inputs, __u32 count, int output)
{
	struct bpf_linker *linker;
	int error = 0;
	__u32 i;

	tell('i', "%d", -1);
	linker = bpf_linker__new_fd(output, NULL);
	if (!linker)
		return -errno;
	for (i = 0; i < count && !error; i++) {
		tell('i', "%u", i);
		error = bpf_linker__add_buf(linker, (void *)inputs[i].data, inputs[i].size, NULL);
	}
	if (!error) {
		tell('i', "%d", -1);
		error = bpf_linker__finalize(linker);
	}
	bpf_linker__free(linker);
	return error;
}

static void be_child(const struct lbc_link_input *inputs, __u32 count, int output)
{
	sigset_t none;
	int number;

	/* Python's handlers would wake up its main thread, which is not here. */
	for (number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, TIME_LIMIT);
	limit(RLIMIT_FSIZE, SIZE_LIMIT);
	close_others(output, report_fd);
	libbpf_set_print(print);
	tell('r', "%d", link_all(inputs, count, output));
	_exit(0);
}

int lbc_link__start(const struct lbc_link_input *inputs, __u32 count, int output, int report)
{
	sigset_t all, old;
	int pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (!pid) {
		report_fd = report;
		be_child(inputs, count, output);
	}
	pid = pid < 0 ? -errno : pid;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}
