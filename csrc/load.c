/*
 * Load with the calling thread's signals blocked.
 *
 * The verifier gives up with EAGAIN whenever a signal is pending for the thread; libbpf tries again five times and
 * then fails, so that a 20 Hz timer makes every long load fail. Here, because between a pthread_sigmask() in Python
 * and the call Python may run handlers.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "core_match.h"
#include "program.h"

/* The faults of the thread itself are never blocked: a blocked one would kill the process without its handler. */
static void block_signals(sigset_t *old)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	sigdelset(&set, SIGFPE);
	sigdelset(&set, SIGILL);
	sigdelset(&set, SIGTRAP);
	sigdelset(&set, SIGABRT);
	pthread_sigmask(SIG_BLOCK, &set, old);
}

/*
 * The outcome goes where the caller can still find it: a signal that comes in at the unblocking raises its exception in
 * Python before the call's own value could be stored there.
 */
static void with_signals_blocked(int (*function)(struct bpf_object *), struct bpf_object *obj, int *result)
{
	sigset_t old;

	block_signals(&old);
	lbc_core_begin();
	*result = function(obj);
	if (*result < 0 && lbc_core_is_over())
		*result = -E2BIG;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void lbc_object_prepare(struct bpf_object *obj, int *result)
{
	with_signals_blocked(bpf_object__prepare, obj, result);
}

void lbc_object_load(struct bpf_object *obj, int *result)
{
	with_signals_blocked(bpf_object__load, obj, result);
}

/* In one call: an exception in between would leave descriptors to be closed twice. */
void lbc_object_generate(struct bpf_object *obj, struct gen_loader_opts *opts, int *result)
{
	*result = lbc_object_begin_generating(obj, opts);
	if (!*result)
		with_signals_blocked(bpf_object__load, obj, result);
	lbc_object_end_generating(obj);
}

struct lbc_prog *lbc_prog__load(enum bpf_prog_type type, const char *name, const char *license,
				const struct bpf_insn *insns, size_t insn_cnt, struct bpf_prog_load_opts *opts)
{
	sigset_t old;
	int fd;

	block_signals(&old);
	fd = bpf_prog_load(type, name, license, insns, insn_cnt, opts);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return lbc_prog_hold(fd);
}
