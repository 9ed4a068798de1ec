"""Random C types: what the codec makes of them agrees byte for byte with what C compilers do."""

from __future__ import annotations

import contextlib
import random
import struct

import pytest
from c_types import Composite, bare, headers, is_flexible, leaves, plain_names, values
from compilers import CLANG, Bpf, Host, wide
from hypothesis import given
from hypothesis import strategies as st
from profiles import profile, seeds


def agree(found: list, told: list[int]) -> None:
    """Compare the leaves of a decoded value with the numbers that C has told."""
    assert len(found) == len(told)
    for mine, number in zip(found, told, strict=True):
        if isinstance(mine, float):
            assert number in bits_of(mine)
        else:
            assert int(mine) & (1 << 128) - 1 == number


def bits_of(value: float) -> range | set[int]:
    """Give what the bits of a float or a double of that value may be, as a number."""
    found = {int.from_bytes(struct.pack("<d", value), "little")}
    if value != value:  # noqa: PLR0124 - a NaN, of which there are many
        return range(1 << 64)
    with contextlib.suppress(OverflowError):
        found.add(int.from_bytes(struct.pack("<f", value), "little"))
    return found


@profile
@given(headers(), seeds, st.sampled_from(["gcc", CLANG]))
def test_sizes_offsets_and_values_are_those_of_the_machines_compiler(header, seed, compiler):
    """Sizes and offsets are; so are bytes that C fills, and what C finds in random bytes."""
    rng = random.Random(seed)
    questions, checks = [], []
    for index, (kind, made) in enumerate(zip(header.types, Bpf(header).types, strict=True)):
        codec = made.codec()
        questions.append((index, "s", 0, codec.size, ""))
        checks.append((sizes_agree, kind, codec))
        for _ in range(3):
            count = rng.randint(0, 3) if is_flexible(kind) else 0
            value = values(kind, rng, tail=count)
            data = codec.encode(value.python)
            assert codec._put_alone(value.python, ()) == data, "the short way is another way"
            questions.append((index, "f", count, len(data), " ".join(map(wide, value.numbers))))
            checks.append((bytes_agree, value.python, data))
            assert same(codec.encode(codec.decode(data)), data, kind)
            if data:
                noise = rng.randbytes(len(data))
                questions.append((index, "t", count, len(noise), noise.hex()))
                found = leaves(kind, made.codec("bytes").decode(noise))
                checks.append((lambda found, _, answer: agree(found, answer), found, None))
    for (check, one, other), answer in zip(checks, Host(header, compiler).ask(questions), strict=True):
        check(one, other, answer)


def same(one: bytes, other: bytes, kind: object) -> bool:
    """Compare bytes of a type; those of a flexible text may end in NULs that its text has not."""
    return one == other or (is_flexible(kind) and one.rstrip(b"\0") == other.rstrip(b"\0"))


def sizes_agree(kind, codec, answer) -> None:
    assert codec.size == answer[0]
    if isinstance(bare(kind), Composite):
        theirs = dict(zip(plain_names(bare(kind)), answer[1:], strict=True))
        mine = {name: codec.members[name][0] for name in theirs if name in codec.members}
        # A flexible array is not a member of a fixed place in memory.
        assert len(theirs) - len(mine) == codec.flexible
        assert mine.items() <= theirs.items()


def bytes_agree(value, data, answer) -> None:
    assert data == answer[0], value


@profile
@given(headers(), seeds, st.sampled_from(["bpfel", "bpfeb"]))
def test_bytes_are_those_that_clang_makes_of_initialisers(header, seed, target):
    """For BPF itself, of both byte orders: encode gives the compiler's bytes, and decode what encodes to them."""
    rng = random.Random(seed)
    made = [(index, kind, values(kind, rng, tail=2)) for index, kind in enumerate(header.types) for _ in range(2)]
    bpf = Bpf(header, [(index, value.c) for index, _, value in made], target)
    for (index, kind, value), data in zip(made, bpf.bytes, strict=True):
        codec = bpf.types[index].codec()
        encoded = codec.encode(value.python)
        if codec.flexible:
            # The compiler's variable is never shorter than the struct. BTF does not tell `[0]` from `[]`.
            encoded = encoded.ljust(codec.size, b"\0")
        assert encoded == data
        assert same(codec.encode(codec.decode(data)), data, kind)


@profile
@given(headers(), seeds)
def test_a_value_with_anything_wrong_in_it_is_refused(header, seed):
    """Wherever in a value something is that no type takes, encode raises."""
    rng = random.Random(seed)
    for kind, made in zip(header.types, Bpf(header).types, strict=True):
        codec = made.codec()
        for _ in range(5):
            value = values(kind, rng, tail=2).python
            spoilt = spoil(value, rng)
            if spoilt != value:
                with pytest.raises((TypeError, ValueError)):
                    codec.encode(spoilt)
                with pytest.raises((TypeError, ValueError)):
                    codec.encode_many([value, spoilt])


def spoil(value, rng):
    """Put something that no type takes in the place of one of a value's numbers or texts."""
    if isinstance(value, dict):
        name = rng.choice(list(value)) if value else None
        return {each: spoil(inner, rng) if each == name else inner for each, inner in value.items()}
    if isinstance(value, list):
        at = rng.randrange(len(value)) if value else None
        return [spoil(inner, rng) if index == at else inner for index, inner in enumerate(value)]
    return rng.choice([None, object(), 1 << 2000, -1 << 2000, [], 1j, "\ud800"])
