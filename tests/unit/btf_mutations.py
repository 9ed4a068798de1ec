"""Malformed BTF by the seed, made by changes to good BTF; and all that can be done with a BTF."""

from __future__ import annotations

import contextlib
import random
import signal
import struct
import sys
from pathlib import Path

import libbpf_cffi as bpf
from libbpf_cffi import BtfKind, lib

WORDS_BEHIND = {
    BtfKind.INT: (1, 0),
    BtfKind.ARRAY: (3, 0),
    BtfKind.STRUCT: (0, 3),
    BtfKind.UNION: (0, 3),
    BtfKind.ENUM: (0, 2),
    BtfKind.FUNC_PROTO: (0, 2),
    BtfKind.VAR: (1, 0),
    BtfKind.DATASEC: (0, 3),
    BtfKind.DECL_TAG: (1, 0),
    BtfKind.ENUM64: (0, 3),
}
"""How many 32-bit words follow a type of a kind: always, and for each of its parts."""

NODE_POINTER = 32
"""The id of a pointer that comes last."""

LIKELY = (0, 1, 2, 3, 4, 7, 8, 16, 31, 33, 64, 127, 255, 256, 1 << 16, 1 << 24, (1 << 28) - 1, 1 << 28, 0x7FFFFFFF,
          0x80000000, 0xFF000004, 0xFFFFFF80, 0xFFFFFFFF)  # fmt: skip


def every_kind() -> bytes:
    """A BTF with a type of each kind, referring to each other in every way."""
    btf = bpf.Btf.new()
    integer = btf.add_int("int", 4, lib.BTF_INT_SIGNED)
    char = btf.add_int("char", 1, lib.BTF_INT_CHAR)
    long = btf.add_int("long", 8, lib.BTF_INT_SIGNED)
    wide = btf.add_int("__int128", 16, lib.BTF_INT_SIGNED)
    array = btf.add_array(integer, char, 16)
    double = btf.add_float("double", 8)
    color = btf.add_enum("color")
    btf.add_enum_value("RED", 1)
    btf.add_enum_value("DARK", -1)
    big = btf.add_enum64("big")
    btf.add_enum64_value("HUGE", 1 << 40)
    unnamed = btf.add_union("", 8)
    btf.add_field("i", integer, 0)
    btf.add_field("d", double, 0)
    node = btf.add_struct("node", 104)
    btf.add_field("next", NODE_POINTER, 0)
    btf.add_field("name", array, 64)
    btf.add_field("", unnamed, 192)
    btf.add_field("color", color, 256)
    btf.add_field("big", big, 320)
    btf.add_field("wide", wide, 384)
    btf.add_field("low", integer, 512, 3)
    btf.add_field("high", integer, 515, 29)
    btf.add_field("matrix", len(btf), 576)
    matrix = btf.add_array(integer, array, 2)
    btf.add_typedef("node_t", node)
    const = btf.add_const(btf["node_t"])
    volatile = btf.add_volatile(const)
    fwd = btf.add_fwd("elsewhere", "union")
    proto = btf.add_func_proto(integer)
    btf.add_func_param("n", volatile)
    btf.add_func_param("", 0)
    handler = btf.add_ptr(proto)
    btf.add_func("main", "global", proto)
    tagged = btf.add_type_tag("user", node)
    pointer = btf.add_ptr(tagged)
    btf.add_restrict(pointer)
    btf.add_ptr(fwd)
    pair = btf.add_struct("pair", 24)
    btf.add_field("handler", handler, 0)
    btf.add_field("l", long, 64)
    btf.add_field("node", NODE_POINTER, 128)
    variable = btf.add_var("state", "static", pair)
    btf.add_datasec(".data", 32)
    btf.add_datasec_var_info(variable, 8, 24)
    btf.add_decl_tag("tag", node)
    btf.add_decl_tag("field", node, 1)
    while len(btf) < NODE_POINTER:
        btf.add_typedef(f"matrix_{len(btf)}", matrix)
    btf.add_ptr(node)
    return btf.raw


def types_of(data: bytes) -> list[int]:
    """Where the types begin, in good BTF of this machine's byte order."""
    header, _, length = struct.unpack_from("=III", data, 4)
    at, end = header, header + length
    found = []
    while at < end:
        found.append(at)
        info = struct.unpack_from("=I", data, at + 4)[0]
        always, each = WORDS_BEHIND.get(info >> 24 & 0x1F, (0, 0))
        at += 12 + 4 * (always + each * (info & 0xFFFF))
    return found


