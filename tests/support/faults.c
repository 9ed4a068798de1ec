/*
 * Let calls of the C library fail, one at a time, for chosen shared objects of this process.
 *
 * Their global offset tables are rewritten: what they call then comes here first, and nobody else's calls do. That
 * needs no LD_PRELOAD, which would see the calls of the whole process and has to be there from its start, and no
 * ptrace, under which a call takes a hundred times as long. It also counts the blocks of memory that such an object
 * has taken and not given back.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	MEMORY = 1, OPEN = 2, MMAP = 4, IOCTL = 8, EPOLL = 16, TIMER = 32, CLONE = 64, SOCKET = 128, READ = 256,
	DUP = 512, BPF = 1024, PERF = 2048, PIDFD = 4096, FILES = 8192, WAIT = 16384, WRITE = 32768, CREATE = 65536,
	KINDS = 17,
};


/* Shared with the children of this process, whose calls count too. */
static struct state {
	atomic_int countdown, chosen, failure, happened;
	atomic_uint seen[KINDS];
	atomic_uintptr_t failed_at;
	_Atomic(const char *) failed_name;
} *state;

__attribute__((constructor)) static void make_state(void)
{
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}


/* Of the process that has asked for it, and of the children that it makes meanwhile. */
static int armed;

/* Without an errno it is interrupted instead: the signal comes in it, and it succeeds. */
static int fails(int kind, const char *name, void *caller)
{
	if (!armed || !(atomic_load_explicit(&state->chosen, memory_order_relaxed) & kind))
		return 0;
	atomic_fetch_add(&state->seen[__builtin_ctz((unsigned int)kind)], 1);
	if (atomic_fetch_sub(&state->countdown, 1) != 1)
		return 0;
	atomic_store(&state->happened, 1);
	atomic_store(&state->failed_at, (uintptr_t)caller);
	state->failed_name = name;
	if (!atomic_load(&state->failure)) {
		raise(SIGINT);
		return 0;
	}
	errno = atomic_load(&state->failure);
	return 1;
}

#define FAILS(kind) fails(kind, __func__ + 3, __builtin_return_address(0))

void faults_arm(int kinds, int count, int error)
{
	int i;

	armed = kinds;
	atomic_store(&state->chosen, 0);
	atomic_store(&state->countdown, count);
	atomic_store(&state->failure, error);
	atomic_store(&state->happened, 0);
	for (i = 0; i < KINDS; i++)
		atomic_store(&state->seen[i], 0);
	atomic_store(&state->failed_at, 0);
	state->failed_name = NULL;
	atomic_store(&state->chosen, kinds);
}

int faults_happened(void)
{
	return atomic_load(&state->happened);
}

/* How many calls of a kind there were, since it was armed for that. */
unsigned int faults_seen(int kind)
{
	return atomic_load(&state->seen[__builtin_ctz((unsigned int)kind)]);
}

/* Name an address: its object's file and the offset in it, which addr2line and nm know. */
static void place(uintptr_t address, char *text, size_t size)
{
	Dl_info info;

	if (dladdr((void *)address, &info) && info.dli_fname)
		snprintf(text, size, "%s+0x%lx", info.dli_fname, (unsigned long)(address - (uintptr_t)info.dli_fbase));
	else
		snprintf(text, size, "0x%lx", (unsigned long)address);
}

void faults_where(char *text, size_t size)
{
	int len = snprintf(text, size, "%s at ", state->failed_name ? state->failed_name : "nothing");

	place(atomic_load(&state->failed_at), text + len, size - (size_t)len);
}

/* Blocks that are held */

#define PLACES (1u << 20)

struct block {
	void *memory;
	uintptr_t caller;
	size_t size;
	unsigned int number;
};
static struct block *blocks;
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int block_count, block_number;
static atomic_int counting;

static unsigned int slot_of(void *memory)
{
	return (unsigned int)(((uintptr_t)memory >> 4) * 0x9e3779b1u) & (PLACES - 1);
}

