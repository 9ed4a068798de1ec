/*
 * An ELF file, of which nothing is taken for granted: its header, its sections and their names (elf_file.c).
 *
 * It is in memory, or open: then it is read by pread(), so that a file that shrinks meanwhile is an error and no SIGBUS.
 */
#ifndef LBC_ELF_FILE_H
#define LBC_ELF_FILE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

/* A section, of either class and either byte order. */
struct elf_section {
	uint32_t name;
	uint32_t type;
	uint64_t flags;
	uint64_t offset;
	uint64_t size;
	uint32_t link;
	uint32_t info;
	uint64_t align;
	uint64_t entry;
};

struct elf_file {
	const unsigned char *memory;	/* or NULL */
	int fd;
	uint64_t size;
	char *why;			/* where what is wrong is told */
	size_t why_size;

	/* What lbc_elf_open() finds. */
	int is64;
	int swapped;
	uint16_t type;
	uint16_t machine;
	uint64_t segments;
	uint32_t segment_count;
	uint32_t segment_size;
	uint64_t table;			/* of sections: where it is */
	unsigned char *headers;
	uint64_t count;
	struct elf_section names;
};

/*
 * Read the header and the table of sections, and check that each section lies in the file: 0, or a negative errno, which
 * for what is malformed is -LIBBPF_ERRNO__FORMAT. A file without sections has a count of 0. Close it in either case.
 */
int lbc_elf_open(struct elf_file *file);
void lbc_elf_close(struct elf_file *file);

/* Give a section whose index is below the count; read of the file, all or -EIO. */
struct elf_section lbc_elf_section(const struct elf_file *file, uint64_t index);
int lbc_elf_read(const struct elf_file *file, void *buffer, uint64_t size, uint64_t offset);

/* Whether a section is there as bytes, and lies in the file. */
int lbc_elf_inside(const struct elf_file *file, uint64_t offset, uint64_t size);

/* Check that a section is a table of strings, the last of which ends; the other is the one that says so, or 0. */
int lbc_elf_check_strings(struct elf_file *file, uint64_t from, uint64_t index);

/* Check that a table has entries of the one size that there is, is not compressed, and ends with an entry. */
int lbc_elf_check_table(struct elf_file *file, uint64_t index, uint64_t entry);

/* Tell what is wrong with the file, or with a section of it; for `return lbc_elf_bad(…)`. */
__attribute__((format(printf, 2, 3))) int lbc_elf_bad(struct elf_file *file, const char *format, ...);
__attribute__((format(printf, 3, 4))) int lbc_elf_bad_section(struct elf_file *file, uint64_t index,
							      const char *format, ...);

static inline uint16_t lbc_elf_16(const struct elf_file *file, uint16_t value)
{
	return file->swapped ? __builtin_bswap16(value) : value;
}

static inline uint32_t lbc_elf_32(const struct elf_file *file, uint32_t value)
{
	return file->swapped ? __builtin_bswap32(value) : value;
}

static inline uint64_t lbc_elf_64(const struct elf_file *file, uint64_t value)
{
	return file->swapped ? __builtin_bswap64(value) : value;
}

#endif
