/*
 * Can a compiled BPF object be handed to libbpf?
 *
 * libbpf opens, relocates and links objects that a compiler has made, and takes much of them for granted: that a
 * relocation lies in its section, that the second half of a load of 64 bits is there, that names end, that sections are
 * not all the same megabyte. Everything that it relies on is checked here, before it sees a byte, against the System V
 * ABI (elf(5)), the psABI of BPF (Documentation/bpf/llvm_reloc.rst) and Documentation/bpf/btf.rst. What libbpf refuses
 * by itself, and in good order, is left to it, and so is what it does not read (DWARF).
 *
 *   check_object       the header (elf_file.c), and that it is an object for BPF
 *   check_section      each by itself: its name, its size, its table
 *   check_symbols      names, sections, bounds; functions and what they end with
 *   check_relocations  which symbol, and where
 *   elf_check_btf.c    .BTF (btf_check.c), and the sections that it tells of
 *   elf_check_calls.c  what is appended to each program, and how deep functions call each other
 *   elf_check_ext.c    .BTF.ext: what it has for each function, and the types that relocations begin with
 *
 * Sums are of 64 bits. Nothing here recurses, and each loop is over what is in the file: what libbpf does for each of
 * them for each of others has a limit.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "elf_check.h"

#ifndef EM_BPF
#define EM_BPF 247
#endif

/* The opcode of a load of 64 bits, which takes two instructions. */
#define LOAD_64 0x18
#define INSN ((uint64_t)8)

/* libbpf looks at all of them for each program: a program has at most 256 in the kernel. */
#define MAX_FUNCTIONS 16384

/* What the linker looks for in a list for each of a list: some seconds an input; all have the child's limit of time. */
#define MAX_LINKED (4 * MAX_WORK)

/* Each of the kernel's symbols is compared with all of them, and all of its types with each: some seconds. */
#define MAX_EXTERNS 4096

/* The linker fills what alignment leaves empty. */
#define MAX_ALIGN ((uint64_t)1 << 20)

/* Sections of which libbpf takes the last, where others take the first, or forgets the memory of all but one. */
static const char *const ONCE[] = { ".BTF", ".BTF.ext", ".jumptables" };

static int starts_with(const char *text, const char *begin)
{
	return !strncmp(text, begin, strlen(begin));
}

/*
 * What neither libbpf's loader nor its linker reads: DWARF, and what a linker of machine code would relocate in it and
 * in the types. Symbols are read whatever they are called.
 */
int lbc_elf_is_ignored(const struct elf_section *section, const char *name)
{
	if (section->type == SHT_SYMTAB)
		return 0;
	if (!strcmp(name, ".rel.BTF") || !strcmp(name, ".rel.BTF.ext"))
		return 1;
	if (starts_with(name, ".rel"))
		name += strlen(".rel");
	return starts_with(name, ".debug_");
}

/* ---------------------------------------------------------------------------------------------------------------- */
/* Sections */

/* Which become maps; what else does, the types tell of. */
static int is_data(const char *name)
{
	return starts_with(name, ".data") || starts_with(name, ".rodata") || starts_with(name, ".bss");
}

