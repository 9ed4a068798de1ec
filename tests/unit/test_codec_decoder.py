"""Decoding in C gives the same values as the codec's expression, of all types; nothing leaks, nothing crashes."""

from __future__ import annotations

import gc
import random
import struct
import sys

import pytest
from c_types import headers
from compilers import Bpf
from hypothesis import given
from hypothesis import strategies as st
from made_btf import Made
from profiles import profile, seeds

from libbpf_cffi._codec_program import Program
from libbpf_cffi._ffi import Decoder, lib

pytestmark = pytest.mark.skipif(Decoder is None, reason="this Python has no lock around the interpreter")

NUMBERS = struct.Struct("=QIiQ")


@pytest.fixture
def event():
    """The codec of a record of plain numbers."""
    made = Made()
    long, word, signed = made.int("u64", 8, 0), made.int("u32", 4, 0), made.int("s32", 4)
    return made[made.struct("decoded", 24, ("n", long, 0), ("pid", word, 64), ("result", signed, 96),
                            ("flags", long, 128))].codec()  # fmt: skip


@pytest.fixture
def state():
    """The codec of a record with an enumeration that has one member."""
    made = Made()
    kind = made.enum("decoded_state", 4, ("IDLE", 0))
    return made[made.struct("stateful", 8, ("state", kind, 0), ("n", made.int("u32", 4, 0), 32))].codec()


