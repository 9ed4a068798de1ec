/*
 * libbpf's comparison of types for CO-RE, with an end.
 *
 * A relocation may ask whether a type matches the kernel's of its name (BPF_CORE_TYPE_MATCHES). libbpf looks for each
 * member among all of the kernel's, and from there on for each of its members, 32 deep; and a prototype that takes
 * prototypes (BPF_CORE_TYPE_EXISTS) is compared in as many ways as lead to it. A small file can ask for more than a
 * year. Neither can be told before, as it takes both sides' types; so names and types that are compared are counted,
 * where libbpf calls something that can be replaced: relo_core.c is compiled through this file. When there were too
 * many, no name is equal to another any more, the next comparison of types fails, and so does the next instruction that
 * is to be changed: an enumeration is compared by its names only, and one that does not match is no error. So the load
 * fails, with E2BIG.
 */
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "libbpf_internal.h"
#include "core_match.h"

/*
 * How much is compared in one load, in names of up to 16 bytes: a second. To ask for a task_struct as a kernel 6.18 has
 * it takes 569.
 */
#define MOST_COMPARED ((__u64)1 << 26)
#define BYTES 16

/* No value of BPF_CLASS(). */
#define NO_CLASS 0xff

static _Thread_local __u64 compared;

void lbc_core_begin(void)
{
	compared = 0;
}

int lbc_core_is_over(void)
{
	return compared > MOST_COMPARED;
}

/* Give a name that is compared; for two, one after the other, different names when it is over. */
static const char *name_compared(const struct btf *btf, __u32 offset)
{
	const char *name;

	if (lbc_core_is_over())
		return ++compared & 1 ? "a" : "b";
	name = btf__name_by_offset(btf, offset);
	compared += 1 + (name ? strlen(name) / BYTES : 0);
	return name;
}

static const struct btf_type *type_compared(const struct btf *btf, __u32 id, __u32 *res_id)
{
	compared++;
	return lbc_core_is_over() ? NULL : skip_mods_and_typedefs(btf, id, res_id);
}

/* Give the class of an instruction that is changed; one that there is not when it is over, which is an error. */
static __u8 class_changed(__u8 code)
{
	return lbc_core_is_over() ? NO_CLASS : code & 7;
}

/* The names of the functions are known when this is compiled: elsewhere it is what it was. */
#define IS_IN(name) (!__builtin_strcmp(__func__, name))
#define btf__name_by_offset(btf, offset) \
	(IS_IN("bpf_core_names_match") ? name_compared(btf, offset) : btf__name_by_offset(btf, offset))
#define skip_mods_and_typedefs(btf, id, res_id) \
	(IS_IN("__bpf_core_types_match") || IS_IN("__bpf_core_types_are_compat") ? type_compared(btf, id, res_id) : \
										   skip_mods_and_typedefs(btf, id, res_id))
#undef BPF_CLASS
#define BPF_CLASS(code) (IS_IN("bpf_core_patch_insn") ? class_changed(code) : (code) & 7)

#include "relo_core.c"
