/* What ringbuf_open.c and ringbuf.c share: who is in a reader, and who is reading a ring. */
#ifndef LBC_RINGBUF_H
#define LBC_RINGBUF_H

#include <linux/types.h>

#include "cdef/lbc.h"
#include "ring_gate.h"

/* A ring as the process knows it, by the map's id: whether somebody is reading it. */
struct lbc_ring_claim {
	struct lbc_ring_claim *next;
	__u32 map_id;
	unsigned int users;
	unsigned int busy;
};

/* How many forks this process is away from the one that loaded the extension. */
extern unsigned int lbc_ring_generation;

#endif
