/*
 * Changes good files into bad ones, a hundred thousand a second: a library that the fuzzer compiles and loads.
 *
 * A file comes with its places: where the fields and tables are that are worth a change, and how wide their parts are
 * (places.py finds them). Most changes go there; libbpf looks at little else. The same state gives the same file.
 */
#include <stdint.h>
#include <string.h>

struct place {
	uint32_t start, size;
	uint32_t unit;		/* bytes of a part: 1, 2, 4 or 8 */
};

static uint64_t next(uint64_t *state)
{
	/* splitmix64 */
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t end)
{
	return end ? (uint32_t)(next(state) >> 32) % end : 0;
}

/* Numbers at which sums wrap, signs change and tables end. */
static const uint64_t likely[] = {
	0, 1, 2, 3, 4, 7, 8, 15, 16, 23, 24, 31, 32, 63, 64, 127, 128, 255, 256, 0x7fff, 0x8000, 0xfff1, 0xfff2, 0xffff,
	0x10000, 0x01000000, 0x7fffffff, 0x80000000, 0xff000004, 0xffffff80, 0xfffffff8, 0xffffffec, 0xfffffffe, 0xffffffff,
	0x100000000ull, 0x7fffffffffffffffull, 0x8000000000000000ull, 0xfffffffffffffff8ull, 0xffffffffffffffffull,
};

static uint64_t get(const uint8_t *at, uint32_t unit)
{
	uint64_t value = 0;

	memcpy(&value, at, unit);
	return value;
}

static void put(uint8_t *at, uint32_t unit, uint64_t value)
{
	memcpy(at, &value, unit);
}

static void change(uint64_t *state, uint8_t *data, uint32_t size, const struct place *places, uint32_t count)
{
	const struct place *place = &places[below(state, count)];
	uint32_t unit = place->unit, parts = place->size / unit, other;
	uint8_t *at;

	if (!parts || place->start > size || place->size > size - place->start)
		return;
	at = data + place->start + unit * below(state, parts);
	switch (below(state, 12)) {
	case 0:
		at[below(state, unit)] ^= 1 << below(state, 8);
		break;
	case 1:
	case 2:
	case 3:
		put(at, unit, likely[below(state, sizeof(likely) / sizeof(*likely))]);
		break;
	case 4:
	case 5:
		put(at, unit, get(at, unit) + below(state, 33) - 16);
		break;
	case 6:
		put(at, unit, below(state, size + 17));
		break;
	case 7:
		put(at, unit, get(at, unit) << below(state, 9));
		break;
	case 8:
		/* Of the same table: an offset where another belongs, an id of another type. */
		put(at, unit, get(data + place->start + unit * below(state, parts), unit));
		break;
	case 9:
		/* Of another table. */
		place = &places[below(state, count)];
		if (place->start <= size && size - place->start >= unit)
			put(at, unit, get(data + place->start + below(state, size - place->start - unit + 1), unit));
		break;
	case 10:
		put(at, unit, next(state));
		break;
	default:
		/* A row over another. */
		other = unit * below(state, parts);
		parts = unit * (1 + below(state, 8));
		if (other + parts <= place->size && (uint32_t)(at - data) - place->start + parts <= place->size)
			memmove(at, data + place->start + other, parts);
	}
}

/* Write a changed copy of `seed` to `out`, which has room for it; return its size. */
uint32_t fuzz_make(uint64_t *state, uint8_t *out, const uint8_t *seed, uint32_t size, const struct place *places,
		   uint32_t count)
{
	static const uint8_t often[] = {1, 1, 1, 1, 2, 2, 3, 4, 6, 16};
	uint32_t changes = often[below(state, sizeof(often))];

	memcpy(out, seed, size);
	while (changes--)
		change(state, out, size, places, count);
	return below(state, 50) ? size : below(state, size + 1);
}
