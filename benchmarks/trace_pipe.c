/* What benchmarks/trace_pipe.py compares with: the work of `cat trace_pipe > /dev/null` and nothing else, and a writer
 * of lines that is quick enough to fill a buffer in a moment. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Read until there is nothing more, in the sizes that cat uses; give the number of bytes, or -errno. */
EXPORT long trace_read(const char *path)
{
	size_t size = 128 * 1024;
	long total = 0;
	ssize_t got;
	char *text;
	int fd;

	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	text = malloc(size);
	if (!text) {
		close(fd);
		return -ENOMEM;
	}
	while ((got = read(fd, text, size)) > 0)
		total += got;
	if (got < 0 && errno != EAGAIN)
		total = -errno;
	free(text);
	close(fd);
	return total;
}

struct job {
	int fd;
	int from;
	int to;
	int error;
};

static void *write_lines(void *arg)
{
	struct job *job = arg;
	char text[128];
	int size, i;

	for (i = job->from; i < job->to; i++) {
		size = snprintf(text, sizeof(text), "execve: pid=%d file=/usr/bin/true", i);
		if (write(job->fd, text, size) != size)
			job->error = errno ? errno : EIO;
	}
	return NULL;
}

/* Write lines, a number of them from each of several threads, one after the other. Give 0 or -errno. */
EXPORT int trace_write(const char *path, int lines, int lines_a_thread)
{
	struct job job = {};
	pthread_t thread;
	int error = 0;

	job.fd = open(path, O_WRONLY | O_CLOEXEC);
	if (job.fd < 0)
		return -errno;
	for (job.from = 0; job.from < lines && !error; job.from = job.to) {
		job.to = job.from + lines_a_thread < lines ? job.from + lines_a_thread : lines;
		error = pthread_create(&thread, NULL, write_lines, &job);
		if (!error)
			error = pthread_join(thread, NULL);
		if (!error)
			error = job.error;
	}
	close(job.fd);
	return -error;
}
