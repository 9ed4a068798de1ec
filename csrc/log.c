/*
 * libbpf's messages, kept for the thread that caused them.
 *
 * libbpf reports through one process-wide hook that takes a va_list, which CFFI cannot express, and it calls the
 * hook in the middle of its own work, where no Python code may run. So the hook formats here and appends to a
 * list of the calling thread; Python takes the list after the call (libbpf_cffi/_log.py). A verifier's log comes
 * as one message of any size.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "cdef/lbc.h"
#include "log.h"

/*
 * What a thread may pile up without anybody taking it: raw calls through `lib` are followed by no take. The largest
 * message is not counted: a verifier's log has no limit but libbpf's (4 GiB), and must not be lost to the few lines that
 * follow it.
 */
#define MAX_PENDING_BYTES ((size_t)64 << 20)
#define MAX_PENDING 4096

struct thread_log {
	struct lbc_message *first, *last;
	size_t bytes, largest;
	unsigned int count;
	unsigned int dropped;
	int level;
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int key_error;

void lbc_log_free(struct lbc_message *message)
{
	while (message) {
		struct lbc_message *next = message->next;

		free(message);
		message = next;
	}
}

static void free_thread_log(void *pointer)
{
	struct thread_log *log = pointer;

	lbc_log_free(log->first);
	free(log);
}

static void make_key(void)
{
	key_error = pthread_key_create(&key, free_thread_log);
}

static struct thread_log *thread_log(void)
{
	struct thread_log *log;

	if (pthread_once(&once, make_key) || key_error)
		return NULL;
	log = pthread_getspecific(key);
	if (log)
		return log;
	log = calloc(1, sizeof(*log));
	if (!log)
		return NULL;
	log->level = LIBBPF_INFO;
	if (pthread_setspecific(key, log)) {
		free(log);
		return NULL;
	}
	return log;
}

static void drop_first(struct thread_log *log)
{
	struct lbc_message *message = log->first, *next;

	log->first = message->next;
	if (!log->first)
		log->last = NULL;
	log->bytes -= message->size;
	log->count--;
	log->dropped++;
	if (message->size == log->largest) {
		log->largest = 0;
		for (next = log->first; next; next = next->next)
			if (next->size > log->largest)
				log->largest = next->size;
	}
	free(message);
}

/* Tell whether one more message, of `size` bytes, needs room made for it. */
static int full(const struct thread_log *log, size_t size)
{
	size_t largest = size > log->largest ? size : log->largest;

	return log->count >= MAX_PENDING || log->bytes + size - largest > MAX_PENDING_BYTES;
}

static int keep(enum libbpf_print_level level, const char *format, va_list args)
{
	struct thread_log *log = thread_log();
	struct lbc_message *message;
	va_list again;
	int size;

	if (!log || (int)level > log->level)
		return 0;

	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (size < 0) {
		log->dropped++;
		return 0;
	}

	message = malloc(sizeof(*message) + (size_t)size + 1);
	if (!message) {
		log->dropped++;
		return 0;
	}
	vsnprintf((char *)(message + 1), (size_t)size + 1, format, args);
	message->next = NULL;
	message->level = (int)level;
	message->size = (size_t)size;
	message->text = (const char *)(message + 1);

	while (log->first && full(log, message->size))
		drop_first(log);
	if (log->last)
		log->last->next = message;
	else
		log->first = message;
	log->last = message;
	log->bytes += message->size;
	if (message->size > log->largest)
		log->largest = message->size;
	log->count++;
	return size;
}

void *lbc_log_lend(void)
{
	return thread_log();
}

void lbc_log_borrow(void *log)
{
	if (!pthread_once(&once, make_key) && !key_error)
		pthread_setspecific(key, log);
}

void lbc_log_install(void)
{
	libbpf_set_print(keep);
}

int lbc_log_set_level(int level)
{
	struct thread_log *log = thread_log();

	if (!log)
		return -ENOMEM;
	log->level = level;
	return 0;
}

int lbc_log_pending(void)
{
	struct thread_log *log = thread_log();

	return log && (log->first || log->dropped);
}

struct lbc_message *lbc_log_take(unsigned int *dropped)
{
	struct thread_log *log = thread_log();
	struct lbc_message *first;

	*dropped = 0;
	if (!log)
		return NULL;
	first = log->first;
	*dropped = log->dropped;
	log->first = log->last = NULL;
	log->bytes = log->largest = 0;
	log->count = 0;
	log->dropped = 0;
	return first;
}
