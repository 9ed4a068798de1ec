/* What program.c and link_perf.c have for load.c. */
#ifndef LBC_PROGRAM_H
#define LBC_PROGRAM_H

struct lbc_prog *lbc_prog_hold(int fd);

int lbc_object_begin_generating(struct bpf_object *obj, struct gen_loader_opts *opts);
void lbc_object_end_generating(struct bpf_object *obj);

#endif
