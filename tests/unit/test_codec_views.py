"""Random C types: the codec agrees with libbpf's own dump, with the rules of BTF, with NumPy and with `struct`."""

from __future__ import annotations

import random
import re
import struct

import numpy as np
import pytest
from c_types import CHAR, Array, Composite, Scalar, bare, headers, leaves, member_of, named_members
from compilers import Bpf
from hypothesis import given
from hypothesis import strategies as st
from made_btf import Made
from profiles import profile, seeds

from libbpf_cffi import BtfKind
from libbpf_cffi._btf_dump import Dumper
from libbpf_cffi._ffi import Options, ffi
from libbpf_cffi._record import Record


def samples(header, seed: int, target: str = "bpf", chars: str = "bytes"):
    """Give each type as C and as BTF has it, its codec, and random bytes of it."""
    rng = random.Random(seed)
    for kind, made in zip(header.types, Bpf(header, target=target).types, strict=True):
        codec = made.codec(chars)
        for _ in range(2):
            yield kind, made, codec, rng.choice([rng.randbytes, bytes])(codec.size)


# libbpf's typed dump

TOKEN = re.compile(r"[{}\[\]]|[^,{}\[\]]+")


def dumped(made, data: bytes) -> list[str] | None:
    """Give libbpf's words for a value, or ``None`` if it can write none."""
    btf = made.btf
    # libbpf reads whole units of bit fields, over the end if they are packed.
    memory = ffi.from_buffer(data + bytes(16))
    options = Options("btf_dump_type_data_opts")
    for name in ("compact", "skip_names", "emit_zeroes"):
        setattr(options.pointer, name, True)
    with btf._handle.lock, Dumper(btf._pointer, "dump") as dumper:
        try:
            dumper.data(made.id, memory, len(data), options)
        except OSError:
            return None
        return TOKEN.findall(dumper.take().decode("latin-1"))


class Words:
    """What libbpf has written, compared with what Python has, word for word."""

    def __init__(self, words: list[str]) -> None:
        self.words = words[::-1]

    def expect(self, word: str) -> None:
        assert self.words.pop() == word

    def value(self, kind: object, value: object, made) -> None:
        kind, made = bare(kind), made.resolve()
        if isinstance(kind, Array):
            self.array(kind, value, made)
        elif isinstance(kind, Composite):
            self.expect("{")
            for each, member in zip(named_members(kind), made.members, strict=True):
                inner = member_of(value, each.name) if each.name else value
                if each.width is None:
                    self.value(each.type, inner, member.type)
                else:
                    self.bits(each, inner, member)
            self.expect("}")
        else:
            self.scalar(kind, value)

    def array(self, kind: Array, value, made) -> None:
        self.expect("[")
        for each in value:
            self.value(kind.element, each, made.type)
        self.expect("]")

    def enumerator(self, value: int) -> str:
        """Take the word for an enumerator; after a signed one without a name libbpf forgets the comma."""
        word = self.words.pop()
        # It reads one as 0 that is not aligned (btf_dump_get_enum_value asks for 0 bits).
        # Of a bit field it gives a number without sign to %d.
        found = (value, value - (1 << 32), value - (1 << 64), 0)
        for text in [f"{each}{ending}" for each in found for ending in ("ULL", "LL", "")]:
            if word.startswith(text):
                self.words += [word.removeprefix(text)] if word != text else []
                return text
        return word

    def scalar(self, kind: Scalar, value) -> None:
        word = self.enumerator(int(value)) if kind.kind == "enum" else self.words.pop()
        if kind.kind == "float":
            assert word.lstrip("-") == f"{value:f}".lstrip("-")
        else:
            told = number(word, kind.size * 8)
            assert told == value & (1 << kind.size * 8) - 1 or (kind.kind == "enum" and told == 0)

    def bits(self, member, value, found) -> None:
        made = found.type.resolve()
        unsigned = int(value) & (1 << member.width) - 1
        word = self.words.pop() if made.kind == BtfKind.INT else self.enumerator(unsigned)
        if made.size * 8 < found.bit_offset % 8 + member.width:
            return  # libbpf reads no more than the unit, which the field leaves
        if made.kind == BtfKind.INT:
            assert int(word, 16) == unsigned
        elif word[0].isdigit() or word[0] == "-":
            # libbpf does not extend the sign.
            assert number(word, member.width) == unsigned
        else:
            assert type(value)[word] == value


def number(word: str, bits: int) -> int:
    """Read a number as C writes it, or an enumerator, without its sign."""
    if word == "(nil)":
        return 0
    found = re.match(r"-?(0x[0-9a-f]+|\d+)", word)
    if found is None:
        return int(re.match(r"e\d+_\d+", word) is not None and ENUMERATORS[word]) & (1 << bits) - 1
    return int(found[0], 0) & (1 << bits) - 1