static int check_section(struct object *object, uint64_t index)
{
	struct elf_file *file = &object->file;
	struct elf_section section = lbc_elf_section(file, index);
	const char *name;
	int error;

	if (section.name >= file->names.size)
		return lbc_elf_bad_section(file, index, "sh_name is %u, and the names have %llu bytes", section.name,
					   (unsigned long long)file->names.size);
	name = name_of(object, &section);
	if (section.type == SHT_NULL || lbc_elf_is_ignored(&section, name))
		return 0;
	if (section.size > MAX_SIZE)
		return lbc_elf_bad_section(file, index, "sh_size is %llu, more than %llu",
					   (unsigned long long)section.size, (unsigned long long)MAX_SIZE);
	if (section.flags & SHF_COMPRESSED)
		return lbc_elf_bad_section(file, index, "sh_flags is %#llx: it is compressed",
					   (unsigned long long)section.flags);
	if (section.type == SHT_NOBITS && (!strcmp(name, "license") || !strcmp(name, "version")))
		return lbc_elf_bad_section(file, index, "sh_type is %u: it has no content", section.type);
	if (object->linking && (section.align > MAX_ALIGN || section.align & (section.align - 1)))
		return lbc_elf_bad_section(file, index, "sh_addralign is %llu", (unsigned long long)section.align);
	switch (section.type) {
	case SHT_SYMTAB:
		error = lbc_elf_check_table(file, index, sizeof(Elf64_Sym));
		if (!error)
			error = lbc_elf_check_strings(file, index, section.link);
		return error;
	case SHT_REL:
		error = lbc_elf_check_table(file, index, sizeof(Elf64_Rel));
		if (!error && section.link >= file->count)
			error = lbc_elf_bad_section(file, index, "sh_link is %u, and there are %llu sections",
						    section.link, (unsigned long long)file->count);
		if (!error && section.info >= file->count)
			error = lbc_elf_bad_section(file, index, "sh_info is %u, and there are %llu sections",
						    section.info, (unsigned long long)file->count);
		return error;
	case SHT_PROGBITS:
		object->executable += has_code(&section);
		object->data += is_data(name);
		return 0;
	case SHT_NOBITS:
		object->data += is_data(name);
		return 0;
	default:
		return 0;
	}
}

