/*
 * Files that probes go into: opened as another process sees their path, and checked before libbpf reads them.
 *
 * A program that is traced may be anybody's, and so is its ELF file. libbpf 1.7 divides by the entry size of a symbol
 * table (elf.c, elf_sym_iter_new()), follows the chain of versions wherever it leads, for ever if that is a circle
 * (elf_get_vername()), and reads the arguments of a USDT probe up to a NUL that need not be there (usdt.c,
 * parse_usdt_note()). What it reads is checked here by pread(), so that a file that shrinks meanwhile is an error.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

#ifndef SYS_openat2
/* The number is the same everywhere; older headers of a C library have no name for it. */
#define SYS_openat2 437
#endif

#define MAX_SECTIONS (1u << 20)
#define MAX_TABLE (64u << 20)
/* libbpf makes some 300 bytes of each note of the probe that it looks for. */
#define MAX_NOTES (1u << 16)

#define NOTES ".note.stapsdt"
#define NOTE_NAME "stapsdt"
#define NOTE_TYPE 3
#define ADDRESSES (3 * sizeof(long))

/* Open a file below a folder that is taken for the root, as its process does; -1: our own root. */
int lbc_target_open(int root_fd, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
	int fd;

	if (root_fd < 0) {
		fd = open(path, (int)how.flags);
		return fd < 0 ? -errno : fd;
	}
	/* The links of that root are followed inside it, which openat() would not do. */
	how.resolve = RESOLVE_IN_ROOT;
	fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* A section, of either class. */
struct section {
	uint32_t name;
	uint32_t type;
	uint64_t flags;
	uint64_t offset;
	uint64_t size;
	uint32_t link;
	uint64_t align;
	uint64_t entry;
};

struct file {
	int fd;
	int is64;
	uint64_t size;
	unsigned char *headers;
	uint64_t count;
	struct section names;
	char *why;
	size_t why_size;
};

__attribute__((format(printf, 2, 3))) static int malformed(struct file *file, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(file->why, file->why_size, format, arguments);
	va_end(arguments);
	return -LIBBPF_ERRNO__FORMAT;
}

static int inside(const struct file *file, uint64_t offset, uint64_t size)
{
	return offset <= file->size && size <= file->size - offset;
}

/* Read all of it, or fail: -EIO is a file that has shrunk. */
static int read_at(const struct file *file, void *buffer, uint64_t size, uint64_t offset)
{
	uint64_t done = 0;

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

static struct section section_at(const struct file *file, uint64_t index)
{
	struct section found;

	if (file->is64) {
		Elf64_Shdr header;

		memcpy(&header, file->headers + index * sizeof(header), sizeof(header));
		found = (struct section){ header.sh_name, header.sh_type, header.sh_flags, header.sh_offset,
			header.sh_size, header.sh_link, header.sh_addralign, header.sh_entsize };
	} else {
		Elf32_Shdr header;

		memcpy(&header, file->headers + index * sizeof(header), sizeof(header));
		found = (struct section){ header.sh_name, header.sh_type, header.sh_flags, header.sh_offset,
			header.sh_size, header.sh_link, header.sh_addralign, header.sh_entsize };
	}
	return found;
}

/* A table of strings, whose last one ends. */
static int check_strings(struct file *file, uint32_t index)
{
	struct section strings;
	char last;
	int error;

	if (index == SHN_UNDEF || index >= file->count)
		return malformed(file, "a table has no section of strings: there is no section %u", index);
	strings = section_at(file, index);
	if (strings.type != SHT_STRTAB || strings.flags & SHF_COMPRESSED)
		return malformed(file, "section %u is no table of strings", index);
	if (!strings.size)
		return 0;
	error = read_at(file, &last, 1, strings.offset + strings.size - 1);
	if (error)
		return error;
	return last ? malformed(file, "the strings of section %u do not end", index) : 0;
}

/* Entries of the one size that there is: libbpf divides by it. */
static int check_table(struct file *file, uint64_t index, const struct section *table, uint64_t entry)
{
	if (table->entry != entry)
		return malformed(file, "the entries of section %llu have %llu bytes, not %llu", (unsigned long long)index,
				 (unsigned long long)table->entry, (unsigned long long)entry);
	if (table->flags & SHF_COMPRESSED)
		return malformed(file, "section %llu is compressed", (unsigned long long)index);
	return 0;
}

static int load(struct file *file, const struct section *table, unsigned char **content)
{
	int error;

	if (table->size > MAX_TABLE)
		return malformed(file, "a table has %llu bytes", (unsigned long long)table->size);
	*content = malloc(table->size ? table->size : 1);
	if (!*content)
		return -ENOMEM;
	error = read_at(file, *content, table->size, table->offset);
	if (error) {
		free(*content);
		*content = NULL;
	}
	return error;
}

/* The definitions of versions are a chain of distances; both classes have the same structs. */
static int check_versions(struct file *file, const struct section *table)
{
	unsigned char *content;
	uint64_t at = 0;
	int error;

	error = check_strings(file, table->link);
	if (!error)
		error = load(file, table, &content);
	if (error)
		return error;
	while (table->size) {
		Elf64_Verdef version;

		if (table->size - at < sizeof(version)) {
			error = malformed(file, "a version leaves its section");
			break;
		}
		memcpy(&version, content + at, sizeof(version));
		if (version.vd_aux > table->size - at || table->size - at - version.vd_aux < sizeof(Elf64_Verdaux)) {
			error = malformed(file, "the name of a version leaves its section");
			break;
		}
		if (!version.vd_next)
			break;
		if (version.vd_next < sizeof(version) || version.vd_next > table->size - at) {
			error = malformed(file, "the chain of versions leaves its section");
			break;
		}
		at += version.vd_next;
	}
	free(content);
	return error;
}

/* Three addresses and three strings, each of which ends. */
static int check_note(struct file *file, const unsigned char *data, uint64_t size)
{
	const unsigned char *end = data + size;
	int i;

	if (size < ADDRESSES)
		return malformed(file, "a USDT note has %llu bytes", (unsigned long long)size);
	data += ADDRESSES;
	for (i = 0; i < 3; i++) {
		data = memchr(data, '\0', (size_t)(end - data));
		if (!data)
			return malformed(file, "a string of a USDT note does not end");
		data++;
	}
	return 0;
}

static uint64_t align4(uint64_t number)
{
	return (number + 3) & ~(uint64_t)3;
}

static int check_notes(struct file *file, const struct section *table)
{
	unsigned char *content;
	unsigned int count = 0;
	uint64_t at = 0;
	int error;

	if (table->align > 4 || table->flags & SHF_COMPRESSED)
		return malformed(file, "the USDT notes are aligned to %llu bytes, or compressed",
				 (unsigned long long)table->align);
	error = load(file, table, &content);
	if (error)
		return error;
	while (!error && table->size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name, text, end;

		memcpy(&note, content + at, sizeof(note));
		name = at + sizeof(note);
		text = name + align4(note.n_namesz);
		end = text + align4(note.n_descsz);
		if (text > table->size || text + note.n_descsz > table->size)
			error = malformed(file, "a USDT note leaves its section");
		else if (++count > MAX_NOTES)
			error = malformed(file, "it has more than %u USDT notes", MAX_NOTES);
		else if (note.n_type == NOTE_TYPE && !strncmp((char *)content + name, NOTE_NAME, note.n_namesz))
			error = check_note(file, content + text, note.n_descsz);
		at = end < table->size ? end : table->size;
	}
	free(content);
	return error;
}

static int has_usdt_name(const struct file *file, const struct section *section)
{
	char name[sizeof(NOTES)];

	if (section->name > file->names.size || file->names.size - section->name < sizeof(name))
		return 0;
	return !read_at(file, name, sizeof(name), file->names.offset + section->name) &&
	       !memcmp(name, NOTES, sizeof(name));
}

static int check_section(struct file *file, uint64_t index)
{
	struct section section = section_at(file, index);
	int error;

	if (section.type == SHT_NULL || section.type == SHT_NOBITS)
		return 0;
	if (!inside(file, section.offset, section.size))
		return malformed(file, "section %llu leaves the file", (unsigned long long)index);
	switch (section.type) {
	case SHT_SYMTAB:
	case SHT_DYNSYM:
		error = check_table(file, index, &section, file->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
		return error ? error : check_strings(file, section.link);
	case SHT_GNU_versym:
		return check_table(file, index, &section, sizeof(Elf64_Half));
	case SHT_GNU_verdef:
		return check_versions(file, &section);
	case SHT_NOTE:
		return has_usdt_name(file, &section) ? check_notes(file, &section) : 0;
	default:
		return 0;
	}
}

static int check_sections(struct file *file, uint64_t offset, uint64_t count, uint32_t names)
{
	uint64_t header = file->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	struct section first;
	uint64_t i;
	int error;

	if (!inside(file, offset, header))
		return malformed(file, "its sections leave the file");
	/* Too many for 16 bits: the first one has the numbers. */
	file->headers = malloc(header);
	if (!file->headers)
		return -ENOMEM;
	error = read_at(file, file->headers, header, offset);
	if (error)
		return error;
	first = section_at(file, 0);
	count = count ? count : first.size;
	names = names == SHN_XINDEX ? first.link : names;
	if (!count || count > MAX_SECTIONS || !inside(file, offset, count * header))
		return malformed(file, "it claims to have %llu sections", (unsigned long long)count);
	free(file->headers);
	file->headers = malloc(count * header);
	if (!file->headers)
		return -ENOMEM;
	error = read_at(file, file->headers, count * header, offset);
	if (error)
		return error;
	file->count = count;
	if (names != SHN_UNDEF) {
		error = check_strings(file, names);
		if (error)
			return error;
		file->names = section_at(file, names);
		if (!inside(file, file->names.offset, file->names.size))
			return malformed(file, "the names of its sections leave the file");
	}
	for (i = 1; i < count && !error; i++)
		error = check_section(file, i);
	return error;
}

static int check_file(struct file *file)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr elf64;
		Elf32_Ehdr elf32;
	} header;
	uint64_t sections, segments;
	uint32_t count, names, entry, segment_count, segment;
	int error;

	if (file->size < sizeof(Elf32_Ehdr))
		return malformed(file, "it is no ELF file");
	memset(&header, 0, sizeof(header));
	error = read_at(file, &header, file->size < sizeof(header) ? file->size : sizeof(header), 0);
	if (error)
		return error;
	if (memcmp(header.ident, ELFMAG, SELFMAG))
		return malformed(file, "it is no ELF file");
	if (header.ident[EI_CLASS] != ELFCLASS64 && header.ident[EI_CLASS] != ELFCLASS32)
		return malformed(file, "it is of no known class of ELF files");
	if (header.ident[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB))
		return malformed(file, "it is for a machine of the other byte order");
	file->is64 = header.ident[EI_CLASS] == ELFCLASS64;
	if (file->is64 && file->size < sizeof(Elf64_Ehdr))
		return malformed(file, "it ends in its header");
#define FIELD(name) (file->is64 ? header.elf64.name : header.elf32.name)
	sections = FIELD(e_shoff);
	count = FIELD(e_shnum);
	names = FIELD(e_shstrndx);
	entry = FIELD(e_shentsize);
	segments = FIELD(e_phoff);
	segment_count = FIELD(e_phnum);
	segment = FIELD(e_phentsize);
#undef FIELD
	if (segment_count && (segment != (file->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
			      !inside(file, segments, (uint64_t)segment_count * segment)))
		return malformed(file, "its segments leave the file");
	if (!sections)
		return count ? malformed(file, "it says nowhere where its sections are") : 0;
	if (entry != (file->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)))
		return malformed(file, "the headers of its sections have %u bytes", entry);
	return check_sections(file, sections, count, names);
}

/* Tell whether libbpf can read the symbols and probes of an ELF file: 0, or a negative errno, with what is wrong. */
int lbc_target_check(int fd, char *why, size_t why_size)
{
	struct file file = { .fd = fd, .why = why, .why_size = why_size };
	struct stat status;
	int error;

	if (fstat(fd, &status))
		return -errno;
	file.size = (uint64_t)status.st_size;
	error = check_file(&file);
	free(file.headers);
	return error;
}
