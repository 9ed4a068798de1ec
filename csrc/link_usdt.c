/*
 * libbpf's USDT support, with a way to the links that one USDT link is made of.
 *
 * A USDT link has no descriptor of its own: its field says 0, which is somebody's stdin. The links that it is made of
 * are in a struct of usdt.c, so that file is compiled through this one. The same header leads to what finds a function
 * in an ELF file: the kernel remembers the path that it is given, and shows it to everybody, so that it must be the
 * file's own, while libbpf reads the file that is open.
 */
#include "usdt.c"

/* The largest errno of the kernel (MAX_ERRNO of linux/err.h), and of libbpf. */
#define LAST_ERRNO 4095

int lbc_link_usdt_parts(const struct bpf_link *link, struct bpf_link **parts, int capacity)
{
	const struct bpf_link_usdt *usdt = container_of(link, struct bpf_link_usdt, link);
	int count = 0;
	size_t i;

	if (link->detach != bpf_link_usdt_detach)
		return -1;
	if (usdt->multi_link) {
		if (count < capacity)
			parts[count] = usdt->multi_link;
		count++;
	}
	for (i = 0; i < usdt->uprobe_cnt; i++) {
		if (count < capacity)
			parts[count] = usdt->uprobes[i].link;
		count++;
	}
	return count;
}

long lbc_target_symbol(const char *path, const char *name)
{
	long offset = elf_find_func_offset_from_file(path, name);

	/* A place beyond 2^63, as a malformed file may have it, is no errno. */
	return offset < -LAST_ERRNO ? -LIBBPF_ERRNO__FORMAT : offset;
}