def mutated(data: bytes, seed: int) -> bytes:
    """Change a few things of good BTF."""
    rng = random.Random(seed)
    changed = bytearray(data)
    types = types_of(data)
    count = len(types) + 1
    ends = [*types[1:], 24 + struct.unpack_from("=I", data, 12)[0]]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        way = rng.randrange(10)
        if way == 0:
            at = rng.randrange(len(changed))
            changed[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            struct.pack_into("=I", changed, 4 * rng.randrange(1, 6), rng.choice((*LIKELY, rng.randrange(len(data)))))
        elif way == 2:
            index = rng.randrange(len(types))
            kind, vlen = rng.randrange(22), rng.choice((0, 1, 2, 3, 65535))
            info = struct.unpack_from("=I", changed, types[index] + 4)[0]
            info = rng.choice((info ^ 1 << 31, kind << 24 | info & 0xFFFF, info & ~0xFFFF | vlen))
            struct.pack_into("=I", changed, types[index] + 4, info)
        else:
            index = rng.randrange(len(types))
            words = list(range(types[index], ends[index], 4))
            at = rng.choice([words[0], *words[2:]])
            old = struct.unpack_from("=I", changed, at)[0]
            near = (index + 1, old + 1, old - 1, old * 2, old ^ 0xFF)
            value = rng.choice((rng.choice(LIKELY), rng.randrange(count), *near))
            struct.pack_into("=I", changed, at, value & 0xFFFFFFFF)
    if rng.randrange(3) == 0:
        changed = with_more(changed, rng, count)
    if rng.randrange(30) == 0:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


def with_more(data: bytearray, rng: random.Random, count: int) -> bytearray:
    """Add types that refer to each other, most of them to the ones before, as a compiler would not."""
    header, _, length, at, strings = struct.unpack_from("=IIIII", data, 4)
    if header != 24 or at != length or header + at > len(data) or not strings:
        return data
    more = bytearray()
    for number in range(count, count + rng.choice((1, 5, 40))):
        near = lambda: rng.choice((number - 1, number - 1, max(number - 2, 0), rng.randrange(number + 2)))  # noqa: E731, B023
        name = rng.choice((0, 0, rng.randrange(strings)))
        kind = rng.choice((2, 3, 4, 5, 5, 8, 9, 10, 13, 14, 18))
        if kind in (4, 5):
            members = rng.choice((1, 2, 2, 5))
            more += struct.pack("=III", name, kind << 24 | members, rng.choice((0, 1, 4, 8, 64)))
            for _ in range(members):
                more += struct.pack("=III", rng.randrange(strings), near(), 0)
        elif kind == 3:
            more += struct.pack("=IIIIII", 0, kind << 24, 0, near(), 2, rng.choice((0, 1, 2, 1 << 20)))
        elif kind == 13:
            params = rng.choice((0, 1, 2, 3))
            more += struct.pack("=III", 0, kind << 24 | params, near())
            for _ in range(params):
                more += struct.pack("=II", 0, near())
        else:
            more += struct.pack("=III", 0 if kind in (2, 9, 10) else name, kind << 24, near())
            if kind == 14:
                more += struct.pack("=I", rng.randrange(3))
    struct.pack_into("=II", data, 12, length + len(more), at + len(more))
    return data[: header + at] + more + data[header + at :]


def use(data: bytes) -> bool:
    """Do everything with a BTF that may be malformed; tell whether it was accepted."""
    try:
        btf = bpf.Btf.from_bytes(data)
    except bpf.LibbpfError:
        return False
    for each in btf:
        str(each)
        each.size
        each.alignment
        each.keyword
        each.tags
        for property_ in ("members", "enumerators", "params", "variables", "linkage", "type", "nelems"):
            with contextlib.suppress(TypeError):
                getattr(each, property_)
        each.resolve()
        refused(btf.declare, each, "name")
        if each.size is not None and each.size < 1 << 16:
            for content in (b"\0", b"\1", b"\xff"):
                refused(btf.format, each, content * (each.size + 64))
                refused(btf.format, each, content * each.size, emit_zeroes=True, emit_strings=True)
    refused(btf.dump)
    for each in list(btf)[-3:]:
        refused(btf.dump, each)
    btf.endianness = "big" if btf.endianness == "little" else "little"
    assert len(bpf.Btf.from_bytes(btf.raw)) == len(btf)
    split = bpf.Btf.new(btf)
    split.add_ptr(len(btf) - 1)
    refused(split.dump)
    refused(split.distill_base)
    split.close()
    twice = bpf.Btf.from_bytes(btf.raw)
    refused(twice.add_btf, btf)
    for one in (twice, btf):
        with contextlib.suppress(bpf.LibbpfError):
            refused(one.dedup(force_collisions=one is btf).dump)
    return True


def refused(function, *arguments, **keywords) -> None:
    """Call what may be refused."""
    with contextlib.suppress(bpf.LibbpfError, TypeError, ValueError):
        function(*arguments, **keywords)


def main() -> None:
    """Use BTF of seeds from one number on: ``btf_mutations.py FIRST COUNT FILE…``, the files being good raw BTF."""
    first, count = map(int, sys.argv[1:3])
    good = [every_kind(), *(Path(name).read_bytes() for name in sys.argv[3:])]
    assert all(map(use, good))
    accepted = 0
    for seed in range(first, first + count):
        print(seed, flush=True)
        # What comes to no end ends by this signal.
        signal.alarm(60)
        accepted += use(mutated(good[seed % len(good)], seed))
    print(f"{accepted} accepted")


if __name__ == "__main__":
    main()
