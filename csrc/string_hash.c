/*
 * The hash of strings, with a key that nobody knows.
 *
 * libbpf's is h * 31 + c, by which "Aa" is "BB", and all words of these two are the same. Where a name is added, each of
 * that hash is compared with it: 32,768 names, a megabyte, took minutes to deduplicate, to dump or to link. So the files
 * that hash strings are compiled through this one, with SipHash-1-3 and a key of each process. Nothing that libbpf
 * makes has another order for it: a table of strings is walked only where it is freed. (That of usdt.c has no more of
 * them than its map has entries.)
 */
#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#include "hashmap.h"

static uint64_t key[2];

/* The kernel has 16 random bytes for each program that it starts; a child has its parent's key, and its tables. */
__attribute__((constructor)) static void take_key(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);

	if (random)
		memcpy(key, random, sizeof(key));
}

static uint64_t rotated(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static void stir(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotated(v[1], 13) ^ v[0];
	v[0] = rotated(v[0], 32);
	v[2] += v[3];
	v[3] = rotated(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotated(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotated(v[1], 17) ^ v[2];
	v[2] = rotated(v[2], 32);
}

static size_t keyed_hash(const char *string)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};
	size_t length = strlen(string), at = 0;
	uint64_t word;

	for (; at + sizeof(word) <= length; at += sizeof(word)) {
		memcpy(&word, string + at, sizeof(word));
		v[3] ^= le64toh(word);
		stir(v);
		v[0] ^= le64toh(word);
	}
	word = 0;
	memcpy(&word, string + at, length - at);
	word = le64toh(word) | (uint64_t)length << 56;
	v[3] ^= word;
	stir(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	stir(v);
	stir(v);
	stir(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#define str_hash keyed_hash

#include "btf_dump.c"
#include "strset.c"
