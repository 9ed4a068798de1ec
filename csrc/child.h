/*
 * Work for a child process, which may crash in it or come to no end (child.c).
 */
#ifndef LBC_CHILD_H
#define LBC_CHILD_H

#include <stddef.h>

struct child_limits {
	unsigned int seconds;	/* of CPU time; ten times as many of any */
	size_t memory;		/* bytes more than its parent has; 0: as many as there are */
	size_t output;		/* bytes of a file */
};

/*
 * Fork a child that does the work, reports its result ('r'), and ends; give its process id or a negative errno. `output`
 * is a descriptor that the work needs, or -1; `report` is where the child tells what happens.
 */
int lbc_child_start(int (*work)(void *argument), void *argument, int output, int report,
		    const struct child_limits *limits);

/* In the child: add to the report an entry of that kind. */
__attribute__((format(printf, 2, 3))) void lbc_child_tell(char kind, const char *format, ...);

#endif
