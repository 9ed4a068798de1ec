/*
 * libbpf's deduplication of types, with an end.
 *
 * btf__dedup() compares each type with all that look the same at the first glance: of structs name, size and members'
 * names. Real ones are nearly all the same at the second glance too, and become one; of those that are made not to be,
 * each is compared with every other. And two structs that lead to each other's copies (btf_dedup_identical_types()) are
 * compared as often as there are ways to them. Neither can be told before; so comparisons are counted, where
 * libbpf calls something that can be replaced: btf.c is compiled through this file. When there were too many, nothing is
 * equal to anything any more, the rest takes a moment, and the outcome, which is of no use, is E2BIG. That is so for the
 * linker too, which deduplicates what it has put together.
 */
#include <errno.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "libbpf_internal.h"
#include "hashmap.h"

/*
 * How often types, and members of types, are compared: so often, and so often for each type. The 126,566 types of a
 * kernel 6.18 take 97 each, four kernels' types at once 100, those of 1,286 BPF objects at once 6.
 */
#define COMPARED ((__u64)1 << 24)
#define COMPARED_A_TYPE ((__u64)1 << 10)

static _Thread_local __u64 compared, most;

/* Give the kind of a type that is compared; for two, one after the other, different kinds when it is over. */
static __u16 kind_compared(const struct btf_type *t)
{
	compared++;
	return compared > most ? compared & 1 : btf_kind(t);
}

static __u16 vlen_compared(const struct btf_type *t)
{
	compared += btf_vlen(t);
	return btf_vlen(t);
}

/* As it is in hashmap.h, but for the end. */
#undef hashmap__for_each_key_entry
#define hashmap__for_each_key_entry(map, cur, _key) \
	for (cur = (map)->buckets ? (map)->buckets[hash_bits((map)->hash_fn((_key), (map)->ctx), (map)->cap_bits)] \
				  : NULL; \
	     cur && ++compared <= most; \
	     cur = cur->next) \
		if ((map)->equal_fn(cur->key, (_key), (map)->ctx))

/* The names of the functions are known when this is compiled: elsewhere it is what it was. */
#define IS_IN(name) (!__builtin_strcmp(__func__, name))
#define btf_kind(t) \
	(IS_IN("btf_dedup_is_equiv") || IS_IN("btf_dedup_identical_types") ? kind_compared(t) : btf_kind(t))
#define btf_vlen(t) \
	(IS_IN("btf_equal_enum_members") || IS_IN("btf_equal_enum64_members") || IS_IN("btf_shallow_equal_struct") || \
	 IS_IN("btf_equal_fnproto") || IS_IN("btf_compat_fnproto") ? vlen_compared(t) : btf_vlen(t))

#define btf__dedup dedup_while_counted
#include "btf.c"

#undef btf_kind
#undef btf_vlen
#undef btf__dedup

int btf__dedup(struct btf *btf, const struct btf_dedup_opts *opts)
{
	int error;

	compared = 0;
	most = COMPARED + COMPARED_A_TYPE * (btf ? btf__type_cnt(btf) : 0);
	error = dedup_while_counted(btf, opts);
	return compared > most ? libbpf_err(-E2BIG) : error;
}
