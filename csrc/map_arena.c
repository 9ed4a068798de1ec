/*
 * The memory of arenas that belong to no object, which libbpf would map: at the address that an arena has for all its users,
 * if it has one already. It is read and written by memory.c, since a page of it may not be there.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

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
