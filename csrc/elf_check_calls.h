/*
 * What is known of the functions of an object: elf_check_calls.c finds what they call, elf_check_ext.c what .BTF.ext has
 * for them.
 */
#ifndef LBC_ELF_CHECK_CALLS_H
#define LBC_ELF_CHECK_CALLS_H

#include <stdint.h>

#include "elf_check.h"

/* As libbpf counts them: the size of struct reloc_desc. */
#define RELOCATION ((uint64_t)24)

/* In instructions, where no unit is told. */
struct function {
	uint32_t section;
	uint32_t start;
	uint32_t size;
	uint32_t names;		/* how many functions are the same */
	uint32_t mark;		/* the last program that it was appended to */
	uint64_t extra;		/* bytes of relocations and records */
	uint64_t looked_at;	/* records, to find those of it */
	uint64_t edges, edge_end;
};

/* A relocation: where it is, and the instruction of .text that its symbol stands for. */
struct place {
	uint32_t section;
	uint32_t insn;
	uint32_t to;
};

#define NOWHERE UINT32_MAX

struct calls {
	struct object *object;
	uint32_t text;
	struct function *functions;	/* by their places */
	uint64_t count;
	struct place *places;		/* in their order; of one instruction those of functions first */
	uint64_t place_count;
	uint32_t *edges;
	uint64_t edge_count, edge_room;
	uint64_t appended, looked_at;
	int callbacks;
};

/* Find the function that an instruction is in as libbpf does: the last one that begins there or before; or NULL. */
struct function *lbc_elf_function(const struct calls *calls, uint32_t section, uint64_t insn);

/* Give the index of the first function of a section, which the others follow. */
uint64_t lbc_elf_first_function(const struct calls *calls, uint32_t section);

/* Give the index of the first relocation that is not before an instruction. */
uint64_t lbc_elf_place(const struct calls *calls, uint32_t section, uint64_t insn);

/* Tell whether a relocation is there, and is of that instruction. */
int lbc_elf_is_place(const struct calls *calls, uint64_t place, uint32_t section, uint64_t insn);

/* Check .BTF.ext, and add to each function what it has for it: 0, or a negative errno. */
int lbc_elf_check_ext(struct calls *calls);

#endif
