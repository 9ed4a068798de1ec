/*
 * libbpf's USDT support, with a way to the links that one USDT link is made of.
 *
 * A USDT link has no descriptor of its own: its field says 0, which is somebody's stdin. The links that it is made of
 * are in a struct of usdt.c, so that file is compiled through this one.
 */
#include "usdt.c"

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
