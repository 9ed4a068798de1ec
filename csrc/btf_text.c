/*
 * The text of a BTF dump, gathered in C.
 *
 * libbpf's dumper prints through a callback that takes a va_list, which CFFI cannot express, and calls it for
 * every few characters. So the callback is here: it formats into one growing buffer, which Python reads once.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

#define FIRST_CAPACITY ((size_t)4096)

/* All types of a kernel are some 4 MiB of text. Without a limit, names that are used again and again fill the memory. */
#define MAX_CAPACITY ((size_t)1 << 28)

struct lbc_text *lbc_text__new(void)
{
	return calloc(1, sizeof(struct lbc_text));
}

void lbc_text__free(struct lbc_text *text)
{
	if (!text)
		return;
	free(text->data);
	free(text);
}

void lbc_text__reset(struct lbc_text *text)
{
	if (!text)
		return;
	text->len = 0;
	text->error = 0;
	if (text->data)
		text->data[0] = '\0';
}

/* Make room for `more` bytes and the NUL after them. */
static int reserve(struct lbc_text *text, size_t more)
{
	size_t wanted, cap;
	char *data;

	if (more >= MAX_CAPACITY - text->len)
		return -EFBIG;
	wanted = text->len + more + 1;
	if (wanted <= text->cap)
		return 0;
	cap = text->cap ? text->cap * 2 : FIRST_CAPACITY;
	if (cap < wanted)
		cap = wanted;
	if (cap > MAX_CAPACITY)
		cap = MAX_CAPACITY;
	data = realloc(text->data, cap);
	if (!data)
		return -ENOMEM;
	text->data = data;
	text->cap = cap;
	return 0;
}

/*
 * After the first failure nothing more is written: a text with a hole in its middle would look whole. The
 * dumper hears nothing of its sink's failures, so the reader must look at `error`.
 */
static void append(void *ctx, const char *format, va_list args)
{
	struct lbc_text *text = ctx;
	int saved = errno;
	va_list again;
	int needed;

	if (text->error)
		return;
	va_copy(again, args);
	needed = vsnprintf(text->data ? text->data + text->len : NULL, text->cap - text->len, format, args);
	if (needed < 0) {
		text->error = -errno;
		if (text->data)
			text->data[text->len] = '\0';
	} else if ((size_t)needed >= text->cap - text->len) {
		text->error = reserve(text, needed);
		if (!text->error)
			vsnprintf(text->data + text->len, text->cap - text->len, format, again);
		else if (text->data)
			text->data[text->len] = '\0';
	}
	if (!text->error)
		text->len += needed;
	va_end(again);
	errno = saved;
}

struct btf_dump *lbc_btf_dump__new(const struct btf *btf, struct lbc_text *text,
				   const struct btf_dump_opts *opts)
{
	if (!btf || !text) {
		errno = EINVAL;
		return NULL;
	}
	return btf_dump__new(btf, append, text, opts);
}
