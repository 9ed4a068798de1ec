/* A program without an object: one call makes the descriptor and what holds it, so that no Ctrl-C comes between. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "program.h"

struct lbc_prog *lbc_prog_hold(int fd)
{
	struct lbc_prog *prog;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	prog = malloc(sizeof(*prog));
	if (!prog) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	prog->fd = fd;
	return prog;
}

struct lbc_prog *lbc_prog__from_id(__u32 id)
{
	return lbc_prog_hold(bpf_prog_get_fd_by_id(id));
}

struct lbc_prog *lbc_prog__from_pin(const char *path)
{
	return lbc_prog_hold(bpf_obj_get(path));
}

struct lbc_prog *lbc_prog__from_fd(int fd)
{
	/* 3: never one of the standard streams, as libbpf does. */
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return lbc_prog_hold(fd < 0 ? -errno : fd);
}

void lbc_prog__close(struct lbc_prog *prog)
{
	close(prog->fd);
	free(prog);
}
