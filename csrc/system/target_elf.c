/* Stands in for csrc/target_elf.c when the system's libbpf is linked, which opens the files itself. */
#include <errno.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

long lbc_target_symbol(int copy, const char *path, const char *name)
{
	(void)copy;
	(void)path;
	(void)name;
	return -EOPNOTSUPP;
}

struct bpf_link *lbc_attach_uprobe_multi(const struct bpf_program *prog, int copy, int pid, const char *path,
					 const char *pattern, const struct bpf_uprobe_multi_opts *opts)
{
	(void)copy;
	return bpf_program__attach_uprobe_multi(prog, pid, path, pattern, opts);
}

struct bpf_link *lbc_attach_usdt(const struct bpf_program *prog, int copy, int pid, const char *path,
				 const char *provider, const char *name, const struct bpf_usdt_opts *opts)
{
	(void)copy;
	return bpf_program__attach_usdt(prog, pid, path, provider, name, opts);
}
