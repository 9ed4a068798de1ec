/*
 * A descriptor that is closed when what holds it is gone, wherever a Ctrl-C comes: C alone does that, which none interrupts.
 * And whose table a descriptor is in, which no file of /proc tells.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

/* A negative one is the errno of what should have made it. */
void lbc_descriptor__close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

int lbc_descriptor_tables(int pid, int other)
{
	long order = syscall(SYS_kcmp, (long)pid, (long)other, (long)KCMP_FILES, 0L, 0L);

	return order < 0 ? -errno : (int)order;
}