ENUMERATORS: dict[str, int] = {}


def remember_enumerators(btf) -> None:
    ENUMERATORS.clear()
    for made in btf.own_types():
        if made.kind in (BtfKind.ENUM, BtfKind.ENUM64):
            ENUMERATORS.update({each.name: each.value for each in made.enumerators})


@profile
@given(headers(odd=False), seeds)
def test_values_are_those_of_libbpfs_typed_dump(header, seed):
    """What `btf_dump__dump_type_data` writes of bytes are the values that decode gives.

    Odd types are left out, of which libbpf 1.7 writes something else: once it has seen an array of single bytes, it
    takes every later one for a character, and a NUL for the end of whatever array it is in.
    """
    for kind, made, codec, data in samples(header, seed):
        words = dumped(made, data) if data else None
        if words is None or codec.flexible:
            continue
        remember_enumerators(made.btf)
        reader = Words(words)
        reader.value(kind, codec.decode(data), made)
        assert not reader.words


# The rules, written down once more, a bit at a time


def bits(data: bytes, start: int, width: int, order: str) -> int:
    """Take bits as compilers count them: from a byte's lowest where that comes first, from its highest if not."""
    found = 0
    for index in range(start, start + width):
        if order == "little":
            found |= (data[index // 8] >> index % 8 & 1) << index - start
        else:
            found = found << 1 | data[index // 8] >> 7 - index % 8 & 1
    return found


def reference(made, data: bytes, start: int, width: int = 0) -> list[object]:
    """List the numbers in bytes by the BTF alone; `start` and `width` are in bits."""
    made = made.resolve()
    order = made.btf.endianness
    if made.kind in (BtfKind.STRUCT, BtfKind.UNION):
        return [leaf for each in made.members
                for leaf in reference(each.type, data, start + each.bit_offset, each.bitfield_size)]  # fmt: skip
    if made.kind == BtfKind.ARRAY:
        step = (made.type.size or 0) * 8
        return [leaf for index in range(made.nelems) for leaf in reference(made.type, data, start + index * step)]
    size = width or made.size * 8
    if made.kind == BtfKind.FLOAT:
        codes = {32: "f", 64: "d"}
        return list(struct.unpack_from({"little": "<", "big": ">"}[order] + codes[size], data, start // 8))
    found = bits(data, start, size, order)
    if made.kind == BtfKind.INT and made.is_bool:
        return [found != 0]
    if made.kind != BtfKind.PTR and made.is_signed and not (made.kind == BtfKind.INT and made.name == "char"):
        found -= (found >> size - 1) << size
    return [found]


@profile
@given(headers(), seeds, st.sampled_from(["bpfel", "bpfeb"]))
def test_values_are_those_that_btf_says_in_both_byte_orders(header, seed, target):
    """Bytes decode to what the BTF says of them, bit by bit."""
    for kind, made, codec, data in samples(header, seed, target):
        if not codec.flexible:
            mine = [f"{leaf:d}" if isinstance(leaf, int) else repr(leaf) for leaf in leaves(kind, codec.decode(data))]
            theirs = [f"{leaf:d}" if isinstance(leaf, int) else repr(leaf) for leaf in reference(made, data, 0)]
            assert mine == theirs


# NumPy


def numpy_agrees(kind: object, mine, theirs, codec) -> None:
    """Compare a decoded value with what NumPy finds in the same bytes."""
    kind = bare(kind)
    codec = getattr(codec, "inner", codec)
    if isinstance(kind, Array):
        if bare(kind.element) is CHAR:
            assert bytes(theirs) == mine.rstrip(b"\0")
            return
        for one, other in zip(mine, theirs, strict=True):
            numpy_agrees(kind.element, one, other, codec.element)
    elif isinstance(kind, Composite):
        members_agree(kind, mine, theirs, codec)
    elif kind.size == 16:
        low, high = map(int, theirs[:: 1 if codec.order == "<" else -1])
        assert low | high << 64 == mine & (1 << 128) - 1
    else:
        assert theirs == mine or (theirs != theirs and mine != mine)  # noqa: PLR0124


def members_agree(kind: Composite, mine, theirs, codec) -> None:
    names = theirs.dtype.names or ()
    for each in named_members(kind):
        if not each.name:
            members_agree(bare(each.type), mine, theirs, codec)
        elif each.width is not None:
            # Those of one unit are one number, named after all; those in a union are bytes.
            assert any(each.name in name.split("|") for name in names)
        elif each.name in codec.members and codec.members[each.name][1].size:
            numpy_agrees(each.type, member_of(mine, each.name), theirs[each.name], codec.members[each.name][1])
        else:
            assert each.name not in names


@profile
@given(headers(), seeds, st.sampled_from(["bpfel", "bpfeb"]))
def test_numpy_finds_the_same_values(header, seed, target):
    """Each member of the dtype, read by NumPy, is what decode gives."""
    for kind, _, codec, data in samples(header, seed, target):
        assert codec.dtype.itemsize == codec.size
        if data and not (codec.flexible and codec.dtype.names is None):
            found = np.frombuffer(data, codec.dtype.base)
            mine = codec.decode(data)
            numpy_agrees(kind, mine, found if codec.dtype.shape else found[0], codec)


@profile
@given(headers(), seeds)
def test_values_of_numpy_encode_as_their_bytes(header, seed):
    """A structured value of the codec's dtype, alone and in an array, is its bytes."""
    for kind, _, codec, data in samples(header, seed):
        if data and isinstance(bare(kind), Composite) and not codec.flexible:
            array = np.frombuffer(data * 3, codec.dtype)
            assert codec.encode(array[0]) == data
            assert codec.encode_many(array) == data * 3


# struct


@profile
@given(headers(), seeds, st.sampled_from(["bpfel", "bpfeb"]))
def test_the_format_unpacks_to_the_values(header, seed, target):
    """`struct` with the format, where there is one, gives the members' values in their order."""
    for kind, _, codec, data in samples(header, seed, target):
        if codec.format is None or codec.flexible:
            continue
        assert struct.calcsize(codec.format) == codec.size
        found = struct.unpack(codec.format, data)
        assert repr(flat(kind, codec.decode(data))) == repr(list(found))


def flat(kind: object, value) -> list[object]:
    """List the values, with text in one piece."""
    kind = bare(kind)
    if isinstance(kind, Array):
        if bare(kind.element) is CHAR:
            return [value]
        return [leaf for each in value for leaf in flat(kind.element, each)]
    if isinstance(kind, Composite):
        return [leaf for each in named_members(kind)
                for leaf in flat(each.type, member_of(value, each.name) if each.name else value)]  # fmt: skip
    return [int(value) if kind.kind == "enum" else value]


# In bulk


@profile
@given(headers(), seeds, st.integers(0, 9))
def test_many_are_the_same_as_one_by_one(header, seed, more):
    """`decode_many` and `encode_many`, with any stride, do what `decode` and `encode` do."""
    for _, made, _, data in samples(header, seed):
        codec = made.codec()
        stride, count = codec.size + more, 3
        whole = (data + bytes(more)) * count
        if not stride:
            continue
        one_by_one = [codec.decode(whole[at : at + stride]) for at in range(0, len(whole), stride)]
        many = codec.decode_many(whole, stride)
        assert repr(many) == repr(one_by_one)
        assert repr(codec.decode_many(whole, stride, count=2)) == repr(one_by_one[:2])
        if codec.flexible:
            continue
        encoded = [codec.encode(each) for each in many]
        assert codec.encode_many(many, stride) == b"".join(each + bytes(more) for each in encoded)
        assert codec.encode_many(iter(many)) == b"".join(encoded)
        if isinstance(many[0], Record) and all(isinstance(each, str) for each in many[0]._elements):
            assert codec.encode_many([each._asdict() for each in many]) == b"".join(encoded)


@pytest.mark.parametrize("count", [-1, 4])
def test_a_count_that_the_buffer_does_not_hold_is_refused(count):
    from libbpf_cffi._codec import bytes_codec

    with pytest.raises(ValueError, match=f"{count} of bytes"):
        bytes_codec(4).decode_many(bytes(12), count=count)


def test_an_array_of_a_dtype_that_no_buffer_can_be_is_decoded():
    made = Made()
    u32, u8 = made.int("u32", 4, 0), made.int("u8", 1, 0)
    number = made.struct("number", 4, ("whole", u32, 0), ("bytes", made.array(u8, 4), 0), union=True)
    event = made[made.struct("event", 8, ("pid", u32, 0), ("number", number, 32))]
    given = np.frombuffer(struct.pack("<4I", 1, 2, 3, 4), event.dtype)
    with pytest.raises(ValueError, match="overlapping"):
        memoryview(given)
    assert [(each.pid, each.number.whole) for each in event.codec().decode_many(given)] == [(1, 2), (3, 4)]
    assert event.decode(given[:1]).number.whole == 2
    assert event.codec().decode(given, 8).pid == 3
