/*
 * What attaching to the network needs of the system, beside libbpf.
 *
 * Python has setns() only since 3.12. A program on a socket has no link: it is taken off by the socket's number, which
 * may be another file's by then. That has to be found out and done in one step of Python's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF 50
#endif
#ifndef SO_ATTACH_REUSEPORT_EBPF
#define SO_ATTACH_REUSEPORT_EBPF 52
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

int lbc_enter_netns(int fd)
{
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

static int cookie_of(int fd, __u64 *cookie)
{
	socklen_t size = sizeof(*cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size);
}

/* NULL, and errno, if the socket does not take the program. */
struct lbc_socket_program *lbc_socket_program__attach(struct lbc_socket_program *made, int fd, int prog_fd,
						      bool reuseport)
{
	int option = reuseport ? SO_ATTACH_REUSEPORT_EBPF : SO_ATTACH_BPF;

	made->fd = fd;
	made->detach = reuseport ? SO_DETACH_REUSEPORT_BPF : SO_DETACH_FILTER;
	if (cookie_of(fd, &made->cookie) || setsockopt(fd, SOL_SOCKET, option, &prog_fd, sizeof(prog_fd)))
		return NULL;
	return made;
}

/* Nothing is left to do if the socket was closed, whatever has its number now, or if nothing is on it. */
int lbc_socket_program__detach(struct lbc_socket_program *made)
{
	/* Another thread may close the socket, and open a file, between looking and detaching. */
	int fd = fcntl(made->fd, F_DUPFD_CLOEXEC, 3), zero = 0, error = 0;
	__u64 cookie;

	if (fd < 0)
		return errno == EBADF ? 0 : -errno;
	if (!cookie_of(fd, &cookie) && cookie == made->cookie &&
	    setsockopt(fd, SOL_SOCKET, made->detach, &zero, sizeof(zero)) && errno != ENOENT)
		error = -errno;
	close(fd);
	return error;
}
