/*
 * The records of .BTF.ext: which functions they are of, and how much libbpf does for them.
 *
 * What is malformed in it libbpf refuses (btf_ext_parse_info()), and btf_check_header.c; here the walk ends there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "elf_check_calls.h"

#define INSN ((uint64_t)8)
#define LOAD_64 0x18

/*
 * Types that relocations begin with: for each libbpf looks through all names of the kernel, which takes a millisecond.
 * The largest objects have some hundred.
 */
#define MAX_ROOTS 4096

/* The last kind of relocation is looked up nowhere else but in the object. */
#define TYPE_ID_LOCAL 6

enum part { FUNCTIONS, LINES, RELOCATIONS, PARTS };

struct walk {
	struct calls *calls;
	const unsigned char *data;
	uint64_t index, size;
	const char *names;	/* of .BTF, the last of which ends */
	uint64_t names_size;
	unsigned char *seen;	/* sections that records are taken for */
	uint32_t *roots;
	uint64_t root_count, sections;
	uint64_t searched;	/* to find a section */
	enum part part;
	int swapped;		/* it may be of another byte order than the object */
};

struct records {
	const unsigned char *first;
	uint64_t size, count;
	uint32_t section;
};

static uint32_t word_of(const unsigned char *at, int swapped)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return swapped ? __builtin_bswap32(value) : value;
}

static uint32_t word(const struct walk *walk, const unsigned char *at)
{
	return word_of(at, walk->swapped);
}

static int is_swapped(const unsigned char *data)
{
	uint16_t magic;

	memcpy(&magic, data, sizeof(magic));
	return magic == __builtin_bswap16(BTF_MAGIC);
}

static uint64_t insn_of(const struct walk *walk, const struct records *records, uint64_t record)
{
	return word(walk, records->first + record * records->size) / INSN;
}

/* Give the first section of a name, or 0. */
static uint32_t section_of(const struct walk *walk, uint64_t name)
{
	const struct object *object = walk->calls->object;
	uint64_t i;

	for (i = 1; name < walk->names_size && walk->names[name] && i < object->file.count; i++) {
		struct elf_section section = lbc_elf_section(&object->file, i);

		if (section.type != SHT_NULL && !strcmp(name_of(object, &section), walk->names + name))
			return (uint32_t)i;
	}
	return 0;
}

/* Note a type that a relocation begins with: 1 when there are too many. */
static int note_root(struct walk *walk, uint32_t type)
{
	uint32_t at = type * 2654435761u >> 16 & (4 * MAX_ROOTS - 1);

	/* Of type 0 there is no relocation: libbpf refuses one of void. */
	if (!type)
		return 0;
	while (walk->roots[at] && walk->roots[at] != type)
		at = (at + 1) & (4 * MAX_ROOTS - 1);
	walk->root_count += !walk->roots[at];
	walk->roots[at] = type;
	return walk->root_count > MAX_ROOTS;
}

static int check_relocations(struct walk *walk, const struct records *records)
{
	struct calls *calls = walk->calls;
	struct elf_file *file = &calls->object->file;
	uint64_t i, place, insn;

	for (i = 0; i < records->count; i++) {
		const unsigned char *record = records->first + i * records->size;
		struct function *function;

		if (word(walk, record + 12) != TYPE_ID_LOCAL && note_root(walk, word(walk, record + 4)))
			return lbc_elf_bad_section(file, walk->index, "relocations are of more than %d types", MAX_ROOTS);
		insn = insn_of(walk, records, i);
		function = lbc_elf_function(calls, records->section, insn);
		if (!function)
			continue;
		function->extra += RELOCATION;
		/* It would decide what is called, when it is too late to look. */
		place = lbc_elf_place(calls, records->section, insn);
		if (lbc_elf_is_place(calls, place, records->section, insn) && calls->places[place].to != NOWHERE)
			return lbc_elf_bad_section(file, walk->index, "relocation %llu is of the address of a function",
						   (unsigned long long)i);
	}
	return 0;
}

