"""BTF that no compiler makes."""

from __future__ import annotations

import random
import struct

import libbpf_cffi as bpf
from libbpf_cffi import lib

NODE_POINTER = 32
"""The id of a pointer that comes last."""


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


def with_more(data: bytes, seed: int) -> bytes:
    """Add types that refer to each other, most of them to the ones before, as a compiler would not."""
    header, _, length, at, strings = struct.unpack_from("=IIIII", data, 4)
    with bpf.Btf.from_bytes(data) as btf:
        count = len(btf)
    rng = random.Random(seed)
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
    sizes = struct.pack("=II", length + len(more), at + len(more))
    return data[:12] + sizes + data[20 : header + at] + more + data[header + at :]
