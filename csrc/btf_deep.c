/*
 * What recurses as deep as types refer to each other, on a stack that is as large.
 *
 * btf_dump__dump_type() and btf__dedup() call themselves for each type that a type leads to. A chain of structs that
 * point to each other may be as long as the BTF; a thread's usual stack ends after some 20,000. Here each runs in a
 * thread of its own, whose stack is made for the number of types. It takes memory only where it is used.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "log.h"

/* Bytes of stack: a type takes one or two frames of 100 to 200 bytes. */
#define STACK_BASE ((size_t)1 << 20)
#define STACK_A_TYPE ((size_t)1 << 10)

struct work {
	int (*function)(struct work *work);
	void *log;
	int result;
	struct btf *btf;
	const struct btf_dedup_opts *opts;
	struct btf_dump *dump;
	__u32 first, last;
};

static void *run(void *arg)
{
	struct work *work = arg;

	lbc_log_borrow(work->log);
	work->result = work->function(work);
	lbc_log_borrow(NULL);
	return NULL;
}

static int run_deep(struct work *work, __u32 types)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int err;

	work->log = lbc_log_lend();
	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	err = pthread_attr_setstacksize(&attr, STACK_BASE + STACK_A_TYPE * types);
	if (!err) {
		/* Signals are for the thread that waits. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		err = pthread_create(&thread, &attr, run, work);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	pthread_attr_destroy(&attr);
	if (err)
		return -err;
	pthread_join(thread, NULL);
	return work->result;
}

static int dump_types(struct work *work)
{
	__u32 id;
	int err;

	for (id = work->first; id <= work->last; id++) {
		err = btf_dump__dump_type(work->dump, id);
		if (err)
			return err;
	}
	return 0;
}

int lbc_btf_dump__dump_types(struct btf_dump *dump, const struct btf *btf, __u32 first, __u32 last)
{
	struct work work = { .function = dump_types, .dump = dump, .first = first, .last = last };

	if (!dump || !btf || first > last || last >= btf__type_cnt(btf))
		return -EINVAL;
	return run_deep(&work, btf__type_cnt(btf));
}

static int dedup(struct work *work)
{
	return btf__dedup(work->btf, work->opts);
}

int lbc_btf__dedup(struct btf *btf, const struct btf_dedup_opts *opts)
{
	struct work work = { .function = dedup, .btf = btf, .opts = opts };

	if (!btf)
		return -EINVAL;
	return run_deep(&work, btf__type_cnt(btf));
}
