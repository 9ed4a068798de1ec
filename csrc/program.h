/* What program.c has for load.c. */
#ifndef LBC_PROGRAM_H
#define LBC_PROGRAM_H

struct lbc_prog *lbc_prog_hold(int fd);

#endif
