/*
 * A C loader, the reference of load.py and startup.py: what libbpf costs when nothing else is in the way.
 *
 * As a program (`loader OBJECT`) it opens, loads and attaches the object, says "attached" and how many seconds
 * of CPU time it has used, and ends when its standard input does. As a library it has loader_cycle(), which does
 * the same once and measures each step.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"

enum { OPEN, LOAD, ATTACH, DETACH, CLOSE, STEPS };

struct cycle {
	struct bpf_object *obj;
	struct bpf_link **links;
	int count;
};

/* Attach what skeletons attach: every program that is loaded and whose section says to what. */
static int attach(struct cycle *cycle)
{
	struct bpf_program *prog;
	int programs = 0;

	bpf_object__for_each_program(prog, cycle->obj)
		programs++;
	cycle->links = calloc(programs, sizeof(*cycle->links));
	if (programs && !cycle->links)
		return -ENOMEM;
	bpf_object__for_each_program(prog, cycle->obj) {
		struct bpf_link *link;

		if (!bpf_program__autoload(prog) || !bpf_program__autoattach(prog))
			continue;
		link = bpf_program__attach(prog);
		if (link)
			cycle->links[cycle->count++] = link;
		else if (errno != EOPNOTSUPP)
			return -errno;
	}
	return 0;
}

static void detach(struct cycle *cycle)
{
	while (cycle->count)
		bpf_link__destroy(cycle->links[--cycle->count]);
	free(cycle->links);
	cycle->links = NULL;
}

static int start(struct cycle *cycle, const char *path, void (*done)(int step, void *context), void *context)
{
	int err;

	cycle->obj = bpf_object__open_file(path, NULL);
	if (!cycle->obj)
		return -errno;
	done(OPEN, context);
	err = bpf_object__load(cycle->obj);
	if (err)
		return err;
	done(LOAD, context);
	err = attach(cycle);
	if (err)
		return err;
	done(ATTACH, context);
	return 0;
}

struct clock {
	long long *steps;
	struct timespec since;
};

static void lap(int step, void *context)
{
	struct clock *clock = context;
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	clock->steps[step] = (now.tv_sec - clock->since.tv_sec) * 1000000000LL + now.tv_nsec - clock->since.tv_nsec;
	clock->since = now;
}

/* Run through the life of the object, and write the CPU nanoseconds of each of the five steps to `steps`. */
__attribute__((visibility("default"))) int loader_cycle(const char *path, long long steps[STEPS])
{
	struct cycle cycle = {};
	struct clock clock = { .steps = steps };
	int err;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &clock.since);
	err = start(&cycle, path, lap, &clock);
	detach(&cycle);
	lap(DETACH, &clock);
	bpf_object__close(cycle.obj);
	lap(CLOSE, &clock);
	return err;
}

static void no_clock(int step, void *context)
{
	(void)step;
	(void)context;
}

int main(int argc, char **argv)
{
	struct cycle cycle = {};
	struct timespec now;
	char byte;
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: %s OBJECT\n", argv[0]);
		return 2;
	}
	err = start(&cycle, argv[1], no_clock, NULL);
	if (err) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	printf("attached %ld.%09ld\n", (long)now.tv_sec, now.tv_nsec);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	detach(&cycle);
	bpf_object__close(cycle.obj);
	return 0;
}
