/*
 * libbpf's reading of the files that probes go into, from the copy that was checked (target.c).
 *
 * The kernel is told the path of the file itself, and remembers and shows it; libbpf opens the same path to look for
 * functions and notes, and what it reads then may be another's since it was checked. So that its elf_open() opens the copy
 * for as long as a call takes, elf.c is compiled through this file. Its glob_match() tries again for each star behind each
 * star, which for a name of some thousand bytes, and names come from anywhere, takes hours: this one goes back to the last
 * star only.
 */
#include <errno.h>
#include <fcntl.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "libbpf_internal.h"
#include "cdef/lbc.h"

/* The largest errno of the kernel (MAX_ERRNO of linux/err.h), and of libbpf. */
#define LAST_ERRNO 4095

static __thread int copy_fd = -1;

static int open_copy(const char *path, int flags)
{
	return copy_fd < 0 ? open(path, flags) : fcntl(copy_fd, F_DUPFD_CLOEXEC, 3);
}

static bool fits(const char *name, const char *pattern)
{
	const char *star = NULL, *from = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			from = name;
			if (!*pattern)
				return true;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star;
			name = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

#define open(path, flags) open_copy(path, flags)
#define glob_match(name, pattern) fits(name, pattern)
#include "elf.c"
#undef open
#undef glob_match

long lbc_target_symbol(int copy, const char *path, const char *name)
{
	long offset;

	copy_fd = copy;
	offset = elf_find_func_offset_from_file(path, name);
	copy_fd = -1;
	/* A place beyond 2^63, as a malformed file may have it, is no errno. */
	return offset < -LAST_ERRNO ? -LIBBPF_ERRNO__FORMAT : offset;
}

struct bpf_link *lbc_attach_uprobe_multi(const struct bpf_program *prog, int copy, int pid, const char *path,
					 const char *pattern, const struct bpf_uprobe_multi_opts *opts)
{
	struct bpf_link *link;

	copy_fd = copy;
	link = bpf_program__attach_uprobe_multi(prog, pid, path, pattern, opts);
	copy_fd = -1;
	return link;
}

struct bpf_link *lbc_attach_usdt(const struct bpf_program *prog, int copy, int pid, const char *path,
				 const char *provider, const char *name, const struct bpf_usdt_opts *opts)
{
	struct bpf_link *link;

	copy_fd = copy;
	link = bpf_program__attach_usdt(prog, pid, path, provider, name, opts);
	copy_fd = -1;
	return link;
}
