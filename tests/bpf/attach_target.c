/*
 * What the user space probes of attach_user.bpf.c go into: a library or, with PROGRAM, a program.
 *
 * One USDT probe has two arguments, the other a semaphore, the notes as systemtap's sys/sdt.h would write them (the
 * format: its wiki, UserSpaceProbeImplementation). Two versions of one function.
 */
#define NOTE(name, semaphore, arguments)                                                                               \
	"990: nop\n"                                                                                                   \
	".pushsection .note.stapsdt, \"\", \"note\"\n"                                                                 \
	".balign 4\n"                                                                                                  \
	".4byte 992f - 991f, 994f - 993f, 3\n"                                                                         \
	"991: .asciz \"stapsdt\"\n"                                                                                    \
	"992: .balign 4\n"                                                                                             \
	"993: .8byte 990b, 0, " semaphore "\n"                                                                         \
	".asciz \"lbc\"\n"                                                                                             \
	".asciz \"" name "\"\n"                                                                                        \
	".asciz \"" arguments "\"\n"                                                                                   \
	"994: .balign 4\n"                                                                                             \
	".popsection\n"

volatile int calls;
/* As sys/sdt.h has it: the kernel counts up while somebody has attached. */
__attribute__((visibility("hidden"))) volatile unsigned short lbc_guarded_semaphore = 0;

__attribute__((noinline)) int lbc_add(int a, int b)
{
	calls++;
	return a + b;
}

__attribute__((noinline)) int lbc_sub(int a, int b)
{
	calls++;
	return a - b;
}

__attribute__((noinline)) int lbc_versioned_old(int a)
{
	calls++;
	return a + 1;
}

__attribute__((noinline)) int lbc_versioned_new(int a)
{
	calls++;
	return a + 2;
}

#ifndef PROGRAM
__asm__(".symver lbc_versioned_old, lbc_versioned@LBC_1");
__asm__(".symver lbc_versioned_new, lbc_versioned@@LBC_2");
#endif

__attribute__((noinline)) void lbc_probe(int a, long b)
{
	__asm__ volatile(NOTE("args", "0", "-4@%%edi -8@%%rsi") : : "D"(a), "S"(b));
	calls++;
}

__attribute__((noinline)) int lbc_guarded(void)
{
	__asm__ volatile(NOTE("guarded", "lbc_guarded_semaphore", "") : :);
	calls++;
	return lbc_guarded_semaphore;
}

#ifdef PROGRAM
#include <stdio.h>

int main(void)
{
	char line[16];

	/* Call what is probed, once for each line. */
	while (fgets(line, sizeof(line), stdin)) {
		printf("%d\n", lbc_add(1, 2));
		fflush(stdout);
	}
	return 0;
}
#endif
