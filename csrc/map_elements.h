/* Counting calls in and out, so that nobody closes what one is using. Include cdef/lbc.h first. Used by map.c and map_bulk.c. */
#ifndef LBC_MAP_ELEMENTS_H
#define LBC_MAP_ELEMENTS_H


/* How many forks this process is away from the one that loaded the extension. */
extern unsigned int lbc_generation;

static inline void lbc_leave(struct lbc_elements *elements)
{
	__atomic_fetch_sub(&elements->users, 1, __ATOMIC_SEQ_CST);
}

static inline int lbc_enter(struct lbc_elements *elements)
{
	if (elements->generation != lbc_generation)
		return 0;
	__atomic_fetch_add(&elements->users, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&elements->closed, __ATOMIC_SEQ_CST))
		return 1;
	lbc_leave(elements);
	return 0;
}

#endif
