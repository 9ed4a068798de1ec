/* A BPF token: one call makes the descriptor and what holds it, so that no Ctrl-C comes between. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"

struct lbc_token *lbc_token__create(int bpffs_fd, struct bpf_token_create_opts *opts)
{
	struct lbc_token *token = malloc(sizeof(*token));
	int error;

	if (!token)
		return NULL;
	token->fd = bpf_token_create(bpffs_fd, opts);
	if (token->fd >= 0)
		return token;
	error = -token->fd;
	free(token);
	errno = error;
	return NULL;
}

void lbc_token__close(struct lbc_token *token)
{
	close(token->fd);
	free(token);
}
