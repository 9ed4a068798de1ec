/*
 * libbpf's bpf(2) calls, with a place to stand at: each of them is made by one static function of libbpf's bpf.c.
 *
 * So that file is compiled through this one, and its call of syscall() goes to ours. Ours does two things when asked,
 * and costs one look at a flag when not: it keeps a record of each call for Python (libbpf_cffi/syscalls.py), and it
 * lets one call fail, which is how the tests see what becomes of every failure that the kernel may have in store.
 *
 * What a call points to is copied as the kernel would copy it, so that a wrong address of somebody who calls the
 * functions of `lib` by hand is EFAULT here as well, and no SIGSEGV.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>

/* It has calls of its own, which are others. */
#include "libbpf_internal.h"

static long hooked_syscall(long number, int command, union bpf_attr *attr, unsigned int size);

#define syscall hooked_syscall
#include "bpf.c"
#undef syscall

#include "cdef/lbc.h"

/* A program has a million instructions at most (BPF_COMPLEXITY_LIMIT_INSNS), a path PATH_MAX bytes. */
#define MAX_INSNS_SIZE ((size_t)8000000)
#define MAX_TEXT_SIZE ((size_t)4096)

enum { RECORDING = 1, FAILING = 2 };

static atomic_int active;
static atomic_uint recorders;
static atomic_int fail_command, fail_countdown, fail_error;

/* Newest first. No lock: one may be held by another thread when the process forks. */
static _Atomic(struct lbc_syscall *) calls;
static atomic_size_t held_bytes;
static atomic_uint dropped_calls;
static atomic_size_t most_bytes;

static __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (__u64)time.tv_sec * 1000000000u + (__u64)time.tv_nsec;
}

/* The field's address if the caller's attr is long enough to have the whole field. */
#define HAS(size, field) ((size) >= offsetof(union bpf_attr, field) + sizeof(((union bpf_attr *)0)->field))

static __u64 text_of(int command, const union bpf_attr *attr, unsigned int size)
{
	switch (command) {
	case BPF_PROG_LOAD:
		return HAS(size, license) ? attr->license : 0;
	case BPF_OBJ_PIN:
	case BPF_OBJ_GET:
		return HAS(size, pathname) ? attr->pathname : 0;
	case BPF_RAW_TRACEPOINT_OPEN:
		return HAS(size, raw_tracepoint.name) ? attr->raw_tracepoint.name : 0;
	case BPF_LINK_CREATE:
		return HAS(size, link_create.uprobe_multi.path) && attr->link_create.attach_type == BPF_TRACE_UPROBE_MULTI
			? attr->link_create.uprobe_multi.path : 0;
	default:
		return 0;
	}
}

/* Copy a string that may end anywhere, a page at a time; give its length without the NUL. */
static size_t copy_text(char *buffer, __u64 address)
{
	size_t done = 0;

	while (done < MAX_TEXT_SIZE) {
		size_t part = 4096 - (size_t)((address + done) & 4095);
		char *end;

		if (part > MAX_TEXT_SIZE - done)
			part = MAX_TEXT_SIZE - done;
		if (lbc_memory_copy(buffer + done, (void *)(uintptr_t)(address + done), part, 0))
			break;
		end = memchr(buffer + done, 0, part);
		if (end)
			return (size_t)(end - buffer);
		done += part;
	}
	return done;
}

static struct lbc_syscall *begin_record(int command, const union bpf_attr *attr, unsigned int size)
{
	char text[MAX_TEXT_SIZE];
	size_t known = size < sizeof(*attr) ? size : sizeof(*attr);
	size_t text_size = 0, insns_size = 0, total;
	struct lbc_syscall *call;
	__u64 address = text_of(command, attr, size);