def some(count: int) -> bytearray:
    """Give records, of which members often have the value that they had in the one before."""
    rng = random.Random(count)
    return bytearray(b"".join(
        NUMBERS.pack(rng.getrandbits(rng.choice((1, 40, 64))), rng.choice((1, 4711)), rng.randint(-2, 0), n // 7)
        for n in range(count)
    ))  # fmt: skip


def in_python(codec, data) -> list:
    """Decode by the codec's expression."""
    return [codec.unpack(data, at) for at in range(0, len(data), codec.size)]


def described(value: object) -> str:
    """Tell values apart that are equal, such as True and 1, but not NaN from NaN."""
    if isinstance(value, tuple):
        return f"{type(value).__name__}({', '.join(map(described, value))})"
    return f"{type(value).__name__} {value!r}"


def mutated(rng: random.Random, size: int, count: int) -> bytes:
    """Give some values each of which is like the one before, but for a few bytes."""
    found = [rng.randbytes(size)]
    for _ in range(count - 1):
        data = bytearray(found[-1])
        for _ in range(rng.randint(0, 3)):
            data[rng.randrange(size)] = rng.choice((0, 1, 0x80, 0xFF))
        found.append(bytes(data))
    return b"".join(found)


# The same values


@profile
@given(headers(), seeds, st.sampled_from(["str", "bytes"]))
def test_values_are_the_same_in_all_ways(header, seed, chars):
    rng = random.Random(seed)
    for made in Bpf(header).types:
        codec = made.codec(chars)
        if codec.decoder is None or not codec.size:
            continue
        data = mutated(rng, codec.size, 6)
        told = list(map(described, in_python(codec, data)))
        many = codec.decoder.many(data, 0, codec.size, 6)
        assert list(map(described, many)) == told
        assert [described(codec.quick(bytearray(data), at)) for at in range(0, len(data), codec.size)] == told
        # As they come, each forgotten at once, and all kept.
        assert list(map(described, codec.decoder.values(data, 0, codec.size, 6))) == told
        kept = list(codec.decoder.values(data, 0, codec.size, 6))
        assert list(map(described, kept)) == told


def test_each_kind_of_member_is_decoded_in_c():
    made = Made()
    byte, word, signed = made.int("u8", 1, 0), made.int("u32", 4, 0), made.int("s16", 2)
    truth, kind = made.int("bool", 1, lib.BTF_INT_BOOL), made.enum("decoded_kind", 4, ("A", 0))
    pair = made.struct("decoded_pair", 4, ("low", signed, 0), ("high", signed, 16))
    members = (("text", made.array(made.int("char", 1), 4), 0), ("ok", truth, 32), ("byte", byte, 40),
               ("kind", kind, 64), ("pairs", made.array(pair, 20), 96), ("a", word, 736, 3), ("b", kind, 739, 9),
               ("c", truth, 748, 1), ("many", made.array(byte, 4), 768), ("share", made.float("float", 4), 800),
               ("pointer", made.pointer(word), 832))  # fmt: skip
    codec = made[made.struct("decoded_kinds", 112, *members)].codec()
    assert codec.decoder is not None


@profile
@given(headers(), seeds)
def test_types_of_another_byte_order_are_left_to_python(header, seed):
    target = "bpfeb" if sys.byteorder == "little" else "bpfel"
    for made in Bpf(header, target=target).types:
        codec = made.codec()
        if codec.decoder is not None:
            data = random.Random(seed).randbytes(codec.size)
            assert described(codec.quick(data)) == described(codec.unpack(data))


@pytest.mark.parametrize("hold", range(4))
def test_a_record_that_is_kept_stays_as_it_is(event, hold):
    data = some(1000)
    told = in_python(event, data)
    held = []
    for number, record in enumerate(event.decoder.values(data, 0, 24, 1000)):
        if number >> hold & 1:
            held.append((number, record))
    assert held == [(number, told[number]) for number, _ in held]


def test_the_hash_of_a_record_is_that_of_its_values(event):
    assert [hash(each) for each in event.decoder.values(some(50), 0, 24, 50)] == [
        hash(tuple(each)) for each in in_python(event, some(50))
    ]


def test_a_record_is_as_if_made_by_its_class(event):
    record = event.decoder.one(some(1))
    assert (record, record._asdict(), record._replace(pid=5).pid) == (
        type(record)(*record), dict(zip(("n", "pid", "result", "flags"), record, strict=True)), 5,
    )  # fmt: skip


def test_one_not_a_number_is_not_equal_to_the_next():
    made = Made()
    codec = made[made.struct("share", 8, ("share", made.float("double", 8), 0))].codec()
    one, other = codec.decoder.many(struct.pack("=dd", *[float("nan")] * 2), 0, 8, 2)
    assert one != other


def test_a_stride_leaves_out_what_lies_between(event):
    data = b"".join(bytes(some(1)) + b"\xff" * 4 for _ in range(5))
    assert event.decoder.many(data, 0, 28, 5) == in_python(event, bytes(some(1)) * 5)


# Enumerators that are not known


def test_an_unknown_enumerator_is_made_once(state):
    first, second = state.decoder.many(struct.pack("=IIII", 7, 1, 7, 2), 0, 8, 2)
    assert first.state is second.state


def test_more_unknown_enumerators_than_are_kept_are_all_decoded(state):
    data = b"".join(struct.pack("=II", number, number) for number in range(3000))
    assert [(int(one), n) for one, n in state.decoder.values(data, 0, 8, 3000)] == [(n, n) for n in range(3000)]


def test_an_exception_while_one_is_made_loses_no_value(state, monkeypatch):
    def fail(_: object) -> None:
        raise KeyboardInterrupt

    values = state.decoder.values(struct.pack("=IIII", 0, 1, 9, 2), 0, 8, 2)
    next(values)
    with monkeypatch.context() as patch:
        patch.setattr(state.fields[0].codec.record, "_missing_", fail)
        with pytest.raises(KeyboardInterrupt):
            next(values)
    assert [n for _, n in values] == [2]


# Sequences of values


def test_values_know_how_many_are_left(event):
    values = event.decoder.values(some(3), 0, 24, 3)
    next(values)
    assert (len(values), values.__length_hint__()) == (3, 2)


def test_a_part_of_values_is_a_list_of_them(event):
    assert event.decoder.values(some(9), 24, 24, 8)[2:5] == in_python(event, some(9))[3:6]


def test_deleted_values_are_not_handed_out(event):
    values = event.decoder.values(some(3), 0, 24, 3)
    del values[:]
    assert (list(values), len(values)) == ([], 0)


@pytest.mark.parametrize("index", [0, slice(0, 2, 2), "x"])
def test_values_have_no_other_subscripts(event, index):
    with pytest.raises((TypeError, ValueError)):
        event.decoder.values(some(3), 0, 24, 3)[index]


def test_values_cannot_be_replaced(event):
    values = event.decoder.values(some(3), 0, 24, 3)
    with pytest.raises(TypeError, match="deleted"):
        values[:] = []


def test_values_are_made_by_a_decoder_alone(event):
    kind = type(event.decoder.values(some(1), 0, 24, 1))
    with pytest.raises(TypeError):
        kind()


# Memory


def test_a_buffer_keeps_its_size_while_values_look_at_it(event):
    data = some(3)
    values = event.decoder.values(data, 0, 24, 3)
    with pytest.raises(BufferError):
        data.clear()
    del values
    data.clear()


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("offset", [0, 24])
def test_one_value_is_decoded_of_any_buffer(event, buffer, offset):
    assert event.decoder.one(buffer(some(2)), offset) == in_python(event, some(2))[offset // 24]


@pytest.mark.parametrize("offset", [1, 24, 1 << 40, -25])
def test_a_value_that_is_not_in_the_buffer_is_refused(event, offset):
    with pytest.raises(struct.error):
        event.decoder.one(some(1), offset)


@pytest.mark.parametrize("sizes", [(0, 24, 3), (1, 24, 2), (-1, 24, 1), (0, 23, 1), (0, 24, -1), (49, 24, 0),
                                   (0, 1 << 62, 2), (0, 24, 1 << 62)])  # fmt: skip
def test_values_that_are_not_in_the_buffer_are_refused(event, sizes):
    for function in (event.decoder.many, event.decoder.values):
        with pytest.raises(ValueError, match="not in the buffer"):
            function(some(2), *sizes)


@pytest.mark.parametrize("arguments", [(), ("x", 0, 24, 1), (b"", 0, 24), (b"", "x", 24, 1), (3, 0, 9, 0)])
def test_what_is_no_buffer_or_number_is_refused(event, arguments):
    for function in (event.decoder.many, event.decoder.values):
        with pytest.raises(TypeError):
            function(*arguments)


@pytest.mark.parametrize("arguments", [(), (b"", 0, 0), (b"", "x")])
def test_wrong_arguments_for_one_value_are_refused(event, arguments):
    with pytest.raises(TypeError):
        event.decoder.one(*arguments)


def test_nothing_is_left_of_records(event, state):
    data = some(500) + bytearray(struct.pack("=II", 0, 1) * 3)

    def decode() -> None:
        for _ in event.decoder.values(data, 0, 24, 500):
            pass
        held = list(event.decoder.values(data, 0, 24, 500))
        held += event.decoder.many(data, 0, 24, 500)
        held.append(event.decoder.one(data, 24))
        held += state.decoder.values(data, 12000, 8, 3)
        next(event.decoder.values(data, 0, 24, 500))

    def counted() -> tuple[int, int]:
        gc.collect()
        return sys.getallocatedblocks(), sys.getrefcount(event.record)

    for _ in range(3):
        decode()
    before = counted()
    for _ in range(50):
        decode()
    blocks, references = counted()
    assert (references, blocks < before[0] + 50) == (before[1], True)


def test_a_decoder_that_nobody_has_is_gone(event):
    decoder = Decoder(bytes_of([0, 0, 8, 0, 0, 1, 1]), (event.record,), cycle := [lambda *_: None])
    cycle.append(decoder)
    gc.collect()
    before = sys.getrefcount(event.record)
    del decoder, cycle
    gc.collect()
    # Not in the assert, which holds what it looks at.
    after = sys.getrefcount(event.record)
    assert after == before - 1


def test_no_memory_is_an_exception_at_any_place(event):
    testcapi = pytest.importorskip("_testcapi", reason="this CPython comes without its own tests' helpers")
    data = some(3)
    told = in_python(event, data)
    many, values, came, failed = event.decoder.many, event.decoder.values(data, 0, 24, 3), [], 0
    for place in range(1, 40):
        listed = one = None
        testcapi.set_nomemory(place, place + 1)
        try:
            listed = many(data, 0, 24, 3)
        except MemoryError:
            pass
        finally:
            testcapi.remove_mem_hooks()
        testcapi.set_nomemory(place, place + 1)
        try:
            one = next(values, None)
        except MemoryError:
            pass
        finally:
            testcapi.remove_mem_hooks()
        failed += listed is None
        assert listed in (None, told)
        came += [] if one is None else [one]
    assert failed
    assert came == told


# Programs


def bytes_of(*nodes: list[int]) -> bytes:
    return b"".join(struct.pack("=7I", *node) for node in nodes)


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [[99, 0, 8, 0, 0, 1, 1]],
        [[0, 0, 3, 0, 0, 1, 1]],
        [[0, 0, 0, 0, 0, 1, 1]],
        [[0, 4, 4, 0, 0, 1, 1]],
        [[0, 0, 4, 0, 0, 1, 2]],
        [[0, 0, 4, 0, 0, 1, 1], [0, 0, 4, 0, 0, 1, 1]],
        [[2, 0, 2, 0, 0, 1, 1]],
        [[3, 0, 2, 0, 0, 1, 1]],
        [[6, 0, 4, 0, 0, 1, 1]],
        [[6, 0, 4, 0, 9, 1, 1]],
        [[8, 0, 1, 4 | 5 << 8, 0, 1, 1]],
        [[8, 0, 1, 0, 0, 1, 1]],
        [[13, 0, 8, 3, 0, 1, 2], [0, 0, 4, 0, 0, 1, 1]],
        [[13, 0, 8, 2, 0, 1, 1]],
        [[13, 0, 8, 0, 0, 1, 2], [0, 0, 4, 0, 0, 1, 1]],
        [[14, 0, 8, 1, 0, 1, 2], [0, 5, 4, 0, 0, 1, 1]],
        [[14, 0, 8, 0, 0, 1, 1]],
        [[14, 0, 8, 1, 1, 1, 2], [0, 0, 4, 0, 0, 1, 1]],
        [[14, 0, 8, 1, 2, 1, 2], [0, 0, 4, 0, 0, 1, 1]],
        [[13, 0, 1, 1, 0, 1, 40 - n] for n in range(39)] + [[0, 0, 1, 0, 0, 1, 1]],
    ],
)
def test_a_program_that_makes_no_sense_is_refused(event, nodes):
    class Larger(tuple):  # noqa: SLOT001 - it has a dict, and is not laid out as a tuple is
        pass

    with pytest.raises(ValueError, match="no program"):
        Decoder(bytes_of(*nodes), (event.record, {}, Larger), print)


@given(st.lists(st.lists(st.integers(0, 16), min_size=7, max_size=7), max_size=4), st.binary(max_size=64))
@profile
def test_no_program_reads_beyond_its_buffer(nodes, data):
    try:
        decoder = Decoder(bytes_of(*nodes), ({}, tuple), lambda *_: None)
    except ValueError:
        return
    decoder.one(data)


def test_a_type_of_too_many_parts_is_left_to_python():
    made = Made()
    byte = made.int("u8", 1, 0)
    many = Program.MOST + 1
    codec = made[made.struct("large", many, *((f"m{n}", byte, 8 * n) for n in range(many)))].codec()
    assert (codec.decoder, len(codec.decode(bytes(many)))) == (None, many)


def test_a_type_that_is_nested_too_deeply_is_left_to_python():
    made = Made()
    kind = made.int("u32", 4, lib.BTF_INT_SIGNED)
    for n in range(40):
        kind = made.struct(f"level{n}", 4, ("inner", kind, 0))
    codec = made[kind].codec()
    assert (codec.decoder, described(codec.decode(bytes(4))).count("level")) == (None, 40)