/* Give the first record that is not before an instruction, records being in the order of instructions. */
static uint64_t first_at(const struct walk *walk, const struct records *records, uint64_t insn)
{
	uint64_t low = 0, high = records->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (insn_of(walk, records, middle) < insn)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Count the records that each function takes with it; libbpf takes all between the first and the last. */
static void count_records(struct walk *walk, const struct records *records)
{
	struct calls *calls = walk->calls;
	int in_order = 1;
	uint64_t i;

	/* Only of the first of its name. */
	if (walk->seen[records->section])
		return;
	walk->seen[records->section] = 1;
	for (i = 1; i < records->count && in_order; i++)
		in_order = insn_of(walk, records, i - 1) <= insn_of(walk, records, i);
	i = lbc_elf_first_function(calls, records->section);
	for (; i < calls->count && calls->functions[i].section == records->section; i++) {
		struct function *function = &calls->functions[i];
		uint64_t own = records->count;

		if (in_order)
			own = first_at(walk, records, function->start + (uint64_t)function->size) -
			      first_at(walk, records, function->start);
		function->extra += own * records->size;
		function->looked_at += records->count;
	}
}

static int check_part(struct walk *walk, uint64_t begin, uint64_t length)
{
	struct elf_file *file = &walk->calls->object->file;
	struct records records = { 0 };
	uint64_t at = begin + 4, end = begin + length;
	int error = 0;

	if (length < 4 || end > walk->size)
		return 0;
	memset(walk->seen, 0, file->count);
	records.size = word(walk, walk->data + begin);
	if (records.size < (walk->part == FUNCTIONS ? 8 : 16))
		return 0;
	while (end - at >= 8 && !error) {
		records.first = walk->data + at + 8;
		records.count = word(walk, walk->data + at + 4);
		if (records.count > (end - at - 8) / records.size)
			return 0;
		if (++walk->sections * walk->searched > MAX_WORK)
			return lbc_elf_bad_section(file, walk->index, "records are of %llu sections, and there are %llu",
						   (unsigned long long)walk->sections,
						   (unsigned long long)file->count);
		records.section = section_of(walk, word(walk, walk->data + at));
		if (walk->part == RELOCATIONS)
			error = check_relocations(walk, &records);
		else if (records.section)
			count_records(walk, &records);
		at += 8 + records.count * records.size;
	}
	return error;
}

static int check_parts(struct walk *walk)
{
	uint64_t header, i;
	int error = 0;

	walk->seen = malloc(walk->calls->object->file.count);
	walk->roots = calloc(4 * MAX_ROOTS, sizeof(*walk->roots));
	if (!walk->seen || !walk->roots)
		error = -ENOMEM;
	header = word(walk, walk->data + 4);
	for (i = FUNCTIONS; i < PARTS && !error; i++) {
		/* The last one is not in the headers of old compilers. */
		if (header < 16 + 8 * i || header > walk->size)
			break;
		walk->part = (enum part)i;
		error = check_part(walk, header + word(walk, walk->data + 8 + 8 * i),
				   word(walk, walk->data + 12 + 8 * i));
	}
	for (i = 0; i < walk->calls->count; i++)
		walk->calls->functions[i].looked_at += walk->sections;
	free(walk->roots);
	free(walk->seen);
	return error;
}

int lbc_elf_check_ext(struct calls *calls)
{
	const struct elf_file *file = &calls->object->file;
	struct walk walk = {
		.calls = calls,
		.searched = file->count + calls->object->section_names / NAME_BYTES,
	};
	uint64_t i;

	for (i = 1; i < file->count; i++) {
		struct elf_section section = lbc_elf_section(file, i);
		const char *name = name_of(calls->object, &section);

		if (section.type != SHT_PROGBITS)
			continue;
		if (!strcmp(name, ".BTF")) {
			/* Whose header has been checked. */
			const unsigned char *data = content(calls->object, &section);
			int swapped = is_swapped(data);

			walk.names = (const char *)data + word_of(data + 4, swapped) + word_of(data + 16, swapped);
			walk.names_size = word_of(data + 20, swapped);
		} else if (!strcmp(name, ".BTF.ext")) {
			walk.index = i;
			walk.data = content(calls->object, &section);
			walk.size = section.size;
		}
	}
	/* Without types there are no records; names that do not end libbpf refuses. */
	if (!walk.names_size || walk.size < 24 || walk.names[walk.names_size - 1])
		return 0;
	walk.swapped = is_swapped(walk.data);
	return check_parts(&walk);
}
