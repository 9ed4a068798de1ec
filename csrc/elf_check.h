/*
 * What the parts of the check of an object share: elf_check.c looks at sections, symbols and relocations,
 * elf_check_btf.c at the types, elf_check_calls.c at what is appended to each program, elf_check_ext.c at .BTF.ext.
 */
#ifndef LBC_ELF_CHECK_H
#define LBC_ELF_CHECK_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "elf_file.h"

/* The kernel's limit for the value of an array, which a section becomes: INT_MAX. */
#define MAX_SIZE ((uint64_t)INT32_MAX)

/* How many times over the bytes of a file may be copied: functions have aliases, and names common ends. */
#define MAX_COPIES 16

/*
 * What is looked for in a list for each of a list, in names of up to 16 bytes: a second. None of the kernel's own
 * objects needs more than 2^12.
 */
#define MAX_WORK ((uint64_t)1 << 28)

#define NAME_BYTES 16

struct object {
	struct elf_file file;
	int linking;
	uint64_t symbol_count;
	uint64_t externs;
	uint64_t executable;	/* sections with functions */
	uint64_t relocations;
	uint64_t maps;		/* at most */
	uint64_t data;		/* sections that become maps */
	uint64_t section_names;	/* bytes of names, as often as they are used */
	uint64_t names;		/* of symbols, and of the sections of functions */
	uint64_t types;
	uint64_t variables;	/* in sections of the types */
	uint64_t type_names;
	uint64_t listed_names;	/* of what the types say is in sections */
	uint64_t tables;	/* of functions, of which the kernel calls some (struct_ops) */
	uint64_t globals;	/* symbols that another object may have as well */
};

static inline const unsigned char *content(const struct object *object, const struct elf_section *section)
{
	return object->file.memory + section->offset;
}

static inline const char *name_of(const struct object *object, const struct elf_section *section)
{
	/* It is in there, and ends (check_section()). */
	return (const char *)object->file.memory + object->file.names.offset + section->name;
}

static inline int has_code(const struct elf_section *section)
{
	return section->type == SHT_PROGBITS && section->flags & SHF_EXECINSTR;
}

static inline Elf64_Sym symbol_at(const struct object *object, const struct elf_section *table, uint64_t index)
{
	const struct elf_file *file = &object->file;
	Elf64_Sym symbol;

	memcpy(&symbol, content(object, table) + index * sizeof(symbol), sizeof(symbol));
	symbol.st_name = lbc_elf_32(file, symbol.st_name);
	symbol.st_shndx = lbc_elf_16(file, symbol.st_shndx);
	symbol.st_value = lbc_elf_64(file, symbol.st_value);
	symbol.st_size = lbc_elf_64(file, symbol.st_size);
	return symbol;
}

/* Tell what neither libbpf's loader nor its linker reads: it is not checked. */
int lbc_elf_is_ignored(const struct elf_section *section, const char *name);

/* Check the section .BTF, symbols being checked: 0, or a negative errno. */
int lbc_elf_check_btf(struct object *object, uint64_t index);

/* Check what each program is made of when it is loaded, all sections being checked: 0, or a negative errno. */
int lbc_elf_check_calls(struct object *object);

#endif
