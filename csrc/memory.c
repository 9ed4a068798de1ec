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

int lbc_memory_read(void *target, const void *source, size_t size)
{
	struct iovec local = { target, size }, remote = { (void *)source, size };
	ssize_t done = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	if (done < 0)
		return -errno;
	return (size_t)done == size ? 0 : -EFAULT;
}

int lbc_memory_write(void *target, const void *source, size_t size)
{
	struct iovec local = { (void *)source, size }, remote = { target, size };
	ssize_t done = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);

	if (done < 0)
		return -errno;
	return (size_t)done == size ? 0 : -EFAULT;
}
