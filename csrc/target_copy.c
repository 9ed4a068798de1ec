/*
 * Files that probes go into: opened as another process sees their path, and copied.
 *
 * Whoever owns the file may change it at any moment, so what libbpf reads of it is copied first, and the copy is checked
 * (target.c), and read by libbpf (target_elf.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "target.h"

#ifndef SYS_openat2
/* The number is the same everywhere; older headers of a C library have no name for it. */
#define SYS_openat2 437
#endif

/* Of all that libbpf reads of a file: a browser with all its symbols has half of it. */
#define MAX_COPIED ((uint64_t)1 << 30)

/* Open a file below a folder that is taken for the root, as its process does; -1: our own root. */
int lbc_target_open(int root_fd, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
	int fd;

	if (root_fd < 0) {
		fd = open(path, (int)how.flags);
		return fd < 0 ? -errno : fd;
	}
	/* The links of that root are followed inside it, which openat() would not do. */
	how.resolve = RESOLVE_IN_ROOT;
	fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* Copy a part of the file to where it is in the other; what is zero need not be written. */
static int copy_part(const struct elf_file *file, int to, uint64_t offset, uint64_t size)
{
	static const unsigned char zeros[1 << 13];
	unsigned char part[sizeof(zeros)];

	while (size) {
		uint64_t now = size < sizeof(part) ? size : sizeof(part);
		int error = lbc_elf_read(file, part, now, offset);

		if (error)
			return error;
		if (memcmp(part, zeros, now)) {
			ssize_t written = pwrite(to, part, now, (off_t)offset);

			if (written != (ssize_t)now)
				return written < 0 ? -errno : -ENOMEM;
		}
		offset += now;
		size -= now;
	}
	return 0;
}

static int is_read(const struct elf_file *file, const struct elf_section *section)
{
	switch (section->type) {
	case SHT_SYMTAB:
	case SHT_DYNSYM:
	case SHT_STRTAB:
	case SHT_GNU_versym:
	case SHT_GNU_verdef:
		return 1;
	case SHT_NOTE:
		return lbc_target_has_usdt(file, section);
	default:
		return 0;
	}
}

/* Copy the header, the tables of segments and sections, and the sections that libbpf reads. */
static int copy_file(struct elf_file *file, int to)
{
	uint64_t header = file->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr), total = 0, i;
	uint64_t segments = (uint64_t)file->segment_count * file->segment_size;
	int error;

	if (file->segment_count && (file->segment_size != (file->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
				    !lbc_elf_inside(file, file->segments, segments)))
		return lbc_elf_bad(file, "the header: e_phoff is %llu, e_phnum is %u, e_phentsize is %u, and the file "
				   "has %llu bytes", (unsigned long long)file->segments, file->segment_count,
				   file->segment_size, (unsigned long long)file->size);
	/* The number is in the first section then, is of 32 bits, and libbpf would read as many, copied or not. */
	if (file->segment_count == PN_XNUM)
		return lbc_elf_bad(file, "the header: e_phnum is %u, and no program has so many", file->segment_count);
	if (ftruncate(to, (off_t)file->size))
		return -errno;
	error = copy_part(file, to, 0, file->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr));
	if (!error)
		error = copy_part(file, to, file->segments, segments);
	if (!error)
		error = copy_part(file, to, file->table, file->count * header);
	for (i = 1; i < file->count && !error; i++) {
		struct elf_section section = lbc_elf_section(file, i);

		if (!is_read(file, &section))
			continue;
		total += section.size;
		if (total > file->size || total > MAX_COPIED)
			return lbc_elf_bad_section(file, i, "sh_offset is %llu, sh_size is %llu: sections overlap, or have "
						   "more than %llu bytes", (unsigned long long)section.offset,
						   (unsigned long long)section.size, (unsigned long long)MAX_COPIED);
		error = copy_part(file, to, section.offset, section.size);
	}
	return error;
}

/*
 * Copy what libbpf reads of an ELF file, and check that it can: the descriptor of the copy, which is the caller's to
 * close, or a negative errno, with what is wrong.
 */
int lbc_target_copy(int fd, char *why, size_t why_size)
{
	struct elf_file file = { .fd = fd, .why = why, .why_size = why_size };
	struct stat status;
	int error, copy;

	if (fstat(fd, &status))
		return -errno;
	file.size = (uint64_t)status.st_size;
	copy = memfd_create("libbpf_cffi target", MFD_CLOEXEC);
	if (copy < 0)
		return -errno;
	error = lbc_elf_open(&file);
	if (!error)
		error = copy_file(&file, copy);
	lbc_elf_close(&file);
	if (!error)
		error = lbc_target_check(copy, &file);
	if (error)
		close(copy);
	return error ? error : copy;
}