static void hold(void *memory, size_t size, void *caller)
{
	unsigned int at;

	if (!memory || !atomic_load_explicit(&counting, memory_order_relaxed))
		return;
	pthread_mutex_lock(&blocks_lock);
	if (block_count < PLACES / 2) {
		for (at = slot_of(memory); blocks[at].memory && blocks[at].memory != memory; at = (at + 1) & (PLACES - 1))
			;
		block_count += !blocks[at].memory;
		blocks[at] = (struct block){ memory, (uintptr_t)caller, size, block_number++ };
	}
	pthread_mutex_unlock(&blocks_lock);
}

static void release(void *memory)
{
	unsigned int at, hole, home;

	if (!memory || !atomic_load_explicit(&counting, memory_order_relaxed))
		return;
	pthread_mutex_lock(&blocks_lock);
	for (at = slot_of(memory); blocks[at].memory && blocks[at].memory != memory; at = (at + 1) & (PLACES - 1))
		;
	if (blocks[at].memory) {
		block_count--;
		for (hole = at;;) {
			blocks[hole].memory = NULL;
			do {
				at = (at + 1) & (PLACES - 1);
				if (!blocks[at].memory)
					goto done;
				home = slot_of(blocks[at].memory);
			} while (((at - home) & (PLACES - 1)) < ((at - hole) & (PLACES - 1)));
			blocks[hole] = blocks[at];
			hole = at;
		}
	}
done:
	pthread_mutex_unlock(&blocks_lock);
}

/* Begin to count; blocks taken before do not. Give the number that the next block will have. */
unsigned int faults_count(void)
{
	unsigned int number;

	pthread_mutex_lock(&blocks_lock);
	if (!blocks)
		blocks = calloc(PLACES, sizeof(*blocks));
	number = block_number;
	pthread_mutex_unlock(&blocks_lock);
	atomic_store(&counting, !!blocks);
	return number;
}

/* How many blocks from a number on are still held; the text tells of some of them. */
unsigned int faults_held(unsigned int from, char *text, size_t size)
{
	unsigned int at, found = 0;
	size_t len = 0;
	char where[512];

	text[0] = 0;
	pthread_mutex_lock(&blocks_lock);
	for (at = 0; at < PLACES; at++) {
		if (!blocks[at].memory || blocks[at].number < from)
			continue;
		found++;
		place(blocks[at].caller, where, sizeof(where));
		if (len < size)
			len += (size_t)snprintf(text + len, size - len, "%zu bytes by %s\n", blocks[at].size, where);
	}
	pthread_mutex_unlock(&blocks_lock);
	return found;
}

/* What is called instead: my_NAME for NAME */

static void *my_malloc(size_t size)
{
	void *memory = FAILS(MEMORY) ? NULL : malloc(size);

	hold(memory, size, __builtin_return_address(0));
	return memory;
}

static void *my_calloc(size_t count, size_t size)
{
	void *memory = FAILS(MEMORY) ? NULL : calloc(count, size);

	hold(memory, count * size, __builtin_return_address(0));
	return memory;
}

static void *my_realloc(void *old, size_t size)
{
	void *memory;

	if (FAILS(MEMORY))
		return NULL;
	release(old);
	memory = realloc(old, size);
	if (!memory && size)
		hold(old, size, __builtin_return_address(0));
	hold(memory, size, __builtin_return_address(0));
	return memory;
}

static void *my_reallocarray(void *old, size_t count, size_t size)
{
	void *memory;

	if (FAILS(MEMORY))
		return NULL;
	release(old);
	memory = reallocarray(old, count, size);
	hold(memory, size, __builtin_return_address(0));
	return memory;
}

static void my_free(void *memory)
{
	release(memory);
	free(memory);
}

static char *my_strdup(const char *text)
{
	char *memory = FAILS(MEMORY) ? NULL : strdup(text);

	hold(memory, 0, __builtin_return_address(0));
	return memory;
}

static char *my_strndup(const char *text, size_t size)
{
	char *memory = FAILS(MEMORY) ? NULL : strndup(text, size);

	hold(memory, 0, __builtin_return_address(0));
	return memory;
}

static int my_posix_memalign(void **memory, size_t align, size_t size)
{
	int error;

	if (FAILS(MEMORY))
		return ENOMEM;
	error = posix_memalign(memory, align, size);
	if (!error)
		hold(*memory, size, __builtin_return_address(0));
	return error;
}

