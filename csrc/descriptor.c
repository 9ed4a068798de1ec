/* A descriptor that is closed when what holds it is gone, wherever a Ctrl-C comes: C alone does that, which none interrupts. */
#include <errno.h>
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
