/*
 * What the kernel's own headers would give the programs of samples/bpf. They are compiled against the headers of
 * user space, which lack these names; what needs the kernel's structures does not compile.
 */
#ifndef LBC_CORPUS_SAMPLES_H
#define LBC_CORPUS_SAMPLES_H

#define __user
#define __force
#define __packed __attribute__((packed))
#define __stringify_1(...) #__VA_ARGS__
#define __stringify(...) __stringify_1(__VA_ARGS__)

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <asm/ptrace.h>
#include <linux/types.h>
#include <linux/errno.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef u64 sector_t;

#define TASK_COMM_LEN 16
#define SOL_IP 0
#define SOL_TCP 6
#define SOL_IPV6 41
#define htons(value) __builtin_bswap16(value)
#define ntohs(value) __builtin_bswap16(value)
#define htonl(value) __builtin_bswap32(value)
#define ntohl(value) __builtin_bswap32(value)
#define cpu_to_be32(value) htonl(value)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define memcpy __builtin_memcpy
#define memset __builtin_memset


#endif