static ssize_t my_getdelim(char **line, size_t *room, int delimiter, FILE *file)
{
	if (FAILS(MEMORY))
		return -1;
	return getdelim(line, room, delimiter, file);
}

static FILE *my_fmemopen(void *memory, size_t size, const char *mode)
{
	return FAILS(MEMORY) ? NULL : fmemopen(memory, size, mode);
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPENS(name, ...)                                                       \
	mode_t mode;                                                           \
	va_list args;                                                          \
                                                                               \
	va_start(args, flags);                                                 \
	mode = mode_of(flags, args);                                           \
	va_end(args);                                                          \
	return FAILS(OPEN) ? -1 : name(__VA_ARGS__, flags, mode)

static int my_open(const char *path, int flags, ...)
{
	OPENS(open64, path);
}

static int my_openat(int folder, const char *path, int flags, ...)
{
	OPENS(openat64, folder, path);
}

static FILE *my_fopen(const char *path, const char *mode)
{
	return FAILS(OPEN) ? NULL : fopen64(path, mode);
}

/* zlib's, of which only the type of the result matters here. */
static void *my_gzopen(const char *path, const char *mode)
{
	void *(*function)(const char *, const char *) = dlsym(RTLD_DEFAULT, "gzopen64");

	return FAILS(OPEN) || !function ? NULL : function(path, mode);
}

static void *my_opendir(const char *path)
{
	extern void *opendir(const char *);

	return FAILS(OPEN) ? NULL : opendir(path);
}

static void *my_mmap(void *address, size_t size, int protection, int flags, int fd, off64_t offset)
{
	return FAILS(MMAP) ? MAP_FAILED : mmap64(address, size, protection, flags, fd, offset);
}

static int my_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	return FAILS(IOCTL) ? -1 : ioctl(fd, request, argument);
}

static int my_epoll_create1(int flags)
{
	return FAILS(CREATE) ? -1 : epoll_create1(flags);
}

static int my_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	return FAILS(EPOLL) ? -1 : epoll_ctl(epoll, operation, fd, event);
}

static int my_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
	return FAILS(WAIT) ? -1 : epoll_wait(epoll, events, most, timeout);
}

struct pollfd;
static int my_poll(struct pollfd *fds, unsigned long count, int timeout)
{
	extern int poll(struct pollfd *, unsigned long, int);

	return FAILS(WAIT) ? -1 : poll(fds, count, timeout);
}

static int my_eventfd(unsigned int value, int flags)
{
	return FAILS(CREATE) ? -1 : eventfd(value, flags);
}

static int my_timerfd_create(int clock, int flags)
{
	return FAILS(CREATE) ? -1 : timerfd_create(clock, flags);
}

static int my_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	return FAILS(TIMER) ? -1 : timerfd_settime(fd, flags, value, old);
}

static pid_t my_fork(void)
{
	return FAILS(CLONE) ? -1 : fork();
}

static int my_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *), void *arg)
{
	return FAILS(CLONE) ? errno : pthread_create(thread, attr, function, arg);
}

static int my_pipe2(int *fds, int flags)
{
	return FAILS(CREATE) ? -1 : pipe2(fds, flags);
}

static int my_memfd_create(const char *name, unsigned int flags)
{
	return FAILS(CREATE) ? -1 : memfd_create(name, flags);
}

static int my_socket(int family, int type, int protocol)
{
	return FAILS(CREATE) ? -1 : socket(family, type, protocol);
}

static int my_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	return FAILS(SOCKET) ? -1 : bind(fd, address, size);
}

static int my_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	return FAILS(SOCKET) ? -1 : setsockopt(fd, level, option, value, size);
}

static int my_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	return FAILS(SOCKET) ? -1 : getsockopt(fd, level, option, value, size);
}

static int my_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
	return FAILS(SOCKET) ? -1 : getsockname(fd, address, size);
}

static ssize_t my_send(int fd, const void *data, size_t size, int flags)
{
	return FAILS(SOCKET) ? -1 : send(fd, data, size, flags);
}

