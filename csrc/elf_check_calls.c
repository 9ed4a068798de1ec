/*
 * What libbpf appends to the programs of an object.
 *
 * Each program gets a copy of every function of .text that it calls, or takes the address of, and of those that these
 * call: instructions, relocations and the records of .BTF.ext. libbpf calls itself from function to function on the
 * way (bpf_object__reloc_code()). So here the same way is gone, with a stack of our own; a chain that the stack of a
 * thread does not hold is refused, and so are copies that fill the memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf_check_calls.h"

#define CALL 0x85
#define LOAD_64 0x18
#define PSEUDO_CALL 1
#define INSN ((uint64_t)8)

/*
 * How deep functions call each other; the kernel takes programs of 256 functions (BPF_MAX_SUBPROGS), and libbpf needs
 * some hundred bytes of stack for each.
 */
#define MAX_CALLS 512

/* Bytes that are appended to all programs: a thousand programs that share a megabyte. */
#define MAX_APPENDED ((uint64_t)1 << 30)

/* Records of .BTF.ext that are looked at for all functions that are appended: some seconds. */
#define MAX_LOOKED_AT ((uint64_t)1 << 33)

static int by_place(const void *a, const void *b)
{
	const struct place *one = a, *other = b;

	if (one->section != other->section)
		return one->section < other->section ? -1 : 1;
	if (one->insn != other->insn)
		return one->insn < other->insn ? -1 : 1;
	return one->to < other->to ? -1 : one->to > other->to;
}

static int by_start(const void *a, const void *b)
{
	const struct function *one = a, *other = b;

	if (one->section != other->section)
		return one->section < other->section ? -1 : 1;
	if (one->start != other->start)
		return one->start < other->start ? -1 : 1;
	return one->size > other->size ? -1 : one->size < other->size;
}

struct function *lbc_elf_function(const struct calls *calls, uint32_t section, uint64_t insn)
{
	uint64_t low = 0, high = calls->count, middle;
	struct function *found;

	while (low < high) {
		middle = low + (high - low) / 2;
		found = &calls->functions[middle];
		if (found->section < section || (found->section == section && found->start <= insn))
			low = middle + 1;
		else
			high = middle;
	}
	found = low ? &calls->functions[low - 1] : NULL;
	return found && found->section == section && insn - found->start < found->size ? found : NULL;
}

