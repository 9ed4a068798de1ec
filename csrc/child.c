/*
 * Do in a child process what a malformed file may crash.
 *
 * The child does nothing else, and what becomes of it, its parent survives. It is forked here, and not started by Python:
 * it needs no interpreter, takes a millisecond, and no thread of the parent's is missed in it, because the C library
 * leaves its own locks free, and no other is taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "child.h"

/* Of addresses more than of memory: what is mapped need not be touched. */
#define ADDRESSES_A_BYTE 8

static int report_fd;

/* One entry of the report: its kind, the text, a NUL. */
__attribute__((format(printf, 2, 0)))
static void report_entry(char kind, const char *format, va_list args)
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

void lbc_child_tell(char kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report_entry(kind, format, args);
	va_end(args);
}

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level <= LIBBPF_INFO)
		report_entry((char)('0' + level), format, args);
	return 0;
}

/* A link or a map of the parent's must not live on because a child has its descriptor. */
static void close_others(int a, int b)
{
#ifdef SYS_close_range
	int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 0)
		syscall(SYS_close_range, 0, low - 1, 0);
	if (low >= 0 && high > low + 1)
		syscall(SYS_close_range, low + 1, high - 1, 0);
	if (low < 0 && high > 0)
		syscall(SYS_close_range, 0, high - 1, 0);
	syscall(SYS_close_range, high + 1, ~0U, 0);
#else
	(void)a, (void)b;
#endif
}

static void limit(int resource, rlim_t value)
{
	struct rlimit old, new = { value, value };

	/* At the hard limit of time comes SIGKILL, which does not say why. */
	if (resource == RLIMIT_CPU)
		new.rlim_max = value + 1;
	/* What is less already stays so, the soft limit too. */
	if (getrlimit(resource, &old) == 0) {
		new.rlim_max = new.rlim_max < old.rlim_max ? new.rlim_max : old.rlim_max;
		new.rlim_cur = new.rlim_cur < old.rlim_cur ? new.rlim_cur : old.rlim_cur;
		/* `ulimit -t` sets both. */
		if (resource == RLIMIT_CPU && new.rlim_cur == new.rlim_max && new.rlim_cur > 1)
			new.rlim_cur--;
	}
	setrlimit(resource, &new);
}

/* Limit the memory to some more than there is: what a child inherits counts as its own. */
static void limit_memory(size_t more)
{
	unsigned long long pages, data, size = (unsigned long long)sysconf(_SC_PAGESIZE);
	char text[256];
	ssize_t got;
	int fd;

	fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return;
	text[got] = '\0';
	if (sscanf(text, "%llu %*u %*u %*u %*u %llu", &pages, &data) != 2)
		return;
	limit(RLIMIT_AS, pages * size + (rlim_t)more * ADDRESSES_A_BYTE);
	limit(RLIMIT_DATA, data * size + more);
}

static void be_child(int (*work)(void *argument), void *argument, int output, const struct child_limits *limits,
		     pid_t parent)
{
	sigset_t none;
	int number;

	/* Python's handlers would wake up its main thread, which is not here. */
	for (number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	close_others(output, report_fd);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, limits->seconds);
	limit(RLIMIT_FSIZE, limits->output);
	if (limits->memory)
		limit_memory(limits->memory);
	/* For what waits and takes no time of a CPU. */
	alarm(10 * limits->seconds);
	libbpf_set_print(print);
	lbc_child_tell('r', "%d", work(argument));
	_exit(0);
}

int lbc_child_start(int (*work)(void *argument), void *argument, int output, int report,
		    const struct child_limits *limits)
{
	sigset_t all, old;
	pid_t parent = getpid();
	int pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (!pid) {
		report_fd = report;
		be_child(work, argument, output, limits, parent);
	}
	pid = pid < 0 ? -errno : pid;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}
