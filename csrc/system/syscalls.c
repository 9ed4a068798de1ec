/* Stands in for csrc/syscalls.c when the system's libbpf is linked: nobody can stand between that and the kernel. */
#include <errno.h>
#include <stddef.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

int lbc_syscalls_record(int on, size_t limit)
{
	(void)on;
	(void)limit;
	return -EOPNOTSUPP;
}

struct lbc_syscall *lbc_syscalls_take(unsigned int *dropped)
{
	*dropped = 0;
	return NULL;
}

void lbc_syscalls_free(struct lbc_syscall *call)
{
	(void)call;
}

int lbc_syscalls_fail(int command, int count, int error)
{
	(void)command;
	(void)count;
	(void)error;
	return -EOPNOTSUPP;
}

int lbc_syscalls_failed(void)
{
	return 0;
}