static ssize_t my_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t len)
{
	return FAILS(SOCKET) ? -1 : sendto(fd, data, size, flags, to, len);
}

static ssize_t my_recvmsg(int fd, struct msghdr *message, int flags)
{
	return FAILS(SOCKET) ? -1 : recvmsg(fd, message, flags);
}

static ssize_t my_recv(int fd, void *data, size_t size, int flags)
{
	return FAILS(SOCKET) ? -1 : recv(fd, data, size, flags);
}

static ssize_t my_read(int fd, void *data, size_t size)
{
	return FAILS(READ) ? -1 : read(fd, data, size);
}

static ssize_t my_pread(int fd, void *data, size_t size, off64_t offset)
{
	return FAILS(READ) ? -1 : pread64(fd, data, size, offset);
}

static size_t my_fread(void *data, size_t size, size_t count, FILE *file)
{
	return FAILS(READ) ? 0 : fread(data, size, count, file);
}

static char *my_fgets(char *text, int size, FILE *file)
{
	return FAILS(READ) ? NULL : fgets(text, size, file);
}

static ssize_t my_write(int fd, const void *data, size_t size)
{
	return FAILS(WRITE) ? -1 : write(fd, data, size);
}

static ssize_t my_process_vm_readv(pid_t pid, const struct iovec *local, unsigned long count,
				   const struct iovec *remote, unsigned long remote_count, unsigned long flags)
{
	extern ssize_t process_vm_readv(pid_t, const struct iovec *, unsigned long, const struct iovec *,
					unsigned long, unsigned long);

	return FAILS(READ) ? -1 : process_vm_readv(pid, local, count, remote, remote_count, flags);
}

static int my_fcntl(int fd, int command, ...)
{
	va_list args;
	void *argument;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	if ((command == F_DUPFD_CLOEXEC || command == F_DUPFD) && FAILS(DUP))
		return -1;
	return fcntl(fd, command, argument);
}

static int my_mkdir(const char *path, mode_t mode)
{
	return FAILS(FILES) ? -1 : mkdir(path, mode);
}

static int my_unlink(const char *path)
{
	return FAILS(FILES) ? -1 : unlink(path);
}

static int my_statfs(const char *path, struct statfs64 *status)
{
	return FAILS(FILES) ? -1 : statfs64(path, status);
}

static int my_fstat(int fd, struct stat64 *status)
{
	return FAILS(FILES) ? -1 : fstat64(fd, status);
}

static int my_stat(const char *path, struct stat64 *status)
{
	return FAILS(FILES) ? -1 : stat64(path, status);
}

static int my_setns(int fd, int kind)
{
	extern int setns(int, int);

	return FAILS(FILES) ? -1 : setns(fd, kind);
}

static int kind_of(long number)
{
	switch (number) {
	case SYS_bpf: return BPF;
	case SYS_perf_event_open: return PERF;
	case SYS_pidfd_open: return PIDFD;
	case SYS_memfd_create: return CREATE;
	case SYS_dup3: return DUP;
	case 437: return OPEN;	/* openat2 */
	default: return 0;
	}
}

static const char *name_of(long number)
{
	switch (number) {
	case SYS_bpf: return "bpf";
	case SYS_perf_event_open: return "perf_event_open";
	case SYS_pidfd_open: return "pidfd_open";
	case SYS_memfd_create: return "memfd_create";
	case SYS_dup3: return "dup3";
	default: return "openat2";
	}
}

static long my_syscall(long number, ...)
{
	va_list args;
	long a, b, c, d, e, f;

	va_start(args, number);
	a = va_arg(args, long);
	b = va_arg(args, long);
	c = va_arg(args, long);
	d = va_arg(args, long);
	e = va_arg(args, long);
	f = va_arg(args, long);
	va_end(args);
	if (fails(kind_of(number), name_of(number), __builtin_return_address(0)))
		return -1;
	return syscall(number, a, b, c, d, e, f);
}

/* The tables */