uint64_t lbc_elf_first_function(const struct calls *calls, uint32_t section)
{
	uint64_t low = 0, high = calls->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (calls->functions[middle].section < section)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int is_before(const struct place *place, uint32_t section, uint64_t insn)
{
	return place->section < section || (place->section == section && place->insn < insn);
}

int lbc_elf_is_place(const struct calls *calls, uint64_t place, uint32_t section, uint64_t insn)
{
	return place < calls->place_count && calls->places[place].section == section && calls->places[place].insn == insn;
}

uint64_t lbc_elf_place(const struct calls *calls, uint32_t section, uint64_t insn)
{
	uint64_t low = 0, high = calls->place_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (is_before(&calls->places[middle], section, insn))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Aliases are one function, the longest of them, and one program each. */
static int collect_functions(struct calls *calls)
{
	struct object *object = calls->object;
	uint64_t i, k, room = 0;

	calls->functions = calloc(object->symbol_count + 1, sizeof(*calls->functions));
	if (!calls->functions)
		return -ENOMEM;
	for (i = 1; i < object->file.count; i++) {
		struct elf_section table = lbc_elf_section(&object->file, i), home;

		for (k = 1; table.type == SHT_SYMTAB && k < table.size / sizeof(Elf64_Sym); k++) {
			Elf64_Sym symbol = symbol_at(object, &table, k);

			if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE ||
			    ELF64_ST_TYPE(symbol.st_info) != STT_FUNC)
				continue;
			home = lbc_elf_section(&object->file, symbol.st_shndx);
			/* Of another size libbpf takes none. */
			if (!has_code(&home) || symbol.st_size < INSN)
				continue;
			calls->functions[room++] = (struct function){
				.section = symbol.st_shndx,
				.start = (uint32_t)(symbol.st_value / INSN),
				.size = (uint32_t)(symbol.st_size / INSN),
				.names = 1,
			};
		}
	}
	if (room)
		qsort(calls->functions, room, sizeof(*calls->functions), by_start);
	for (i = 0; i < room; i++) {
		struct function *last = calls->count ? &calls->functions[calls->count - 1] : NULL;

		if (last && last->section == calls->functions[i].section && last->start == calls->functions[i].start)
			last->names++;
		else
			calls->functions[calls->count++] = calls->functions[i];
	}
	return 0;
}

static int collect_places(struct calls *calls)
{
	struct object *object = calls->object;
	uint64_t i, k, tables = 0;
	struct elf_section symbols = { 0 };

	calls->places = calloc(object->relocations + 1, sizeof(*calls->places));
	if (!calls->places)
		return -ENOMEM;
	for (i = 1; i < object->file.count; i++) {
		struct elf_section section = lbc_elf_section(&object->file, i);

		if (section.type == SHT_SYMTAB && !tables++)
			symbols = section;
	}
	for (i = 1; i < object->file.count; i++) {
		struct elf_section table = lbc_elf_section(&object->file, i), target;

		if (table.type != SHT_REL || lbc_elf_is_ignored(&table, name_of(object, &table)))
			continue;
		target = lbc_elf_section(&object->file, table.info);
		for (k = 0; has_code(&target) && k < table.size / sizeof(Elf64_Rel); k++) {
			struct function *function;
			struct place *place = &calls->places[calls->place_count];
			Elf64_Rel relocation;
			uint64_t index;
			Elf64_Sym symbol;

			memcpy(&relocation, content(object, &table) + k * sizeof(relocation), sizeof(relocation));
			place->section = table.info;
			place->insn = (uint32_t)(lbc_elf_64(&object->file, relocation.r_offset) / INSN);
			place->to = NOWHERE;
			index = ELF64_R_SYM(lbc_elf_64(&object->file, relocation.r_info));
			if (index < symbols.size / sizeof(Elf64_Sym)) {
				symbol = symbol_at(object, &symbols, index);
				if (symbol.st_shndx == calls->text)
					place->to = (uint32_t)(symbol.st_value / INSN);
			}
			function = lbc_elf_function(calls, place->section, place->insn);
			if (function)
				function->extra += RELOCATION;
			calls->place_count++;
		}
	}
	if (calls->place_count)
		qsort(calls->places, calls->place_count, sizeof(*calls->places), by_place);
	return 0;
}

static unsigned source_of(const struct elf_file *file, const unsigned char *insn)
{
	int is_big = (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) != file->swapped;

	return is_big ? insn[1] & 15 : insn[1] >> 4;
}

static int add_edge(struct calls *calls, struct function *function, uint64_t insn)
{
	struct function *to = lbc_elf_function(calls, calls->text, insn);
	uint32_t edge;

	/* What is nowhere libbpf refuses when it gets there. */
	if (!to)
		return 0;
	edge = (uint32_t)(to - calls->functions);
	if (calls->edge_count > function->edges && calls->edges[calls->edge_count - 1] == edge)
		return 0;
	if (calls->edge_count == calls->edge_room) {
		uint64_t room = calls->edge_room ? 2 * calls->edge_room : 1024;
		uint32_t *edges = realloc(calls->edges, room * sizeof(*edges));

		if (!edges)
			return -ENOMEM;
		calls->edges = edges;
		calls->edge_room = room;
	}
	calls->edges[calls->edge_count++] = edge;
	return 0;
}

/* Find what a function calls, and of which it takes the address: the instructions are as the object has them. */
static int collect_edges(struct calls *calls, struct function *function)
{
	struct elf_file *file = &calls->object->file;
	struct elf_section home = lbc_elf_section(file, function->section);
	const unsigned char *insns = content(calls->object, &home);
	uint64_t end = function->start + (uint64_t)function->size, own = end, place, i;
	const struct function *next = function + 1;
	int error = 0;

	/* What two functions share is relocated in the later one. */
	if (next < calls->functions + calls->count && next->section == function->section && next->start < end)
		own = next->start;
	function->edges = calls->edge_count;
	place = lbc_elf_place(calls, function->section, function->start);
	for (i = function->start; i < end && !error; i++) {
		const unsigned char *insn = insns + i * INSN;
		int relocated = 0, is_call = insn[0] == CALL;
		uint32_t imm;

		if (!is_call && insn[0] != LOAD_64)
			continue;
		memcpy(&imm, insn + 4, sizeof(imm));
		imm = lbc_elf_32(file, imm);
		while (place < calls->place_count && is_before(&calls->places[place], function->section, i))
			place++;
		if (i < own && lbc_elf_is_place(calls, place, function->section, i)) {
			uint32_t to = calls->places[place].to;

			relocated = 1;
			/* libbpf takes any one of them, and goes a deeper way than this if it is another. */
			if (to != NOWHERE && lbc_elf_is_place(calls, place + 1, function->section, i))
				return lbc_elf_bad_section(file, function->section, "instruction %llu has two "
							   "relocations", (unsigned long long)i);
			/* A sum below 0 is behind every function. */
			if (to != NOWHERE && is_call)
				error = add_edge(calls, function, to + (uint64_t)(int32_t)imm + 1);
			else if (to != NOWHERE)
				error = add_edge(calls, function, (uint32_t)(to * INSN + imm) / INSN);
		}
		if (!relocated && is_call && source_of(file, insn) == PSEUDO_CALL)
			error = add_edge(calls, function, i + (uint64_t)(int32_t)imm + 1);
	}
	function->edge_end = calls->edge_count;
	return error;
}

static int too_much(struct calls *calls, const struct function *program, const char *what)
{
	return lbc_elf_bad_section(&calls->object->file, program->section, "the program at %llu %s",
				   (unsigned long long)program->start * INSN, what);
}

static int count(struct calls *calls, const struct function *program, const struct function *function, uint64_t size)
{
	calls->appended += program->names * (size + function->extra);
	calls->looked_at += program->names * function->looked_at;
	if (calls->appended > MAX_APPENDED)
		return too_much(calls, program, "is one too many: each has a copy of what it calls, 1 GiB in all");
	if (calls->looked_at > MAX_LOOKED_AT)
		return too_much(calls, program, "is one too many: each has a copy of the lines of what it calls");
	return 0;
}

/* Append a function, or begin with the program itself, and go to all that are called, each once. */
static int append(struct calls *calls, const struct function *program, struct function *from)
{
	struct {
		uint32_t function, edge;
	} stack[MAX_CALLS];
	uint32_t mark = (uint32_t)(program - calls->functions) + 1;
	uint64_t depth = 1;
	int error = count(calls, program, from, from == program ? 0 : from->size * INSN);

	from->mark = mark;
	stack[0].function = (uint32_t)(from - calls->functions);
	stack[0].edge = 0;
	while (depth && !error) {
		struct function *function = &calls->functions[stack[depth - 1].function], *to;
		uint64_t edge = function->edges + stack[depth - 1].edge++;

		if (edge >= function->edge_end) {
			depth--;
			continue;
		}
		to = &calls->functions[calls->edges[edge]];
		if (to->mark == mark)
			continue;
		if (depth == MAX_CALLS)
			return too_much(calls, program, "calls functions that call each other more than 512 deep");
		to->mark = mark;
		error = count(calls, program, to, to->size * INSN);
		stack[depth].function = calls->edges[edge];
		stack[depth].edge = 0;
		depth++;
	}
	return error;
}

/* Each function of .text adds bytes to a program, so that all of them for all programs have an end (count()). */
static int check_programs(struct calls *calls)
{
	uint64_t first = lbc_elf_first_function(calls, calls->text), i, k;
	int error = 0;

	for (i = 0; i < calls->count && !error; i++) {
		struct function *program = &calls->functions[i];

		if (program->section == calls->text)
			continue;
		error = append(calls, program, program);
		for (k = first; calls->callbacks && k < calls->count && calls->functions[k].section == calls->text &&
		     !error; k++)
			if (calls->functions[k].mark != i + 1)
				error = append(calls, program, &calls->functions[k]);
	}
	return error;
}

int lbc_elf_check_calls(struct object *object)
{
	static const char callback[] = "exception_callback:";
	struct calls calls = { .object = object };
	uint64_t i;
	int error;

	for (i = 1; i < object->file.count; i++) {
		struct elf_section section = lbc_elf_section(&object->file, i);
		const char *name = name_of(object, &section);

		/* The last one is. */
		if (has_code(&section) && section.size && !strcmp(name, ".text"))
			calls.text = (uint32_t)i;
		/* Which a tag on the program names: then it may be any. */
		if (section.type == SHT_PROGBITS && !strcmp(name, ".BTF"))
			calls.callbacks = !!memmem(content(object, &section), section.size, callback,
						   sizeof(callback) - 1);
	}
	error = collect_functions(&calls);
	if (!error)
		error = collect_places(&calls);
	if (!error)
		error = lbc_elf_check_ext(&calls);
	for (i = 0; i < calls.count && !error; i++)
		error = collect_edges(&calls, &calls.functions[i]);
	if (!error)
		error = check_programs(&calls);
	free(calls.edges);
	free(calls.places);
	free(calls.functions);
	return error;
}
