"""Malformed objects for the linker, by the seed: ``link_mutations.py FIRST COUNT A B``, two good objects."""

from __future__ import annotations

import random
import struct
import sys
from pathlib import Path

import libbpf_cffi as bpf

LIKELY = (0, 1, 2, 3, 7, 8, 23, 24, 25, 255, 0xFFF1, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1)


def places(data: bytes) -> list[tuple[int, int]]:
    """Where a change does something: the fields of the header, of sections, symbols and relocations."""
    found = [(0x28, 8), (0x34, 2), (0x3A, 2), (0x3C, 2), (0x3E, 2), (4, 1), (5, 1), (0x10, 2), (0x12, 2)]
    table = struct.unpack_from("=Q", data, 0x28)[0]
    entry, count = struct.unpack_from("=HH", data, 0x3A)
    for header in range(table, table + entry * count, entry):
        found += [(header + at, 4) for at in (0, 4, 40, 44)] + [(header + at, 8) for at in (8, 24, 32, 48, 56)] * 2
        (kind,) = struct.unpack_from("=I", data, header + 4)
        offset, size = struct.unpack_from("=QQ", data, header + 24)
        if kind == 2:
            for symbol in range(offset, offset + size, 24):
                found += [(symbol, 4), (symbol + 4, 1), (symbol + 6, 2), (symbol + 8, 8), (symbol + 16, 8)]
        elif kind == 9:
            for relocation in range(offset, offset + size, 16):
                found += [(relocation, 8), (relocation + 8, 4), (relocation + 12, 4)]
        elif kind == 1 and size >= 4:
            found += [(offset + 4 * word, 4) for word in range(min(size // 4, 40))]
    return found


def mutated(data: bytes, seed: int) -> bytes:
    """Change one to three fields."""
    rng = random.Random(seed)
    changed = bytearray(data)
    for at, size in rng.sample(places(data), rng.choice((1, 1, 2, 3))):
        old = int.from_bytes(changed[at : at + size], sys.byteorder)
        value = rng.choice((rng.choice(LIKELY), old + 1, old - 1, old * 2, old ^ 1 << rng.randrange(8 * size)))
        changed[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, sys.byteorder)
    return bytes(changed)


def main() -> None:
    """Link each mutation with a good object, and say how they ended."""
    first, count = map(int, sys.argv[1:3])
    good = [Path(name).read_bytes() for name in sys.argv[3:5]]
    assert bpf.link_objects(*good)
    ends = {"linked": 0, "refused": 0, "crashed": 0, "endless": 0}
    for seed in range(first, first + count):
        inputs = [mutated(good[0], seed), good[1]]
        try:
            bpf.link_objects(*(inputs if seed % 2 else inputs[::-1]))
            ends["linked"] += 1
        except bpf.LibbpfError as error:
            how = "crashed" if "crashed" in str(error) else "endless" if "to no end" in str(error) else "refused"
            ends[how] += 1
    print(*(f"{number} {how}" for how, number in ends.items()), sep=", ")


if __name__ == "__main__":
    main()
