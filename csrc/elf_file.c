/*
 * The header and the sections of an ELF file, as the System V ABI has them (elf(5)).
 *
 * libelf, which libbpf reads files with, checks some of it, and libbpf relies on more than that. Both the objects that
 * are opened or linked (elf_check.c) and the targets of probes (target.c) are checked first, and begin here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbpf.h"
#include "elf_file.h"

#define MAX_SECTIONS (1u << 20)
#define HOST_DATA (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

int lbc_elf_bad(struct elf_file *file, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(file->why, file->why_size, format, args);
	va_end(args);
	return -LIBBPF_ERRNO__FORMAT;
}

/* Write the name of a section between quotes, after a blank; nothing if it has none that can be told. */
static void quote_name(const struct elf_file *file, uint64_t index, char *quoted, size_t size)
{
	struct elf_section section = lbc_elf_section(file, index);
	char name[48];
	uint64_t left;
	size_t i;

	quoted[0] = '\0';
	if (section.name >= file->names.size)
		return;
	left = file->names.size - section.name;
	left = left < sizeof(name) - 1 ? left : sizeof(name) - 1;
	if (lbc_elf_read(file, name, left, file->names.offset + section.name))
		return;
	name[left] = '\0';
	for (i = 0; name[i]; i++)
		name[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
	snprintf(quoted, size, " '%s'", name);
}

int lbc_elf_bad_section(struct elf_file *file, uint64_t index, const char *format, ...)
{
	char quoted[64], what[192];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	quote_name(file, index, quoted, sizeof(quoted));
	return lbc_elf_bad(file, "section %llu%s: %s", (unsigned long long)index, quoted, what);
}

int lbc_elf_inside(const struct elf_file *file, uint64_t offset, uint64_t size)
{
	return offset <= file->size && size <= file->size - offset;
}

/* Read all of it, or fail: -EIO is a file that has shrunk. */
int lbc_elf_read(const struct elf_file *file, void *buffer, uint64_t size, uint64_t offset)
{
	uint64_t done = 0;

	if (file->memory) {
		if (!lbc_elf_inside(file, offset, size))
			return -EIO;
		memcpy(buffer, file->memory + offset, size);
		return 0;
	}
	while (done < size) {
		ssize_t got = pread(file->fd, (char *)buffer + done, size - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		done += (uint64_t)got;
	}
	return 0;
}

struct elf_section lbc_elf_section(const struct elf_file *file, uint64_t index)
{
	struct elf_section found;

#define FIELDS(header) \
	found = (struct elf_section){ \
		.name = lbc_elf_32(file, (header).sh_name), \
		.type = lbc_elf_32(file, (header).sh_type), \
		.flags = WORD((header).sh_flags), \
		.offset = WORD((header).sh_offset), \
		.size = WORD((header).sh_size), \
		.link = lbc_elf_32(file, (header).sh_link), \
		.info = lbc_elf_32(file, (header).sh_info), \
		.align = WORD((header).sh_addralign), \
		.entry = WORD((header).sh_entsize), \
	}
	if (file->is64) {
		Elf64_Shdr header;

		memcpy(&header, file->headers + index * sizeof(header), sizeof(header));
#define WORD(value) lbc_elf_64(file, value)
		FIELDS(header);
#undef WORD
	} else {
		Elf32_Shdr header;

		memcpy(&header, file->headers + index * sizeof(header), sizeof(header));
#define WORD(value) lbc_elf_32(file, value)
		FIELDS(header);
#undef WORD
	}
#undef FIELDS
	return found;
}

int lbc_elf_check_strings(struct elf_file *file, uint64_t from, uint64_t index)
{
	struct elf_section strings;
	char last;
	int error;

	if (index == SHN_UNDEF || index >= file->count)
		return from ? lbc_elf_bad_section(file, from, "sh_link is %llu, and there are %llu sections",
						  (unsigned long long)index, (unsigned long long)file->count)
			    : lbc_elf_bad(file, "the header: e_shstrndx is %llu, and there are %llu sections",
					  (unsigned long long)index, (unsigned long long)file->count);
	strings = lbc_elf_section(file, index);
	if (strings.type != SHT_STRTAB || strings.flags & SHF_COMPRESSED)
		return lbc_elf_bad_section(file, index, "sh_type is %u, sh_flags is %#llx, and section %llu takes it for "
					   "a table of strings", strings.type, (unsigned long long)strings.flags,
					   (unsigned long long)from);
	if (!lbc_elf_inside(file, strings.offset, strings.size))
		return lbc_elf_bad_section(file, index, "sh_offset is %llu, sh_size is %llu, and the file has %llu bytes",
					   (unsigned long long)strings.offset, (unsigned long long)strings.size,
					   (unsigned long long)file->size);
	if (!strings.size)
		return 0;
	error = lbc_elf_read(file, &last, 1, strings.offset + strings.size - 1);
	if (error)
		return error;
	return last ? lbc_elf_bad_section(file, index, "the last string does not end") : 0;
}

int lbc_elf_check_table(struct elf_file *file, uint64_t index, uint64_t entry)
{
	struct elf_section table = lbc_elf_section(file, index);

	if (table.entry != entry)
		return lbc_elf_bad_section(file, index, "sh_entsize is %llu, not %llu", (unsigned long long)table.entry,
					   (unsigned long long)entry);
	if (table.size % entry)
		return lbc_elf_bad_section(file, index, "sh_size is %llu, no multiple of %llu",
					   (unsigned long long)table.size, (unsigned long long)entry);
	if (table.flags & SHF_COMPRESSED)
		return lbc_elf_bad_section(file, index, "sh_flags is %#llx: it is compressed",
					   (unsigned long long)table.flags);
	return 0;
}

static int open_sections(struct elf_file *file, uint64_t offset, uint64_t count, uint32_t names)
{
	uint64_t header = file->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr), i;
	struct elf_section section;
	int error;

	if (!lbc_elf_inside(file, offset, header))
		return lbc_elf_bad(file, "the header: e_shoff is %llu, and the file has %llu bytes",
				   (unsigned long long)offset, (unsigned long long)file->size);
	/* Too many for 16 bits: the first one has the numbers. */
	file->headers = malloc(header);
	if (!file->headers)
		return -ENOMEM;
	error = lbc_elf_read(file, file->headers, header, offset);
	if (error)
		return error;
	section = lbc_elf_section(file, 0);
	count = count ? count : section.size;
	names = names == SHN_XINDEX ? section.link : names;
	if (!count || count > MAX_SECTIONS || !lbc_elf_inside(file, offset, count * header))
		return lbc_elf_bad(file, "the header: e_shnum is %llu, e_shoff is %llu, and the file has %llu bytes",
				   (unsigned long long)count, (unsigned long long)offset,
				   (unsigned long long)file->size);
	free(file->headers);
	file->headers = malloc(count * header);
	if (!file->headers)
		return -ENOMEM;
	error = lbc_elf_read(file, file->headers, count * header, offset);
	if (error)
		return error;
	file->count = count;
	if (names != SHN_UNDEF) {
		error = lbc_elf_check_strings(file, 0, names);
		if (error)
			return error;
		file->names = lbc_elf_section(file, names);
	}
	for (i = 1; i < count; i++) {
		section = lbc_elf_section(file, i);
		if (section.type != SHT_NULL && section.type != SHT_NOBITS &&
		    !lbc_elf_inside(file, section.offset, section.size))
			return lbc_elf_bad_section(file, i, "sh_offset is %llu, sh_size is %llu, and the file has %llu "
						   "bytes", (unsigned long long)section.offset,
						   (unsigned long long)section.size, (unsigned long long)file->size);
	}
	return 0;
}

int lbc_elf_open(struct elf_file *file)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr elf64;
		Elf32_Ehdr elf32;
	} header;
	uint64_t sections;
	uint32_t entry;

	memset(&header, 0, sizeof(header));
	if (file->size >= sizeof(Elf32_Ehdr)) {
		int error = lbc_elf_read(file, &header, file->size < sizeof(header) ? file->size : sizeof(header), 0);

		if (error)
			return error;
	}
	if (memcmp(header.ident, ELFMAG, SELFMAG))
		return lbc_elf_bad(file, "it is no ELF file");
	if (header.ident[EI_CLASS] != ELFCLASS64 && header.ident[EI_CLASS] != ELFCLASS32)
		return lbc_elf_bad(file, "the header: EI_CLASS is %u, which is no class", header.ident[EI_CLASS]);
	if (header.ident[EI_DATA] != ELFDATA2LSB && header.ident[EI_DATA] != ELFDATA2MSB)
		return lbc_elf_bad(file, "the header: EI_DATA is %u, which is no byte order", header.ident[EI_DATA]);
	file->is64 = header.ident[EI_CLASS] == ELFCLASS64;
	file->swapped = header.ident[EI_DATA] != HOST_DATA;
	if (file->is64 && file->size < sizeof(Elf64_Ehdr))
		return lbc_elf_bad(file, "it has %llu bytes, less than a header", (unsigned long long)file->size);
#define HALF(name) lbc_elf_16(file, file->is64 ? header.elf64.name : header.elf32.name)
#define WORD(name) (file->is64 ? lbc_elf_64(file, header.elf64.name) : lbc_elf_32(file, header.elf32.name))
	file->type = HALF(e_type);
	file->machine = HALF(e_machine);
	file->segments = WORD(e_phoff);
	file->segment_count = HALF(e_phnum);
	file->segment_size = HALF(e_phentsize);
	sections = WORD(e_shoff);
	file->table = sections;
	entry = HALF(e_shentsize);
	if (!sections)
		return HALF(e_shnum) ? lbc_elf_bad(file, "the header: e_shnum is %u, and e_shoff is 0", HALF(e_shnum)) : 0;
	if (entry != (file->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)))
		return lbc_elf_bad(file, "the header: e_shentsize is %u", entry);
	return open_sections(file, sections, HALF(e_shnum), HALF(e_shstrndx));
#undef HALF
#undef WORD
}

void lbc_elf_close(struct elf_file *file)
{
	free(file->headers);
	file->headers = NULL;
}