static int check_sections(struct object *object)
{
	struct elf_file *file = &object->file;
	int seen[sizeof(ONCE) / sizeof(*ONCE)] = { 0 };
	uint64_t i, total = 0;
	size_t k;
	int error = 0;

	if (file->count > 1 && !file->names.size)
		return lbc_elf_bad(file, "the header: e_shstrndx: the sections have no names");
	for (i = 1; i < file->count && !error; i++) {
		struct elf_section section = lbc_elf_section(file, i);

		error = check_section(object, i);
		if (error)
			return error;
		/* Of those that become maps each is a copy. */
		object->section_names += strlen(name_of(object, &section));
		if (object->section_names > MAX_COPIES * file->size)
			return lbc_elf_bad_section(file, i, "the names of sections have more than %llu bytes",
						   (unsigned long long)(MAX_COPIES * file->size));
		/* No byte is in two sections, says the ABI; each becomes a copy of it. */
		if (section.type != SHT_NOBITS && section.type != SHT_NULL)
			total += section.size;
		if (total > file->size)
			return lbc_elf_bad_section(file, i, "sh_offset is %llu, sh_size is %llu: sections overlap",
						   (unsigned long long)section.offset, (unsigned long long)section.size);
		for (k = 0; k < sizeof(ONCE) / sizeof(*ONCE); k++)
			if (!strcmp(name_of(object, &section), ONCE[k]) && seen[k]++)
				return lbc_elf_bad_section(file, i, "there are two of that name");
	}
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------------- */
/* Symbols */

__attribute__((format(printf, 4, 5)))
static int bad_symbol(struct object *object, uint64_t table, uint64_t index, const char *format, ...)
{
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return lbc_elf_bad_section(&object->file, table, "symbol %llu: %s", (unsigned long long)index, what);
}

/* Tell whether libbpf looks for a symbol that the object has not (sym_is_extern()); its linker does for each. */
static int is_extern(const struct object *object, const Elf64_Sym *symbol)
{
	return object->linking || (ELF64_ST_TYPE(symbol->st_info) == STT_NOTYPE &&
				   (ELF64_ST_BIND(symbol->st_info) == STB_GLOBAL ||
				    ELF64_ST_BIND(symbol->st_info) == STB_WEAK));
}

/* A function is copied as often as it has symbols, and what its last instruction says is done to the one behind it. */
static int check_function(struct object *object, uint64_t table, uint64_t index, const Elf64_Sym *symbol,
			  const struct elf_section *home)
{
	const unsigned char *last;

	if (symbol->st_size < INSN || symbol->st_size % INSN || symbol->st_value % INSN)
		return 0;
	last = content(object, home) + symbol->st_value + symbol->st_size - INSN;
	if (*last == LOAD_64)
		return bad_symbol(object, table, index, "st_value is %llu, st_size is %llu: the function ends in half an "
				  "instruction", (unsigned long long)symbol->st_value,
				  (unsigned long long)symbol->st_size);
	return 0;
}

static int too_many_names(struct object *object, uint64_t index)
{
	return lbc_elf_bad_section(&object->file, index, "the names have more than %llu bytes",
				   (unsigned long long)(MAX_COPIES * object->file.size));
}

static int check_symbols(struct object *object, uint64_t index)
{
	struct elf_file *file = &object->file;
	struct elf_section table = lbc_elf_section(file, index), strings = lbc_elf_section(file, table.link), home;
	uint64_t count = table.size / sizeof(Elf64_Sym), code = 0, functions = 0, i;
	int error;

	for (i = 1; i < count; i++) {
		Elf64_Sym symbol = symbol_at(object, &table, i);

		if (symbol.st_name >= strings.size && symbol.st_name)
			return bad_symbol(object, index, i, "st_name is %u, and the strings have %llu bytes",
					  symbol.st_name, (unsigned long long)strings.size);
		if (strings.size)
			object->names += strlen((const char *)content(object, &strings) + symbol.st_name);
		if (object->names > MAX_COPIES * file->size)
			return too_many_names(object, index);
		object->globals += ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
		if (symbol.st_shndx == SHN_UNDEF) {
			object->externs += is_extern(object, &symbol);
			continue;
		}
		if (symbol.st_shndx >= SHN_LORESERVE) {
			if (ELF64_ST_TYPE(symbol.st_info) == STT_SECTION)
				return bad_symbol(object, index, i, "st_shndx is %#x, and it stands for a section",
						  symbol.st_shndx);
			continue;
		}
		if (symbol.st_shndx >= file->count)
			return bad_symbol(object, index, i, "st_shndx is %u, and there are %llu sections",
					  symbol.st_shndx, (unsigned long long)file->count);
		home = lbc_elf_section(file, symbol.st_shndx);
		if (symbol.st_value > home.size || symbol.st_size > home.size - symbol.st_value)
			return bad_symbol(object, index, i, "st_value is %llu, st_size is %llu, and section %u has %llu "
					  "bytes", (unsigned long long)symbol.st_value,
					  (unsigned long long)symbol.st_size, symbol.st_shndx,
					  (unsigned long long)home.size);
		if (!has_code(&home) || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		error = check_function(object, index, i, &symbol, &home);
		if (error)
			return error;
		code += symbol.st_size;
		functions += !strcmp(name_of(object, &home), ".text");
		/* A program has a copy of it. */
		object->names += strlen(name_of(object, &home));
	}
	if (object->names > MAX_COPIES * file->size)
		return too_many_names(object, index);
	if (code > MAX_COPIES * file->size)
		return lbc_elf_bad_section(file, index, "the functions have %llu bytes, those of the file %llu times over",
					   (unsigned long long)code, (unsigned long long)(code / file->size));
	if (functions > MAX_FUNCTIONS)
		return lbc_elf_bad_section(file, index, "there are %llu functions in .text, more than %d",
					   (unsigned long long)functions, MAX_FUNCTIONS);
	if (count * object->executable > MAX_WORK)
		return lbc_elf_bad_section(file, index, "there are %llu symbols, and %llu sections with programs",
					   (unsigned long long)count, (unsigned long long)object->executable);
	object->symbol_count += count;
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------------- */
/* Relocations */

static int check_relocations(struct object *object, uint64_t index)
{
	struct elf_file *file = &object->file;
	struct elf_section table = lbc_elf_section(file, index), target;
	uint64_t count = table.size / sizeof(Elf64_Rel), width, symbol, i;
	Elf64_Rel relocation;

	if (lbc_elf_is_ignored(&table, name_of(object, &table)) || !count)
		return 0;
	target = lbc_elf_section(file, table.info);
	if (target.type == SHT_NOBITS || target.type == SHT_NULL)
		return lbc_elf_bad_section(file, index, "sh_info is %u, a section without content", table.info);
	object->relocations += count;
	/* The smallest place that there is for a relocation, and an instruction. */
	width = has_code(&target) ? INSN : sizeof(uint32_t);
	for (i = 0; i < count; i++) {
		memcpy(&relocation, content(object, &table) + i * sizeof(relocation), sizeof(relocation));
		relocation.r_offset = lbc_elf_64(file, relocation.r_offset);
		symbol = ELF64_R_SYM(lbc_elf_64(file, relocation.r_info));
		if (relocation.r_offset > target.size || target.size - relocation.r_offset < width)
			return lbc_elf_bad_section(file, index, "relocation %llu: r_offset is %llu, and section %u has "
						   "%llu bytes", (unsigned long long)i,
						   (unsigned long long)relocation.r_offset, table.info,
						   (unsigned long long)target.size);
		if (symbol >= object->symbol_count)
			return lbc_elf_bad_section(file, index, "relocation %llu: r_info is of symbol %llu, and there are "
						   "%llu", (unsigned long long)i, (unsigned long long)symbol,
						   (unsigned long long)object->symbol_count);
	}
	return 0;
}

/* All of it */

static int check_content(struct object *object, uint64_t index)
{
	struct elf_section section = lbc_elf_section(&object->file, index);
	const char *name = name_of(object, &section);
	char why[160];

	if (section.type == SHT_REL)
		return check_relocations(object, index);
	if (section.type == SHT_PROGBITS && !strcmp(name, ".BTF"))
		return lbc_elf_check_btf(object, index);
	if (section.type == SHT_PROGBITS && !strcmp(name, ".BTF.ext") &&
	    lbc_btf_ext_check(content(object, &section), (__u32)section.size, why, sizeof(why)))
		return lbc_elf_bad_section(&object->file, index, "%s", why);
	return 0;
}

/* The linker looks for each section among those that it has, and for each symbol among them and the types. */
static int check_linked(struct object *object)
{
	struct elf_file *file = &object->file;

	if (file->count * (file->count + object->section_names / NAME_BYTES) > MAX_LINKED)
		return lbc_elf_bad(file, "there are %llu sections, whose names have %llu bytes",
				   (unsigned long long)file->count, (unsigned long long)object->section_names);
	if (object->globals * (object->globals + object->types +
			       (object->names + object->type_names) / NAME_BYTES) > MAX_LINKED)
		return lbc_elf_bad(file, "there are %llu symbols that are not of it alone, and %llu types",
				   (unsigned long long)object->globals, (unsigned long long)object->types);
	return 0;
}

static int check_object(struct object *object)
{
	struct elf_file *file = &object->file;
	uint64_t i;
	int error = lbc_elf_open(file);

	if (error)
		return error;
	if (!file->is64)
		return lbc_elf_bad(file, "the header: EI_CLASS is %d: it is no 64-bit ELF file", ELFCLASS32);
	if (file->type != ET_REL || (file->machine != EM_BPF && file->machine != EM_NONE))
		return lbc_elf_bad(file, "the header: e_type is %u, e_machine is %u: it is no BPF object", file->type,
				   file->machine);
	error = check_sections(object);
	for (i = 1; i < file->count && !error; i++) {
		if (lbc_elf_section(file, i).type == SHT_SYMTAB)
			error = check_symbols(object, i);
	}
	for (i = 1; i < file->count && !error; i++)
		error = check_content(object, i);
	if (error)
		return error;
	object->maps += object->data;
	if (object->relocations * (object->maps + object->externs) > MAX_WORK)
		return lbc_elf_bad(file, "there are %llu relocations, %llu maps and %llu symbols elsewhere",
				   (unsigned long long)object->relocations, (unsigned long long)object->maps,
				   (unsigned long long)object->externs);
	/* A linker does not put programs together, nor looks at the kernel. */
	if (object->linking)
		return check_linked(object);
	if (object->externs > MAX_EXTERNS)
		return lbc_elf_bad(file, "there are %llu symbols elsewhere, more than %d",
				   (unsigned long long)object->externs, MAX_EXTERNS);
	return lbc_elf_check_calls(object);
}

int lbc_elf_check(const void *data, size_t size, int linking, char *why, size_t why_size)
{
	struct object object = {
		.file = { .memory = data, .fd = -1, .size = size, .why = why, .why_size = why_size },
		.linking = linking,
	};
	int error;

	if (!data || !why || !why_size)
		return -EINVAL;
	why[0] = '\0';
	/* Which libbpf sees at the first glance, and says so. */
	if (size < SELFMAG || memcmp(data, ELFMAG, SELFMAG))
		return 0;
	error = check_object(&object);
	lbc_elf_close(&object.file);
	return error;
}
