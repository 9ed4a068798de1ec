/*
 * Perf events, which libbpf attaches programs to and does not open.
 *
 * One call makes the descriptor and what holds it, so that no Ctrl-C comes between. A link closes the descriptor that
 * it was made of, and one that could not be made leaves it: it is given a duplicate, here, for the same reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

struct lbc_perf_event *lbc_perf_event__open(const void *attr, int pid, int cpu, int group_fd, unsigned long flags)
{
	struct lbc_perf_event *event = malloc(sizeof(*event));

	if (!event) {
		errno = ENOMEM;
		return NULL;
	}
	event->fd = (int)syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, flags | PERF_FLAG_FD_CLOEXEC);
	if (event->fd < 0) {
		int error = errno;

		free(event);
		errno = error;
		return NULL;
	}
	return event;
}

void lbc_perf_event__close(struct lbc_perf_event *event)
{
	close(event->fd);
	free(event);
}

struct bpf_link *lbc_program__attach_perf_event(const struct bpf_program *prog, int pfd,
						const struct bpf_perf_event_opts *opts)
{
	int fd = fcntl(pfd, F_DUPFD_CLOEXEC, 3);
	struct bpf_link *link;

	if (fd < 0)
		return NULL;
	link = bpf_program__attach_perf_event_opts(prog, fd, opts);
	if (!link) {
		int error = errno;

		close(fd);
		errno = error;
	}
	return link;
}
