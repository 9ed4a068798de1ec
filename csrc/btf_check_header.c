/*
 * What is wrong with a BTF before libbpf reads the first type: the headers of .BTF and of .BTF.ext, and where they say
 * that the parts are.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

static __u32 swap(__u32 value, int swapped)
{
	return swapped ? __builtin_bswap32(value) : value;
}

/*
 * libbpf takes a header that is shorter than its own, and writes behind the end of it later; and sections that are not
 * one after the other, which is lost when it writes them anew. The kernel takes neither.
 */
int lbc_btf_check_header(const void *data, __u32 size, char *why, size_t why_size)
{
	struct btf_header header;
	__u32 length, types, strings;
	int swapped;

	if (!data || !why || !why_size)
		return -EINVAL;
	why[0] = '\0';
	if (size < sizeof(header)) {
		snprintf(why, why_size, "it has %u bytes, less than a header", size);
		return -EINVAL;
	}
	memcpy(&header, data, sizeof(header));
	swapped = header.magic == __builtin_bswap16(BTF_MAGIC);
	if (header.magic != BTF_MAGIC && !swapped) {
		snprintf(why, why_size, "it does not begin as BTF does");
		return -EINVAL;
	}
	length = swap(header.hdr_len, swapped);
	types = swap(header.type_len, swapped);
	strings = swap(header.str_len, swapped);
	if (length < sizeof(header) || length % 4)
		snprintf(why, why_size, "its header has %u bytes", length);
	else if (header.type_off || swap(header.str_off, swapped) != types)
		snprintf(why, why_size, "its types are at %u to %llu, its strings at %u", swap(header.type_off, swapped),
			 (unsigned long long)swap(header.type_off, swapped) + types, swap(header.str_off, swapped));
	else if ((__u64)length + types + strings > size)
		snprintf(why, why_size, "it has %u bytes of %llu", size, (unsigned long long)length + types + strings);
	return why[0] ? -EINVAL : 0;
}

/*
 * libbpf checks each part of a .BTF.ext by itself, and changes the byte order of one after the other: of records that are
 * in two parts it then takes the counts for what they were before.
 */
int lbc_btf_ext_check(const void *data, __u32 size, char *why, size_t why_size)
{
	/* The magic, the header's length; offset and length of functions, lines and relocations behind it. */
	__u32 words[8] = { 0 };
	__u64 begin[3], end[3];
	__u32 length;
	__u16 magic;
	int swapped, i, k;

	if (!data || !why || !why_size)
		return -EINVAL;
	why[0] = '\0';
	if (!size) {
		/* libbpf would copy it from a NULL. */
		snprintf(why, why_size, "it is empty");
		return -EINVAL;
	}
	/* What has no header, or leaves the section, libbpf refuses. */
	memcpy(words, data, size < sizeof(words) ? size : sizeof(words));
	memcpy(&magic, words, sizeof(magic));
	swapped = magic == __builtin_bswap16(BTF_MAGIC);
	length = swap(words[1], swapped);
	for (i = 0; i < 3; i++) {
		begin[i] = swap(words[2 + 2 * i], swapped);
		end[i] = begin[i] + swap(words[3 + 2 * i], swapped);
		/* The last one is not in the headers of old compilers. */
		if (length < 4 * (4 + 2 * (__u32)i))
			end[i] = begin[i];
		for (k = 0; k < i; k++) {
			if (begin[i] < end[k] && begin[k] < end[i]) {
				snprintf(why, why_size, "records lie at %llu to %llu, and others at %llu to %llu",
					 (unsigned long long)begin[k], (unsigned long long)end[k],
					 (unsigned long long)begin[i], (unsigned long long)end[i]);
				return -EINVAL;
			}
		}
	}
	return 0;
}
