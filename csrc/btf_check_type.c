/*
 * Each type of a BTF by itself: what it refers to is there and can be referred to, its size is such as there is, and the
 * names of all are not too long (btf_check.c).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bpf.h"
#include "btf_check.h"

/* The largest struct: libbpf counts its bits in an int. */
#define MAX_STRUCT ((__u32)INT32_MAX / 8)

/* Bytes of all names, each as often as it is used: libbpf hashes them one by one. Many may end in the same megabyte. */
#define MAX_ALL_NAMES ((__u64)1 << 28)

int lbc_btf_bad(struct check *check, __u32 id, const char *format, ...)
{
	const struct btf_type *t = btf__type_by_id(check->btf, id);
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(check->why, check->why_size, "type %u%s%.60s%s %s", id, t && t->name_off ? " '" : "",
		 t ? name_at(check, t->name_off) : "", t && t->name_off ? "'" : "", what);
	return -EINVAL;
}

static int check_id(struct check *check, __u32 id, __u32 other)
{
	return other < check->count ? 0 : lbc_btf_bad(check, id, "refers to type %u, which is not there", other);
}

/* What something can be of: no variable, no section, no function, no tag. */
static int check_type_id(struct check *check, __u32 id, __u32 other)
{
	int err = check_id(check, id, other);

	if (err)
		return err;
	switch (btf_kind(btf__type_by_id(check->btf, other))) {
	case BTF_KIND_VAR:
	case BTF_KIND_DATASEC:
	case BTF_KIND_FUNC:
	case BTF_KIND_DECL_TAG:
		return lbc_btf_bad(check, id, "is of type %u, which is no type", other);
	default:
		return 0;
	}
}

static int check_datasec(struct check *check, __u32 id, const struct btf_type *t)
{
	const struct btf_var_secinfo *each = btf_var_secinfos(t);
	const struct btf_type *entry;
	int i, err;

	for (i = 0; i < btf_vlen(t); i++, each++) {
		err = check_id(check, id, each->type);
		if (err)
			return err;
		entry = btf__type_by_id(check->btf, each->type);
		if (!btf_is_var(entry) && !btf_is_func(entry))
			return lbc_btf_bad(check, id, "has in it type %u, which is no variable", each->type);
		/* Of a section that is not linked yet, the size is 0. */
		if (t->size && (__u64)each->offset + each->size > t->size)
			return lbc_btf_bad(check, id, "of %u bytes has in it %u bytes at %u", t->size, each->size,
					   each->offset);
	}
	return 0;
}

static int check_decl_tag(struct check *check, __u32 id, const struct btf_type *t)
{
	const struct btf_type *target;
	int index = btf_decl_tag(t)->component_idx, components = 0;
	int err = check_id(check, id, t->type);

	if (err)
		return err;
	target = btf__type_by_id(check->btf, t->type);
	if (btf_is_func(target)) {
		err = check_id(check, id, target->type);
		if (err)
			return err;
		target = btf__type_by_id(check->btf, target->type);
	}
	if (btf_is_composite(target) || btf_is_func_proto(target))
		components = btf_vlen(target);
	if (index < -1 || index >= components)
		return lbc_btf_bad(check, id, "is on component %d of %d", index, components);
	return 0;
}

static int check_references(struct check *check, __u32 id, const struct btf_type *t)
{
	int i, err = 0;

	switch (btf_kind(t)) {
	case BTF_KIND_ARRAY:
		err = check_type_id(check, id, btf_array(t)->type);
		return err ? err : check_type_id(check, id, btf_array(t)->index_type);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		for (i = 0; i < btf_vlen(t) && !err; i++)
			err = check_type_id(check, id, btf_members(t)[i].type);
		return err;
	case BTF_KIND_FUNC_PROTO:
		for (i = 0; i < btf_vlen(t) && !err; i++)
			err = check_type_id(check, id, btf_params(t)[i].type);
		return err ? err : check_type_id(check, id, t->type);
	case BTF_KIND_FUNC:
		err = check_id(check, id, t->type);
		if (!err && !btf_is_func_proto(btf__type_by_id(check->btf, t->type)))
			err = lbc_btf_bad(check, id, "is a function of type %u, which is no prototype", t->type);
		return err;
	case BTF_KIND_DECL_TAG:
		return check_decl_tag(check, id, t);
	case BTF_KIND_DATASEC:
		return check_datasec(check, id, t);
	case BTF_KIND_INT:
	case BTF_KIND_FLOAT:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_FWD:
		return 0;
	default:
		return check_type_id(check, id, t->type);
	}
}

static int check_names(struct check *check, __u32 id, const struct btf_type *t)
{
	__u32 i, count = btf_vlen(t);

	check->all_names += strlen(name_at(check, t->name_off));
	for (i = 0; i < count && check->all_names <= MAX_ALL_NAMES; i++) {
		switch (btf_kind(t)) {
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
			check->all_names += strlen(name_at(check, btf_members(t)[i].name_off));
			break;
		case BTF_KIND_ENUM:
			check->all_names += strlen(name_at(check, btf_enum(t)[i].name_off));
			break;
		case BTF_KIND_ENUM64:
			check->all_names += strlen(name_at(check, btf_enum64(t)[i].name_off));
			break;
		case BTF_KIND_FUNC_PROTO:
			check->all_names += strlen(name_at(check, btf_params(t)[i].name_off));
			break;
		default:
			return 0;
		}
	}
	if (check->all_names > MAX_ALL_NAMES) {
		snprintf(check->why, check->why_size, "its names have more than %llu bytes, those of type %u included",
			 (unsigned long long)MAX_ALL_NAMES, id);
		return -EINVAL;
	}
	return 0;
}

int lbc_btf_check_type(struct check *check, __u32 id, const struct btf_type *t)
{
	__u32 bits;
	int err = check_names(check, id, t);

	if (err)
		return err;
	switch (btf_kind(t)) {
	case BTF_KIND_INT:
		bits = btf_int_offset(t) + btf_int_bits(t);
		if (t->size < 1 || t->size > 16)
			return lbc_btf_bad(check, id, "is an integer of %u bytes", t->size);
		if (!btf_int_bits(t) || bits > t->size * 8)
			return lbc_btf_bad(check, id, "is an integer of %u bytes that has %u bits", t->size, bits);
		break;
	case BTF_KIND_FLOAT:
		if (t->size < 1 || t->size > 16)
			return lbc_btf_bad(check, id, "is a floating-point number of %u bytes", t->size);
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		/* clang's form of one that is declared and never defined; where a size is wanted, it has none. */
		if (!t->size && !btf_vlen(t))
			break;
		if (t->size != 1 && t->size != 2 && t->size != 4 && t->size != 8)
			return lbc_btf_bad(check, id, "is an enumeration of %u bytes", t->size);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		if (t->size > MAX_STRUCT)
			return lbc_btf_bad(check, id, "has %u bytes, more than %u", t->size, MAX_STRUCT);
		break;
	case BTF_KIND_FWD:
		/* btf__dedup() takes it for the type that has been declared. */
		if (t->type)
			return lbc_btf_bad(check, id, "is a forward declaration of type %u", t->type);
		break;
	}
	return check_references(check, id, t);
}
