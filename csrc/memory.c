/*
 * Copies of memory that may be gone.
 *
 * A page of an arena that its program has freed, or that the kernel has no memory for, is no page any more: whoever
 * touches it gets SIGSEGV. The kernel, asked to copy it, answers EFAULT.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

/* Copy between a buffer and memory that may be gone: out of the memory, or with `write` into it. Return 0 or an errno. */
int lbc_memory_copy(void *buffer, const void *memory, size_t size, int write)
{
	size_t copied = 0;

	while (copied < size) {
		struct iovec local = { (char *)buffer + copied, size - copied };
		struct iovec remote = { (char *)memory + copied, size - copied };
		ssize_t done = write ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0)
				     : process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

		if (done < 0)
			return -errno;
		if (!done)
			return -EFAULT;
		/* What is not there in the middle ends the copy early. */
		copied += done;
	}
	return 0;
}
