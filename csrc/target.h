/* What the copy of a file that probes go into (target_copy.c) and its check (target.c) share. */
#ifndef LBC_TARGET_H
#define LBC_TARGET_H

#include "elf_file.h"

/* Tell whether a section of notes is that of USDT probes. */
int lbc_target_has_usdt(const struct elf_file *file, const struct elf_section *section);

/*
 * Make a copy fit for libbpf, and check that it can read it: 0, or a negative errno, with what is wrong in the original's
 * `why`.
 */
int lbc_target_check(int fd, const struct elf_file *original);

#endif
