/*
 * Does a BTF make sense?
 *
 * libbpf checks of BTF that types and strings lie in their sections and that ids are in range (btf_sanity_check()). All
 * else it takes for granted: in its dumper, in btf__align_of() and in btf__dedup() a struct that contains itself, an
 * integer of no size or a member outside its struct ends in a crash, in an endless loop or in gigabytes of output. What
 * is checked here is what C itself demands, and what the kernel demands of BTF (kernel/bpf/btf.c) where libbpf relies
 * on it; and that no type is so entangled that walking it takes for ever.
 *
 * Types are walked in two ways, in both with a stack of our own:
 *   - by value: a struct to its members, an array to its element. That is how sizes and alignments are found, and how
 *     bytes are formatted.
 *   - as a declaration is written: through pointers, arrays and prototypes down to the first name; a struct that has
 *     none is written out in place.
 * Neither may come back to where it began. Before that each type is looked at by itself (btf_check_type.c), and the
 * header before libbpf reads any (btf_check_header.c).
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "btf_check.h"
#include "cdef/lbc.h"

/* How deep types may be nested: C compilers give up before, libbpf recurses. */
#define MAX_DEPTH 512

/* How many typedefs, modifiers and arrays may be in a row: btf__resolve_size() looks at 32 types, as the kernel does. */
#define MAX_CHAIN 31

/*
 * Steps to walk one type, and all types; pieces of text of one declaration, and of all types. Of the 126,566 types of a
 * kernel 6.18 the largest takes 4,847 steps and the longest declaration 463 pieces; all take 0.7 million of both.
 */
#define MAX_STEPS ((__u64)1 << 18)
#define MAX_ALL_STEPS ((__u64)1 << 26)
#define MAX_TEXT ((__u64)1 << 20)
#define MAX_ALL_TEXT ((__u64)1 << 23)

/* Steps to format the bytes of one type, as a multiple of its size: unions give several views of the same bytes. That
 * kernel needs 7. */
#define MAX_VIEWS ((__u64)1 << 12)

enum walk { BY_VALUE, AS_DECLARATION, WALKS };
enum state { UNSEEN, OPEN, DONE };

struct facts {
	__u64 size;	/* by value: in bytes */
	__u64 format;	/* by value: steps to format its bytes */
	__u32 steps;	/* by value: steps to find its alignment */
	__u32 text;	/* as a declaration: pieces of text */
	__u16 depth[WALKS];
	__u8 state[WALKS];
	__u8 kind;	/* behind typedefs and modifiers */
	__u8 sized;
	__u8 chain;	/* typedefs, modifiers and arrays from here to what has a size of its own */
};

struct frame {
	__u32 id;
	__u32 next;
};

