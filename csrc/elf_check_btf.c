/*
 * The types of a compiled BPF object: .BTF (btf_check.c), and the sections that it tells of (elf_check.c).
 */
#include <errno.h>
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "elf_check.h"

/* Two of the kernel's types are looked for by name for each when it is loaded, which takes a millisecond. */
#define MAX_TABLES 4096

static uint64_t align_up(uint64_t number, uint64_t to)
{
	return (number + to - 1) / to * to;
}

/* Bytes of a variable, by its type; what is in a section but no variable has none. */
static uint64_t size_of(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);
	int64_t size = btf_is_var(t) ? btf__resolve_size(btf, t->type) : 0;

	return size > 0 ? (uint64_t)size : 0;
}

/* The places of the kernel's settings are counted in an int, and written to without a look at their size. */
static int check_settings(struct object *object, uint64_t index, const struct btf *btf, const struct btf_type *t)
{
	const struct btf_var_secinfo *each = btf_var_secinfos(t);
	uint64_t total = 0, size;
	int i;

	for (i = 0; i < btf_vlen(t); i++, each++) {
		const struct btf_type *type = btf__type_by_id(btf, each->type);

		if (!btf_is_var(type))
			return lbc_elf_bad_section(&object->file, index, "in .kconfig is type %u, which is no variable",
						   each->type);
		size = size_of(btf, each->type);
		/* Which has an end (btf_check.c). */
		while (btf_is_var(type) || btf_is_mod(type) || btf_is_typedef(type))
			type = btf__type_by_id(btf, type->type);
		if (btf_is_enum64(type) && size < sizeof(int))
			return lbc_elf_bad_section(&object->file, index, "in .kconfig is type %u, an enumeration of %llu "
						   "bytes", each->type, (unsigned long long)size);
		total = align_up(total, 16) + size;
	}
	if (total > MAX_SIZE)
		return lbc_elf_bad_section(&object->file, index, ".kconfig has %llu bytes", (unsigned long long)total);
	return 0;
}

/* The variables that BTF tells of a section lie in it. */
static int check_variables(struct object *object, uint64_t index, const struct btf *btf, const struct btf_type *t,
			   uint64_t of)
{
	const struct elf_section section = lbc_elf_section(&object->file, of);
	const struct btf_var_secinfo *each = btf_var_secinfos(t);
	uint64_t total = 0, size;
	int i;

	for (i = 0; i < btf_vlen(t); i++, each++) {
		const struct btf_type *type = btf__type_by_id(btf, each->type);

		/* Those of maps become copies, as often as they are in a section of that name. */
		object->listed_names += strlen(btf__name_by_offset(btf, type->name_off));
		if (object->listed_names > MAX_COPIES * object->file.size)
			return lbc_elf_bad_section(&object->file, index, "the names of variables have more than %llu bytes",
						   (unsigned long long)(MAX_COPIES * object->file.size));
		size = size_of(btf, each->type);
		size = size > each->size ? size : each->size;
		total += size;
		/* What another object has is in this one's section by name only. */
		if (btf_is_var(type) && btf_var(type)->linkage == BTF_VAR_GLOBAL_EXTERN)
			continue;
		if (each->offset > section.size || size > section.size - each->offset)
			return lbc_elf_bad_section(&object->file, index, "type %u has a variable of %llu bytes at %u, and "
						   "section %llu has %llu bytes", each->type, (unsigned long long)size,
						   each->offset, (unsigned long long)of,
						   (unsigned long long)section.size);
	}
	if (!strstr(name_of(object, &section), ".struct_ops"))
		return 0;
	object->tables += btf_vlen(t);
	if (object->tables > MAX_TABLES && !object->linking)
		return lbc_elf_bad_section(&object->file, index, "there are more than %d tables of functions", MAX_TABLES);
	/* Of these each becomes a copy. */
	if (total > MAX_COPIES * section.size)
		return lbc_elf_bad_section(&object->file, index, "variables have %llu bytes, and section %llu has %llu",
					   (unsigned long long)total, (unsigned long long)of,
					   (unsigned long long)section.size);
	return 0;
}

static int check_section_of_types(struct object *object, uint64_t index, const struct btf *btf,
				  const struct btf_type *t)
{
	const char *name = btf__name_by_offset(btf, t->name_off);
	struct elf_section section;
	uint64_t i;
	int error;

	if (!name || !*name)
		return 0;
	if (!strcmp(name, ".kconfig"))
		return check_settings(object, index, btf, t);
	for (i = 1; i < object->file.count; i++) {
		section = lbc_elf_section(&object->file, i);
		if (section.type == SHT_NULL || strcmp(name_of(object, &section), name))
			continue;
		error = check_variables(object, index, btf, t, i);
		if (error)
			return error;
	}
	return 0;
}

static int is_of_maps(const char *name)
{
	return name && (!strcmp(name, ".maps") || strstr(name, ".struct_ops"));
}

static int check_each(struct object *object, uint64_t index, const struct btf *btf)
{
	uint64_t searched = object->file.count + object->section_names / NAME_BYTES, sections = 0;
	__u32 id;
	int error = 0;

	for (id = 1; id < btf__type_cnt(btf) && !error; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		object->type_names += strlen(btf__name_by_offset(btf, t->name_off));
		if (!btf_is_datasec(t))
			continue;
		sections++;
		object->variables += btf_vlen(t);
		object->maps += is_of_maps(btf__name_by_offset(btf, t->name_off)) ? btf_vlen(t) : 0;
		if (sections * searched > MAX_WORK)
			return lbc_elf_bad_section(&object->file, index, "there are more than %llu sections in it",
						   (unsigned long long)sections);
		error = check_section_of_types(object, index, btf, t);
	}
	return error;
}

int lbc_elf_check_btf(struct object *object, uint64_t index)
{
	struct elf_section section = lbc_elf_section(&object->file, index);
	char why[160];
	struct btf *btf;
	int error;

	error = lbc_btf_check_header(content(object, &section), (__u32)section.size, why, sizeof(why));
	if (error)
		return lbc_elf_bad_section(&object->file, index, "%s", why);
	btf = btf__new(content(object, &section), (__u32)section.size);
	/* What libbpf cannot read it tells itself, or does without. */
	if (!btf)
		return 0;
	/* As it is in an object, whatever the types say. */
	btf__set_pointer_size(btf, 8);
	error = lbc_btf_check(btf, why, sizeof(why));
	if (error == -EINVAL)
		error = lbc_elf_bad_section(&object->file, index, "%s", why);
	if (!error)
		error = check_each(object, index, btf);
	object->types = btf__type_cnt(btf);
	if (!error && (object->symbol_count + object->names / NAME_BYTES) * object->variables > 2 * MAX_WORK)
		error = lbc_elf_bad_section(&object->file, index,
					    "there are %llu variables, and %llu symbols, whose names have %llu bytes",
					    (unsigned long long)object->variables,
					    (unsigned long long)object->symbol_count, (unsigned long long)object->names);
	if (!error && object->externs * (object->types + object->type_names / NAME_BYTES) > MAX_WORK)
		error = lbc_elf_bad_section(&object->file, index, "there are %llu types, and %llu symbols elsewhere",
					    (unsigned long long)object->types, (unsigned long long)object->externs);
	/* A type of the same name says how the data is shown. */
	if (!error && object->data * (object->types + object->type_names / NAME_BYTES) > MAX_WORK)
		error = lbc_elf_bad_section(&object->file, index, "there are %llu types, and %llu sections of data",
					    (unsigned long long)object->types, (unsigned long long)object->data);
	btf__free(btf);
	return error;
}
