/*
 * Arenas: memory that programs and this process share.
 *
 * A page of it may not be there, and never come: touching it would end the process by a signal. So the kernel is asked to
 * copy (process_vm_readv() on oneself), which answers EFAULT instead. An arena of an object is mapped by libbpf; any
 * other one is mapped here, at the address that the arena has for all its users, if it has one already.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

struct lbc_arena *lbc_arena__map(int fd, uint64_t address, size_t size)
{
	struct lbc_arena *arena = malloc(sizeof(*arena));
	int err;

	if (!arena) {
		errno = ENOMEM;
		return NULL;
	}
	arena->memory = mmap((void *)(uintptr_t)address, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	arena->size = size;
	if (arena->memory != MAP_FAILED)
		return arena;
	err = errno;
	free(arena);
	errno = err;
	return NULL;
}

void lbc_arena__unmap(struct lbc_arena *arena)
{
	munmap(arena->memory, arena->size);
	free(arena);
}

/* Copy between a buffer and memory that may not be there; return the bytes that were copied, or an errno. */
int64_t lbc_memory_copy(void *buffer, const void *memory, size_t size, int write)
{
	struct iovec local = { buffer, size }, remote = { (void *)memory, size };
	ssize_t done;

	done = write ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0)
		     : process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	return done < 0 ? -errno : done;
}