static __u64 sum(__u64 a, __u64 b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static __u64 product(__u64 a, __u64 b)
{
	return a && b > UINT64_MAX / a ? UINT64_MAX : a * b;
}

/* ---------------------------------------------------------------------------------------------------------------- */
/* What a type leads to */

/* Give the i-th type that a walk goes to from here, or UINT32_MAX after the last. */
static __u32 child(enum walk walk, const struct btf_type *t, __u32 i)
{
	switch (btf_kind(t)) {
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		return i == 0 ? t->type : UINT32_MAX;
	case BTF_KIND_ARRAY:
		return i == 0 ? btf_array(t)->type : UINT32_MAX;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		if (walk == AS_DECLARATION && t->name_off)
			return UINT32_MAX;
		return i < btf_vlen(t) ? btf_members(t)[i].type : UINT32_MAX;
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return walk == BY_VALUE && i == 0 ? t->type : UINT32_MAX;
	case BTF_KIND_PTR:
		return walk == AS_DECLARATION && i == 0 ? t->type : UINT32_MAX;
	case BTF_KIND_FUNC_PROTO:
		if (walk == BY_VALUE)
			return UINT32_MAX;
		if (i == 0)
			return t->type;
		return i <= btf_vlen(t) ? btf_params(t)[i - 1].type : UINT32_MAX;
	default:
		return UINT32_MAX;
	}
}

static int check_member(struct check *check, __u32 id, const struct btf_type *t, int i)
{
	const struct btf_member *member = &btf_members(t)[i];
	const struct facts *facts = &check->facts[member->type];
	__u64 start = btf_member_bit_offset(t, i), bits = btf_member_bitfield_size(t, i), whole = (__u64)t->size * 8;
	const struct btf_type *type = btf__type_by_id(check->btf, member->type);
	const char *name = name_at(check, member->name_off);

	if (!facts->sized)
		return lbc_btf_bad(check, id, "has a member '%.40s' of type %u, which has no size", name, member->type);
	if (bits) {
		if (facts->kind != BTF_KIND_INT && facts->kind != BTF_KIND_ENUM && facts->kind != BTF_KIND_ENUM64)
			return lbc_btf_bad(check, id, "has a bit field '%.40s' that is no integer", name);
		if (bits > facts->size * 8)
			return lbc_btf_bad(check, id, "has a bit field '%.40s' of %llu bits in %llu bytes", name,
					   (unsigned long long)bits, (unsigned long long)facts->size);
	} else if (facts->kind == BTF_KIND_INT && !btf_kflag(t)) {
		/* Before there was a flag for it, a bit field was an integer of few bits. */
		while (!btf_is_int(type))
			type = btf__type_by_id(check->btf, type->type);
		start += btf_int_offset(type);
		bits = btf_int_bits(type);
	} else {
		bits = facts->size * 8;
	}
	if (start + bits > whole)
		return lbc_btf_bad(check, id, "of %u bytes has a member '%.40s' of %llu bits at bit %llu", t->size, name,
				   (unsigned long long)bits, (unsigned long long)start);
	return 0;
}

/* Sum up what is behind a type by value, all its children being done. */
static int finish_by_value(struct check *check, __u32 id, const struct btf_type *t)
{
	struct facts *facts = &check->facts[id];
	const struct facts *other;
	__u64 steps = 1;
	int i, err;

	facts->kind = btf_kind(t);
	facts->format = 1;
	switch (facts->kind) {
	case BTF_KIND_INT:
	case BTF_KIND_FLOAT:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		facts->sized = t->size > 0;
		facts->size = t->size;
		break;
	case BTF_KIND_PTR:
		facts->sized = 1;
		facts->size = check->pointer_size;
		break;
	case BTF_KIND_ARRAY:
		other = &check->facts[btf_array(t)->type];
		if (!other->sized)
			return lbc_btf_bad(check, id, "is an array of type %u, which has no size", btf_array(t)->type);
		facts->sized = 1;
		facts->chain = other->chain + 1;
		facts->size = product(other->size, btf_array(t)->nelems);
		facts->format = sum(1, product(btf_array(t)->nelems ? btf_array(t)->nelems : 1, other->format));
		steps += other->steps;
		if (facts->size > UINT32_MAX)
			return lbc_btf_bad(check, id, "is an array of %u times %llu bytes", btf_array(t)->nelems,
					   (unsigned long long)other->size);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		facts->sized = 1;
		facts->size = t->size;
		for (i = 0; i < btf_vlen(t); i++) {
			err = check_member(check, id, t, i);
			if (err)
				return err;
			other = &check->facts[btf_members(t)[i].type];
			steps += other->steps;
			facts->format = sum(facts->format, other->format);
		}
		break;
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		other = &check->facts[t->type];
		facts->sized = other->sized;
		facts->chain = other->chain + 1;
		facts->size = other->size;
		facts->kind = other->kind;
		facts->format = sum(1, other->format);
		steps += other->steps;
		break;
	}
	if (facts->chain > MAX_CHAIN)
		return lbc_btf_bad(check, id, "is behind more than %d typedefs, modifiers and arrays", MAX_CHAIN);
	/* At most 65535 members of MAX_STEPS each: no overflow before it is noticed. */
	if (steps > MAX_STEPS || facts->format > MAX_VIEWS * (facts->size + MAX_VIEWS))
		return lbc_btf_bad(check, id, "is too entangled: its types contain each other too many times");
	facts->steps = steps;
	return 0;
}

/* Give the pieces of text that libbpf writes to fill a gap of that many bits. */
static __u64 padding(const struct check *check, __u64 from, __u64 to)
{
	return from < to ? (to - from) / (check->pointer_size * 8) + 4 : 0;
}

/* Give the pieces of text in the definition of a struct or union. */
static __u64 definition(const struct check *check, const struct btf_type *t)
{
	__u64 text = 1, at = 0, start, bits;
	int i;

	for (i = 0; i < btf_vlen(t); i++) {
		start = btf_member_bit_offset(t, i);
		bits = btf_member_bitfield_size(t, i);
		text += padding(check, at, start) + check->facts[btf_members(t)[i].type].text;
		at = start + (bits ? bits : check->facts[btf_members(t)[i].type].size * 8);
	}
	return btf_is_struct(t) ? text + padding(check, at, (__u64)t->size * 8) : text;
}

/* Sum up the text of a declaration, all its children being done. */
static int finish_declaration(struct check *check, __u32 id, const struct btf_type *t)
{
	__u64 text = 1;
	__u32 i, other;

	if (btf_is_composite(t) && !t->name_off)
		text = definition(check, t);
	else if (btf_is_any_enum(t) && !t->name_off)
		text += btf_vlen(t);
	else
		for (i = 0; (other = child(AS_DECLARATION, t, i)) != UINT32_MAX; i++)
			text += check->facts[other].text;
	if (text > MAX_TEXT)
		return lbc_btf_bad(check, id, "is too entangled: it takes more than %llu words to write it as C",
				   (unsigned long long)MAX_TEXT);
	check->facts[id].text = text;
	return 0;
}

/* Note that a type leads to another, which is done. */
static int note(struct check *check, __u32 id, __u32 other, enum walk walk)
{
	__u16 depth = check->facts[other].depth[walk] + 1;

	if (depth >= MAX_DEPTH)
		return lbc_btf_bad(check, id, "is nested more than %d deep", MAX_DEPTH);
	if (check->facts[id].depth[walk] < depth)
		check->facts[id].depth[walk] = depth;
	return 0;
}

/* Walk from a type to all it leads to, and sum up on the way back. */
static int follow(struct check *check, __u32 start, enum walk walk)
{
	struct facts *facts = check->facts;
	const struct btf_type *t;
	__u32 depth = 0, id, next;
	int err = 0;

	if (facts[start].state[walk] == DONE)
		return 0;
	facts[start].state[walk] = OPEN;
	check->stack[depth++] = (struct frame){ .id = start };
	while (depth && !err) {
		id = check->stack[depth - 1].id;
		t = btf__type_by_id(check->btf, id);
		next = child(walk, t, check->stack[depth - 1].next++);
		if (next == UINT32_MAX) {
			err = walk == BY_VALUE ? finish_by_value(check, id, t) : finish_declaration(check, id, t);
			facts[id].state[walk] = DONE;
			depth--;
			if (!err && depth)
				err = note(check, check->stack[depth - 1].id, id, walk);
		} else if (facts[next].state[walk] == OPEN) {
			err = lbc_btf_bad(check, next, walk == BY_VALUE ? "contains itself" : "is declared by itself");
		} else if (facts[next].state[walk] == DONE) {
			err = note(check, id, next, walk);
		} else if (depth == MAX_DEPTH) {
			err = lbc_btf_bad(check, start, "is nested more than %d deep", MAX_DEPTH);
		} else {
			facts[next].state[walk] = OPEN;
			check->stack[depth++] = (struct frame){ .id = next };
		}
	}
	return err;
}

/* With the sizes of all types known: libbpf copies variables as large as their types from where the section has them. */
static int check_variables(struct check *check, __u32 id, const struct btf_type *t)
{
	const struct btf_var_secinfo *each = btf_var_secinfos(t);
	__u64 size, whole = t->size ? t->size : UINT32_MAX;
	int i;

	for (i = 0; i < btf_vlen(t); i++, each++) {
		size = check->facts[each->type].sized ? check->facts[each->type].size : 0;
		if (each->offset + size > whole)
			return lbc_btf_bad(check, id, "of %u bytes has in it a variable of %llu bytes at %u", t->size,
					   (unsigned long long)size, each->offset);
	}
	return 0;
}

static int check_all(struct check *check, __u32 first)
{
	const struct btf_type *t;
	__u32 id, i;
	int err;

	/* The base is known to be good: only what split types do with it is of interest. */
	for (id = first; id < check->count; id++) {
		err = lbc_btf_check_type(check, id, btf__type_by_id(check->btf, id));
		if (err)
			return err;
	}
	for (id = 1; id < check->count; id++) {
		err = follow(check, id, BY_VALUE);
		if (err)
			return err;
	}
	for (id = first; id < check->count; id++) {
		t = btf__type_by_id(check->btf, id);
		err = follow(check, id, AS_DECLARATION);
		if (!err && btf_is_datasec(t))
			err = check_variables(check, id, t);
		if (err)
			return err;
		check->all_steps += check->facts[id].steps;
		check->all_text += check->facts[id].text;
		if (btf_is_composite(t) && t->name_off) {
			/* The walk ends at a name, but the definition is written too. */
			for (i = 0; i < btf_vlen(t); i++) {
				err = follow(check, btf_members(t)[i].type, AS_DECLARATION);
				if (err)
					return err;
			}
			check->all_text += definition(check, t);
		}
		if (check->all_steps > MAX_ALL_STEPS || check->all_text > MAX_ALL_TEXT)
			return lbc_btf_bad(check, id, "is one too many: the types contain each other too many times");
	}
	return 0;
}

int lbc_btf_check(const struct btf *btf, char *why, size_t why_size)
{
	struct check check = { .btf = btf, .why = why, .why_size = why_size };
	const struct btf *base;
	int err;

	if (!btf || !why || !why_size)
		return -EINVAL;
	why[0] = '\0';
	base = btf__base_btf(btf);
	check.count = btf__type_cnt(btf);
	check.pointer_size = btf__pointer_size(btf);
	if (!check.pointer_size)
		check.pointer_size = sizeof(void *);
	check.facts = calloc(check.count, sizeof(*check.facts));
	check.stack = calloc(MAX_DEPTH, sizeof(*check.stack));
	if (!check.facts || !check.stack)
		err = -ENOMEM;
	else
		err = check_all(&check, base ? btf__type_cnt(base) : 1);
	free(check.stack);
	free(check.facts);
	return err;
}