static const struct {
	const char *name;
	void *function;
	int memory;
} wrappers[] = {
#define W(name) { #name, my_##name, 0 }
#define W64(name) { #name, my_##name, 0 }, { #name "64", my_##name, 0 }
#define M(name) { #name, my_##name, 1 }
	M(malloc), M(calloc), M(realloc), M(reallocarray), M(free), M(strdup), M(strndup), M(posix_memalign), M(fmemopen),
	{ "__getdelim", my_getdelim, 1 }, M(getdelim), M(mmap), { "mmap64", my_mmap, 1 },
	W64(open), W64(openat), W64(fopen), W64(gzopen), W(opendir), W(ioctl), W(epoll_create1),
	W(epoll_ctl), W(epoll_wait), W(poll), W(eventfd), W(timerfd_create), W(timerfd_settime), W(fork),
	W(pthread_create), W(pipe2), W(memfd_create), W(socket), W(bind), W(setsockopt), W(getsockopt), W(getsockname),
	W(send), W(sendto), W(recvmsg), W(recv), W(read), W64(pread), W(fread), W(fgets), W(write),
	W(process_vm_readv), W64(fcntl), W(mkdir), W(unlink), W64(statfs), W64(fstat), W64(stat), W(setns), W(syscall),
};

static void *wrapper_of(const char *name, int memory)
{
	size_t i;

	for (i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++)
		if (!strcmp(wrappers[i].name, name) && (memory || !wrappers[i].memory))
			return wrappers[i].function;
	return NULL;
}

struct wish {
	const char *part;
	int memory;
	int replaced;
};

static void replace(struct wish *wish, uintptr_t base, const ElfW(Rela) *rela, size_t size, const ElfW(Sym) *symbols,
		    const char *strings)
{
	size_t i, page = (size_t)getpagesize();

	for (i = 0; i < size / sizeof(*rela); i++) {
		size_t number = ELF64_R_SYM(rela[i].r_info);
		void **slot = (void **)(base + rela[i].r_offset), *function;
		uintptr_t start = (uintptr_t)slot & ~(page - 1);

		if (!number || rela[i].r_addend || symbols[number].st_shndx != SHN_UNDEF)
			continue;
		function = wrapper_of(strings + symbols[number].st_name, wish->memory);
		if (!function)
			continue;
		if (mprotect((void *)start, page, PROT_READ | PROT_WRITE))
			continue;
		*slot = function;
		wish->replaced++;
	}
}

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	struct wish *wish = data;
	const ElfW(Dyn) *dynamic = NULL;
	const ElfW(Rela) *jumps = NULL, *relocations = NULL;
	const ElfW(Sym) *symbols = NULL;
	const char *strings = NULL;
	size_t jumps_size = 0, relocations_size = 0;
	int i;

	(void)size;
	if (!strstr(info->dlpi_name, wish->part))
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		switch (dynamic->d_tag) {
		case DT_JMPREL: jumps = (const void *)dynamic->d_un.d_ptr; break;
		case DT_PLTRELSZ: jumps_size = dynamic->d_un.d_val; break;
		case DT_RELA: relocations = (const void *)dynamic->d_un.d_ptr; break;
		case DT_RELASZ: relocations_size = dynamic->d_un.d_val; break;
		case DT_SYMTAB: symbols = (const void *)dynamic->d_un.d_ptr; break;
		case DT_STRTAB: strings = (const void *)dynamic->d_un.d_ptr; break;
		}
	}
	if (!symbols || !strings)
		return 0;
	/* glibc has added the base to them, musl has not. */
#define ADDRESS(pointer) \
	(pointer = (const void *)((uintptr_t)pointer < info->dlpi_addr ? (uintptr_t)pointer + info->dlpi_addr : (uintptr_t)pointer))
	ADDRESS(jumps);
	ADDRESS(relocations);
	ADDRESS(symbols);
	ADDRESS(strings);
	replace(wish, info->dlpi_addr, jumps, jumps_size, symbols, strings);
	replace(wish, info->dlpi_addr, relocations, relocations_size, symbols, strings);
	return 0;
}

/* Rewrite the tables of the objects whose path has `part` in it; give how many entries there were to be rewritten. */
int faults_install(const char *part, int memory)
{
	struct wish wish = { .part = part, .memory = memory };

	dl_iterate_phdr(look, &wish);
	return wish.replaced;
}
