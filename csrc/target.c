/*
 * Files that probes go into: their copy (target_copy.c) is checked before libbpf reads it.
 *
 * A program that is traced may be anybody's, and so is its ELF file. libbpf 1.7 divides by the entry size of a symbol
 * table (elf.c, elf_sym_iter_new()), follows the chain of versions wherever it leads, for ever if that is a circle
 * (elf_get_vername()), and reads the arguments of a USDT probe up to a NUL that need not be there (usdt.c,
 * parse_usdt_note()). It also does for each symbol what it does for each version, and compares patterns with names of any
 * length.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "target.h"

#define MAX_TABLE (64u << 20)
/* libbpf makes some 300 bytes of each note of the probe that it looks for. */
#define MAX_NOTES (1u << 16)
/* Their numbers have 15 bits. */
#define MAX_VERSIONS (1u << 15)
/* What is looked for in a list for each of a list: some seconds. No library of Debian's needs more than 2^22. */
#define MAX_WORK ((uint64_t)1 << 28)
/* How many times over the bytes of symbols and strings may be names: tables may have the same strings. */
#define MAX_COPIES 16

#define NOTES ".note.stapsdt"
#define NOTE_NAME "stapsdt"
#define NOTE_TYPE 3
#define ADDRESSES (3 * sizeof(long))

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
static int check_versions(struct elf_file *file, uint64_t index, const struct elf_section *table, uint64_t symbols)
{
	unsigned char *content;
	uint64_t at = 0, count = 0;
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
		if (++count > MAX_VERSIONS || count * symbols > MAX_WORK) {
			error = lbc_elf_bad(file, "it has %llu versions or more, and %llu symbols to link",
					    (unsigned long long)count, (unsigned long long)symbols);
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

int lbc_target_has_usdt(const struct elf_file *file, const struct elf_section *section)
{
	char name[sizeof(NOTES)];

	if (section->name > file->names.size || file->names.size - section->name < sizeof(name))
		return 0;
	return !lbc_elf_read(file, name, sizeof(name), file->names.offset + section->name) &&
	       !memcmp(name, NOTES, sizeof(name));
}

static size_t symbol_size(const struct elf_file *file)
{
	return file->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

/* A pattern is compared with each name to its end. `names` is how many bytes of them are left to all tables. */
static int check_names(struct elf_file *file, uint64_t index, const struct elf_section *table, uint64_t *names)
{
	struct elf_section strings = lbc_elf_section(file, table->link);
	uint64_t count = table->size / table->entry, i;

	for (i = 0; i < count; i++) {
		/* The first member, in both classes. */
		const unsigned char *symbol = file->memory + table->offset + i * table->entry;
		uint64_t length;
		uint32_t name;

		memcpy(&name, symbol, sizeof(name));
		if (name >= strings.size)
			continue;
		length = strlen((const char *)file->memory + strings.offset + name);
		if (length > *names)
			return lbc_elf_bad_section(file, index, "the names have more bytes than symbols and strings have, "
						   "%d times over", MAX_COPIES);
		*names -= length;
	}
	return 0;
}

static int check_symbols(struct elf_file *file, uint64_t index, const struct elf_section *table, uint64_t *names)
{
	int error = lbc_elf_check_table(file, index, symbol_size(file));

	if (!error)
		error = lbc_elf_check_strings(file, index, table->link);
	return error ? error : check_names(file, index, table, names);
}

static int check_section(struct elf_file *file, uint64_t index, uint64_t symbols, uint64_t *names)
{
	struct elf_section section = lbc_elf_section(file, index);

	switch (section.type) {
	case SHT_SYMTAB:
	case SHT_DYNSYM:
		return check_symbols(file, index, &section, names);
	case SHT_GNU_versym:
		return lbc_elf_check_table(file, index, sizeof(Elf64_Half));
	case SHT_GNU_verdef:
		return check_versions(file, index, &section, symbols);
	case SHT_NOTE:
		return lbc_target_has_usdt(file, &section) ? check_notes(file, &section) : 0;
	default:
		return 0;
	}
}

/* The file of both classes that follows is the copy: all of it is in memory, and no one else's. */
static int check_file(struct elf_file *file)
{
	uint64_t i, symbols = 0, names = 0;
	int error = lbc_elf_open(file);

	if (error)
		return error;
	if (file->swapped)
		return lbc_elf_bad(file, "it is for a machine of the other byte order");
	for (i = 1; i < file->count; i++) {
		struct elf_section section = lbc_elf_section(file, i);

		if (section.type == SHT_DYNSYM)
			symbols += section.size / symbol_size(file);
		if (section.type == SHT_DYNSYM || section.type == SHT_SYMTAB || section.type == SHT_STRTAB)
			names += MAX_COPIES * section.size;
	}
	for (i = 1; i < file->count && !error; i++)
		error = check_section(file, i, symbols, &names);
	return error;
}

/*
 * libbpf takes a function that the file only imports for one at its very beginning, and a probe of many places breaks the
 * header of the file in memory there, in silence. So in the copy such symbols are of no type.
 */
static void forget_imported(struct elf_file *file, const struct elf_section *table)
{
	uint64_t count = table->size / table->entry, i;

	for (i = 0; i < count; i++) {
		unsigned char *symbol = (unsigned char *)file->memory + table->offset + i * table->entry;
		unsigned char *info = symbol + (file->is64 ? offsetof(Elf64_Sym, st_info) : offsetof(Elf32_Sym, st_info));
		uint16_t section;

		memcpy(&section, symbol + (file->is64 ? offsetof(Elf64_Sym, st_shndx) : offsetof(Elf32_Sym, st_shndx)),
		       sizeof(section));
		if (section == SHN_UNDEF)
			*info = ELF64_ST_INFO(ELF64_ST_BIND(*info), STT_NOTYPE);
	}
}

static int forget_all_imported(struct elf_file *file)
{
	uint64_t i;
	int error = lbc_elf_open(file);

	for (i = 1; !error && i < file->count; i++) {
		struct elf_section section = lbc_elf_section(file, i);

		if (section.type != SHT_SYMTAB && section.type != SHT_DYNSYM)
			continue;
		error = lbc_elf_check_table(file, i, symbol_size(file));
		if (!error)
			forget_imported(file, &section);
	}
	return error;
}

int lbc_target_check(int fd, const struct elf_file *original)
{
	struct elf_file file = { .fd = -1, .size = original->size, .why = original->why, .why_size = original->why_size };
	struct elf_file changed;
	void *memory;
	int error;

	memory = mmap(NULL, file.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	file.memory = memory;
	changed = file;
	/* First what is changed: a table of symbols may lie where anything else does, and all is checked as libbpf sees it. */
	error = forget_all_imported(&file);
	lbc_elf_close(&file);
	if (!error) {
		error = check_file(&changed);
		lbc_elf_close(&changed);
	}
	munmap(memory, file.size);
	return error;
}
