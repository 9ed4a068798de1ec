/*
 * Files that probes go into: opened as another process sees their path, and checked before libbpf reads them.
 *
 * A program that is traced may be anybody's, and so is its ELF file. libbpf 1.7 divides by the entry size of a symbol
 * table (elf.c, elf_sym_iter_new()), follows the chain of versions wherever it leads, for ever if that is a circle
 * (elf_get_vername()), and reads the arguments of a USDT probe up to a NUL that need not be there (usdt.c,
 * parse_usdt_note()). What it reads is checked here by pread(), so that a file that shrinks meanwhile is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "elf_file.h"

#ifndef SYS_openat2
/* The number is the same everywhere; older headers of a C library have no name for it. */
#define SYS_openat2 437
#endif

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

static int load(struct elf_file *file, const struct elf_section *table, unsigned char **content)
{
	int error;

	if (table->size > MAX_TABLE)
		return lbc_elf_bad(file, "a table has %llu bytes", (unsigned long long)table->size);
	*content = malloc(table->size ? table->size : 1);
	if (!*content)
		return -ENOMEM;
	error = lbc_elf_read(file, *content, table->size, table->offset);
	if (error) {
		free(*content);
		*content = NULL;
	}
	return error;
}

/* The definitions of versions are a chain of distances; both classes have the same structs. */
static int check_versions(struct elf_file *file, uint64_t index, const struct elf_section *table)
{
	unsigned char *content;
	uint64_t at = 0;
	int error;

	error = lbc_elf_check_strings(file, index, table->link);
	if (!error)
		error = load(file, table, &content);
	if (error)
		return error;
	while (table->size) {
		Elf64_Verdef version;

		if (table->size - at < sizeof(version)) {
			error = lbc_elf_bad(file, "a version leaves its section");
			break;
		}
		memcpy(&version, content + at, sizeof(version));
		if (version.vd_aux > table->size - at || table->size - at - version.vd_aux < sizeof(Elf64_Verdaux)) {
			error = lbc_elf_bad(file, "the name of a version leaves its section");
			break;
		}
		if (!version.vd_next)
			break;
		if (version.vd_next < sizeof(version) || version.vd_next > table->size - at) {
			error = lbc_elf_bad(file, "the chain of versions leaves its section");
			break;
		}
		at += version.vd_next;
	}
	free(content);
	return error;
}

/* Three addresses and three strings, each of which ends. */
static int check_note(struct elf_file *file, const unsigned char *data, uint64_t size)
{
	const unsigned char *end = data + size;
	int i;

	if (size < ADDRESSES)
		return lbc_elf_bad(file, "a USDT note has %llu bytes", (unsigned long long)size);
	data += ADDRESSES;
	for (i = 0; i < 3; i++) {
		data = memchr(data, '\0', (size_t)(end - data));
		if (!data)
			return lbc_elf_bad(file, "a string of a USDT note does not end");
		data++;
	}
	return 0;
}

static uint64_t align4(uint64_t number)
{
	return (number + 3) & ~(uint64_t)3;
}

static int check_notes(struct elf_file *file, const struct elf_section *table)
{
	unsigned char *content;
	unsigned int count = 0;
	uint64_t at = 0;
	int error;

	if (table->align > 4 || table->flags & SHF_COMPRESSED)
		return lbc_elf_bad(file, "the USDT notes are aligned to %llu bytes, or compressed",
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
			error = lbc_elf_bad(file, "a USDT note leaves its section");
		else if (++count > MAX_NOTES)
			error = lbc_elf_bad(file, "it has more than %u USDT notes", MAX_NOTES);
		else if (note.n_type == NOTE_TYPE && !strncmp((char *)content + name, NOTE_NAME, note.n_namesz))
			error = check_note(file, content + text, note.n_descsz);
		at = end < table->size ? end : table->size;
	}
	free(content);
	return error;
}

static int has_usdt_name(const struct elf_file *file, const struct elf_section *section)
{
	char name[sizeof(NOTES)];

	if (section->name > file->names.size || file->names.size - section->name < sizeof(name))
		return 0;
	return !lbc_elf_read(file, name, sizeof(name), file->names.offset + section->name) &&
	       !memcmp(name, NOTES, sizeof(name));
}

static int check_section(struct elf_file *file, uint64_t index)
{
	struct elf_section section = lbc_elf_section(file, index);
	int error;

	switch (section.type) {
	case SHT_SYMTAB:
	case SHT_DYNSYM:
		error = lbc_elf_check_table(file, index, file->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
		return error ? error : lbc_elf_check_strings(file, index, section.link);
	case SHT_GNU_versym:
		return lbc_elf_check_table(file, index, sizeof(Elf64_Half));
	case SHT_GNU_verdef:
		return check_versions(file, index, &section);
	case SHT_NOTE:
		return has_usdt_name(file, &section) ? check_notes(file, &section) : 0;
	default:
		return 0;
	}
}

static int check_file(struct elf_file *file)
{
	uint64_t i;
	int error = lbc_elf_open(file);

	if (error)
		return error;
	if (file->swapped)
		return lbc_elf_bad(file, "it is for a machine of the other byte order");
	if (file->segment_count && (file->segment_size != (file->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
				    !lbc_elf_inside(file, file->segments,
						    (uint64_t)file->segment_count * file->segment_size)))
		return lbc_elf_bad(file, "the header: e_phoff is %llu, e_phnum is %u, e_phentsize is %u, and the file "
				   "has %llu bytes", (unsigned long long)file->segments, file->segment_count,
				   file->segment_size, (unsigned long long)file->size);
	for (i = 1; i < file->count && !error; i++)
		error = check_section(file, i);
	return error;
}

/* Tell whether libbpf can read the symbols and probes of an ELF file: 0, or a negative errno, with what is wrong. */
int lbc_target_check(int fd, char *why, size_t why_size)
{
	struct elf_file file = { .fd = fd, .why = why, .why_size = why_size };
	struct stat status;
	int error;

	if (fstat(fd, &status))
		return -errno;
	file.size = (uint64_t)status.st_size;
	error = check_file(&file);
	lbc_elf_close(&file);
	return error;
}
