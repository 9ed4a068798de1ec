/* What perf buffers' readers have of ring buffers' (ringbuf_open.c): how a call goes in and out, and takes signals back. */
#ifndef LBC_RING_GATE_H
#define LBC_RING_GATE_H

struct lbc_ring_reader;

int lbc_ring_enter(struct lbc_ring_reader *reader);
void lbc_ring_leave(struct lbc_ring_reader *reader);
void lbc_ring_calm(struct lbc_ring_reader *reader);

#endif