	if (address)
		text_size = copy_text(text, address);
	if (command == BPF_PROG_LOAD && HAS(size, insns) && attr->insns) {
		insns_size = (size_t)attr->insn_cnt * sizeof(struct bpf_insn);
		if (insns_size > MAX_INSNS_SIZE)
			insns_size = MAX_INSNS_SIZE;
	}
	total = sizeof(*call) + text_size + insns_size;
	if (atomic_load(&held_bytes) + total > atomic_load(&most_bytes))
		return NULL;
	call = calloc(1, total);
	if (!call)
		return NULL;
	call->insns = (char *)(call + 1);
	call->insns_size = insns_size;
	if (insns_size && lbc_memory_copy(call->insns, (void *)(uintptr_t)attr->insns, insns_size, 0))
		call->insns_size = 0;
	call->text = call->insns + insns_size;
	call->text_size = text_size;
	memcpy(call->text, text, text_size);
	memcpy(&call->before, attr, known);
	call->command = command;
	call->size = size;
	call->allocated = total;
	call->thread = (__u32)syscall(SYS_gettid);
	call->started = now();
	return call;
}

static void end_record(struct lbc_syscall *call, const union bpf_attr *attr, long result, int error)
{
	size_t known = call->size < sizeof(*attr) ? call->size : sizeof(*attr);

	call->ended = now();
	call->result = result;
	call->error = result < 0 ? error : 0;
	memcpy(&call->after, attr, known);
	atomic_fetch_add(&held_bytes, call->allocated);
	call->next = atomic_load(&calls);
	while (!atomic_compare_exchange_weak(&calls, &call->next, call))
		;
}

/* Whether this call is the one to fail: give its errno, or 0. */
static int injected(int command)
{
	int wanted = atomic_load(&fail_command);

	if (wanted >= 0 && wanted != command)
		return 0;
	return atomic_fetch_sub(&fail_countdown, 1) == 1 ? atomic_load(&fail_error) : 0;
}

static long hooked_syscall(long number, int command, union bpf_attr *attr, unsigned int size)
{
	int what = atomic_load_explicit(&active, memory_order_relaxed);
	struct lbc_syscall *call = NULL;
	int error = 0;
	long result;

	if (__builtin_expect(!what, 1))
		return syscall(number, command, attr, size);
	if (what & RECORDING) {
		call = begin_record(command, attr, size);
		if (!call)
			atomic_fetch_add(&dropped_calls, 1);
	}
	if (what & FAILING)
		error = injected(command);
	if (error) {
		result = -1;
	} else {
		result = syscall(number, command, attr, size);
		error = errno;
	}
	if (call)
		end_record(call, attr, result, error);
	if (result < 0)
		errno = error;
	return result;
}

int lbc_syscalls_record(int on, size_t limit)
{
	if (on) {
		/* The largest limit of several that record. */
		if (limit > atomic_load(&most_bytes) || !atomic_load(&recorders))
			atomic_store(&most_bytes, limit);
		if (!atomic_fetch_add(&recorders, 1))
			atomic_fetch_or(&active, RECORDING);
	} else if (atomic_fetch_sub(&recorders, 1) == 1) {
		atomic_fetch_and(&active, ~RECORDING);
	}
	return 0;
}

struct lbc_syscall *lbc_syscalls_take(unsigned int *dropped)
{
	struct lbc_syscall *newest = atomic_exchange(&calls, NULL), *oldest = NULL;

	while (newest) {
		struct lbc_syscall *next = newest->next;

		atomic_fetch_sub(&held_bytes, newest->allocated);
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	*dropped = atomic_exchange(&dropped_calls, 0);
	return oldest;
}

void lbc_syscalls_free(struct lbc_syscall *call)
{
	while (call) {
		struct lbc_syscall *next = call->next;

		free(call);
		call = next;
	}
}

int lbc_syscalls_fail(int command, int count, int error)
{
	atomic_fetch_and(&active, ~FAILING);
	atomic_store(&fail_command, command);
	atomic_store(&fail_countdown, count);
	atomic_store(&fail_error, error);
	if (count > 0)
		atomic_fetch_or(&active, FAILING);
	return 0;
}

int lbc_syscalls_failed(void)
{
	return atomic_load(&fail_countdown) <= 0;
}
