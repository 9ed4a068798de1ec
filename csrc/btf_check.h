/*
 * What the parts of the check of a BTF share: btf_check.c walks from type to type, btf_check_type.c looks at each by
 * itself.
 */
#ifndef LBC_BTF_CHECK_H
#define LBC_BTF_CHECK_H

#include <stddef.h>

#include "btf.h"

struct check {
	const struct btf *btf;
	struct facts *facts;
	struct frame *stack;
	__u32 count;	/* of types, those of the base and void included */
	__u32 pointer_size;
	__u64 all_steps, all_text, all_names;
	char *why;
	size_t why_size;
};

static inline const char *name_at(const struct check *check, __u32 offset)
{
	const char *name = btf__str_by_offset(check->btf, offset);

	return name ? name : "";
}

/* Say what is wrong with a type; for `return lbc_btf_bad(…)`. */
__attribute__((format(printf, 3, 4))) int lbc_btf_bad(struct check *check, __u32 id, const char *format, ...);

/* Check a type by itself: 0, or -EINVAL. */
int lbc_btf_check_type(struct check *check, __u32 id, const struct btf_type *t);

#endif
