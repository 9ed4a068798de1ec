/*
 * The name of the kernel's function that an address is in, from /proc/kallsyms.
 *
 * That file has some 200,000 lines. In Python to go through them takes long enough that a program with a timer would be
 * interrupted each time before the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

/* Put the name into `name`, as much of it as fits; without one, and where addresses are hidden, the address. */
void lbc_trace_symbol(__u64 address, char *name, size_t size)
{
	unsigned long long start, best = 0;
	size_t room = 0;
	char *line = NULL, *end;
	FILE *file;

	snprintf(name, size, "0x%llx", (unsigned long long)address);
	file = fopen("/proc/kallsyms", "re");
	if (!file)
		return;
	while (getline(&line, &room, file) > 0) {
		start = strtoull(line, &end, 16);
		/* "ffffffff81000000 T name", and for a module a tab and its "[name]". */
		if (start <= best || start > address || strlen(end) < 4)
			continue;
		best = start;
		end[strcspn(end, "\n")] = '\0';
		snprintf(name, size, "%s", end + 3);
	}
	free(line);
	fclose(file);
}
