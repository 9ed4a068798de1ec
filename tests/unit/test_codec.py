"""The codec takes what fits, and says of anything else which part it is and what does not fit."""

from __future__ import annotations

import array
import collections
import pickle
import struct
import sys
from types import MappingProxyType

import numpy as np
import pytest
from made_btf import Made

import libbpf_cffi as bpf
from libbpf_cffi._codec import bytes_codec, part
from libbpf_cffi._ffi import lib


class Kinds:
    """A type of each kind."""

    def __init__(self) -> None:
        made = self.made = Made()
        u8, s8, u32, s32 = (made.int(f"{sign}{bits}", bits // 8, lib.BTF_INT_SIGNED * (sign == "s"))
                            for bits in (8, 32) for sign in "us")  # fmt: skip
        u64, wide = made.int("u64", 8, 0), made.int("__int128", 16)
        truth = made.int("bool", 1, lib.BTF_INT_BOOL)
        char = made.int("char", 1)
        single, double = made.float("float", 4), made.float("double", 8)
        state = made.enum("state", 4, ("IDLE", 0), ("BUSY", 1))
        text = made.array(char, 8)
        pair = made.struct("pair", 8, ("low", u32, 0), ("high", s32, 32))
        number = made.struct("number", 4, ("whole", u32, 0), ("bytes", made.array(u8, 4), 0), ("s", s8, 0), union=True)
        bits = made.struct("bits", 8, ("a", u32, 0, 3), ("b", s32, 3, 5), ("c", truth, 8, 1), ("d", state, 9, 2),
                           ("e", u64, 16, 40))  # fmt: skip
        anonymous = made.struct("", 4, ("id", u32, 0), ("port", s8, 0), union=True)
        event = made.struct("event", 96, ("pid", u32, 0), ("comm", text, 32), ("pairs", made.array(pair, 2), 96),
                            ("ok", truth, 224), ("state", state, 256), ("", anonymous, 288), ("number", number, 320),
                            ("bits", bits, 384), ("share", double, 448),
                            ("grid", made.array(made.array(u8, 3), 2), 512),
                            ("many", made.array(u8, 20), 568))  # fmt: skip
        two = made.array(u8, 2)
        arrays = made.struct("arrays", 4, ("a", two, 0), ("b", two, 16))
        named = made.struct("named", 12, ("n", u32, 0), ("name", text, 32))
        flexible = made.struct("flexible", 8, ("n", u32, 0), ("name", u8, 32), ("rest", made.array(pair, 0), 64))
        texts = made.struct("texts", 4, ("n", u32, 0), ("rest", made.array(char, 0), 32))
        self.__dict__ |= {name: made[number] for name, number in locals().items() if isinstance(number, int)}


@pytest.fixture(scope="module")
def kinds() -> Kinds:
    return Kinds()


# What is wrong, and where

WRONG = [
    ("u8", 256, ValueError, "u8 must be from 0 to 255, not 256"),
    ("s8", -129, ValueError, "s8 must be from -128 to 127, not -129"),
    ("u32", -1, ValueError, "u32 must be from 0 to 4294967295, not -1"),
    ("u64", 1 << 64, ValueError, "u64 must be from 0 to 18446744073709551615, not 18446744073709551616"),
    ("u32", 1.0, TypeError, "u32 must be an integer, not float"),
    ("u32", "1", TypeError, "u32 must be an integer, not str"),
    ("u32", None, TypeError, "u32 must be an integer, not NoneType"),
    ("u32", np.int64(-1), ValueError, "u32 must be from 0 to 4294967295, not -1"),
    ("wide", 1 << 127, ValueError, "__int128 must be from -2**127 to 2**127-1, not 1701411834"),
    ("wide", "1", TypeError, "__int128 must be an integer, not str"),
    ("truth", 2, ValueError, "bool must be True or False, not 2"),
    ("truth", "no", TypeError, "bool must be True or False, not str"),
    ("single", 1e39, ValueError, "float cannot hold 1e+39: it has 4 bytes"),
    ("single", "1", TypeError, "float must be a number, not str"),
    ("double", 10**400, ValueError, "double cannot hold 1000"),
    ("double", None, TypeError, "double must be a number, not NoneType"),
    ("state", "GONE", ValueError, "enum state has no enumerator 'GONE'; it has IDLE, BUSY"),
    ("state", 1 << 32, ValueError, "enum state must be from 0 to 4294967295, not 4294967296"),
    ("text", "123456789", ValueError, "char[8] has room for 8 bytes, not 9: '123456789'"),
    ("text", "a\0b", ValueError, r"char[8] has a NUL character in it: 'a\x00b'"),
    ("text", "\ud800", ValueError, r"char[8] cannot hold '\ud800'"),
    ("text", 5, TypeError, "char[8] must be str or bytes, not int"),
    ("text", np.int64(5), TypeError, "char[8] must be str or bytes, not int64"),
    ("pair", 5, TypeError, "struct pair must be a record, a mapping, a tuple or bytes, not int"),
    ("pair", (1,), ValueError, "struct pair has 2 members (low, high), not 1"),
    ("pair", (1, 2, 3), ValueError, "struct pair has 2 members (low, high), not 3"),
    ("pair", {"lo": 1}, ValueError, "struct pair has no member 'lo'; close names: low"),
    ("pair", {1: 1}, ValueError, "struct pair has no member 1"),
    ("pair", bytes(7), ValueError, "struct pair has 8 bytes, not 7"),
    ("pair", memoryview(array.array("I", [1] * 8)), ValueError, "struct pair has 8 bytes, not 32"),
    ("pair", {"high": 1 << 31}, ValueError, "high (s32) must be from -2147483648 to 2147483647, not 2147483648"),
    ("pair", (0, "x"), TypeError, "high (s32) must be an integer, not str"),
    ("number", 5, TypeError, "union number must be a value of the union, members by name, or bytes, not int"),
    ("number", bytes(5), ValueError, "union number has 4 bytes, not 5"),
    ("number", {"nope": 1}, ValueError, "union number has no member 'nope'"),
    ("number", {"bytes": (1, 2, 3)}, ValueError, "bytes (u8[4]) has 4 elements, not 3"),
    ("number", {"whole": 1, "s": 2}, ValueError, "union number: s differs from whole in bits that they share"),
    ("bits", {"a": 8}, ValueError, "a (u32:3) must be from 0 to 7, not 8"),
    ("bits", {"b": -17}, ValueError, "b (s32:5) must be from -16 to 15, not -17"),
    ("bits", {"c": 2}, ValueError, "c (bool) must be True or False, not 2"),
    ("bits", {"d": "GONE"}, ValueError, "d (enum state) has no enumerator 'GONE'"),
    ("bits", {"d": 4}, ValueError, "d (enum state:2) must be from 0 to 3, not 4"),
    ("bits", (0, 0, 0, 0, 1 << 40), ValueError, "e (u64:40) must be from 0 to 1099511627775, not 1099511627776"),
    ("event", {"pairs": [(1, 2), {"low": -1}]}, ValueError, "pairs[1].low (u32) must be from 0 to"),
    ("event", {"pairs": [(1, 2)]}, ValueError, "pairs (struct pair[2]) has 2 elements, not 1"),
    ("event", {"pairs": {"a": 1, "b": 2}}, TypeError, "pairs (struct pair[2]) must be a sequence of its"),
    ("event", {"pairs": MappingProxyType({})}, TypeError, "a sequence of its elements, not mappingproxy"),
    ("event", {"grid": [(1, 2, 3), (1, 2, 256)]}, ValueError, "grid[1][2] (u8) must be from 0 to 255, not 256"),
    ("event", {"grid": ["abc", "abc"]}, TypeError, "grid[0] (u8[3]) must be a sequence of its elements, not str"),
    ("event", {"many": [0] * 19 + [-1]}, ValueError, "many[19] (u8) must be from 0 to 255, not -1"),
    ("arrays", ([1], [1, 2, 3]), ValueError, "a (u8[2]) has 2 elements, not 1"),
    ("named", (1, "123456789"), ValueError, "name (char[8]) has room for 8 bytes, not 9: '123456789'"),
    ("named", (1, b"123456789"), ValueError, "name (char[8]) has room for 8 bytes, not 9: b'123456789'"),
    ("named", (1, "a\0b"), ValueError, r"name (char[8]) has a NUL character in it: 'a\x00b'"),
    ("event", {"many": bytes(19)}, ValueError, "many (u8[20]) must have 20 bytes, not 19"),
    ("event", {"port": 128}, ValueError, "port (s8) must be from -128 to 127, not 128"),
    ("event", {"id": 256, "port": 1}, ValueError, "port differs from id in bits that they share"),
    ("event", {"number": {"whole": -1}}, ValueError, "number.whole (u32) must be from 0"),
    ("event", {"bits": {"a": 8}}, ValueError, "bits.a (u32:3) must be from 0 to 7, not 8"),
    ("event", {"comm": "far too long"}, ValueError, "comm (char[8]) has room for 8 bytes, not 12"),
    ("flexible", {"rest": [(1, 2), (1, "x")]}, TypeError, "rest[1].high (s32) must be an integer, not str"),
    ("flexible", {"rest": "text"}, TypeError, "rest (struct pair[]) must be a sequence"),
    ("flexible", bytes(3), ValueError, "struct flexible has 8 bytes, not 3"),
    ("texts", {"rest": 5}, TypeError, "rest (char[]) must be str or bytes, not int"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "kind", "message"), WRONG)
def test_what_does_not_fit_is_refused_with_its_path_and_the_numbers(kinds, name, value, kind, message):
    with pytest.raises(kind) as raised:
        getattr(kinds, name).encode(value)
    assert message in str(raised.value)


@pytest.mark.parametrize(("name", "value", "kind", "message"), WRONG)
def test_in_many_values_the_number_of_the_wrong_one_is_named(kinds, name, value, kind, message):
    made = getattr(kinds, name)
    good = made.decode(made.encode(made()))
    with pytest.raises(kind) as raised:
        made.codec().encode_many([good, value])
    assert str(raised.value).startswith("[1]")


@pytest.mark.parametrize("value", [b"123", b"12345", "1234", 1234, None, np.uint32(5)])
def test_bytes_without_a_type_have_one_length(value):
    with pytest.raises((TypeError, ValueError), match=r"bytes\[4\] must (have 4 bytes|be bytes)"):
        bytes_codec(4).encode(value)


def test_a_record_of_another_union_is_refused(kinds):
    other = kinds.made[kinds.made.struct("other", 4, ("x", 1, 0), union=True)]
    with pytest.raises(TypeError, match="cannot be of another union"):
        kinds.number.encode(other())


# What fits


def full(kinds) -> object:
    return kinds.event(
        pid=1, comm="bash", pairs=[(1, -1), {"low": 2}], ok=True, state="BUSY", id=258, number={"s": -1},
        bits=(7, -16, True, "BUSY", 5), share=0.5, grid=[(1, 2, 3), (4, 5, 6)], many=range(20),
    )  # fmt: skip


def test_each_form_of_a_value_gives_the_same_bytes(kinds):
    value = full(kinds)
    data = kinds.event.encode(value)
    forms = [
        value, tuple(value), list(value), value._asdict(), MappingProxyType(value._asdict()), data, bytearray(data),
        memoryview(data), np.frombuffer(data, "u1"), np.void(data), np.frombuffer(data, kinds.event.dtype)[0],
        collections.UserDict(value._asdict()),
    ]  # fmt: skip
    for form in forms:
        assert kinds.event.encode(form) == data, form
        assert kinds.event.codec().encode_many([form, form]) == data * 2


def test_a_named_tuple_goes_by_its_names(kinds):
    other = collections.namedtuple("Other", ["high", "low"])  # noqa: PYI024 - not for type checkers
    assert kinds.pair.encode(other(low=1, high=2)) == kinds.pair.encode((1, 2))


def test_a_record_of_another_struct_goes_by_its_names(kinds):
    made = kinds.made
    other = made[made.struct("other", 8, ("high", made.int("x", 4), 0), ("low", made.int("y", 4), 32))]
    assert kinds.pair.encode(other(low=1, high=2)) == kinds.pair.encode((1, 2))


def test_a_structured_value_of_another_dtype_goes_by_its_names(kinds):
    other = np.array([(2, 1)], [("high", "i8"), ("low", "u1")])
    assert kinds.pair.encode(other[0]) == kinds.pair.encode((1, 2))
    assert kinds.pair.codec().encode_many(other) == kinds.pair.encode((1, 2))


def test_what_is_not_given_is_zero(kinds):
    assert kinds.event.encode({}) == bytes(96)
    assert kinds.event() == kinds.event.decode(bytes(96))
    assert kinds.event(pid=1) == kinds.event.decode(b"\1" + bytes(95))


def test_a_value_is_made_of_places_and_names_but_not_of_both(kinds):
    assert kinds.pair(1, high=2) == kinds.pair(low=1, high=2) == (1, 2)
    with pytest.raises(TypeError, match="given low twice"):
        kinds.pair(1, low=2)
    with pytest.raises(TypeError, match="has 2 members, not 3"):
        kinds.pair(1, 2, 3)
    value = full(kinds)
    assert kinds.event(*value) == kinds.event(*value[:5], {"id": 258}, *value[6:]) == value
    with pytest.raises(TypeError, match=r"struct event: id \| port must be a value of the union"):
        kinds.event(1, "", [(0, 0)] * 2, True, 0, 5)
    assert kinds.u32(5) == 5
    with pytest.raises(TypeError, match="made of one value"):
        kinds.u32(5, 6)


@pytest.mark.parametrize("number", [5, True, np.uint8(5), np.int64(5), np.uint64(5)])
def test_integers_of_any_kind_are_taken(kinds, number):
    assert kinds.u32.encode(number) == kinds.u32.encode(int(number))
    assert kinds.bits.encode({"a": number}) == kinds.bits.encode({"a": int(number)})
    plain = int(number)
    assert kinds.bits.encode((number, number, 0, 0, number)) == kinds.bits.encode((plain, plain, 0, 0, plain))


@pytest.mark.parametrize("value", [True, 1, np.bool_(True), np.uint8(1)])
def test_truth_of_any_kind_is_taken(kinds, value):
    assert kinds.truth.encode(value) == b"\1"
    assert kinds.bits.encode({"c": value}) == kinds.bits.encode((0, 0, value, 0, 0)) == b"\0\1" + bytes(6)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5)])
def test_floating_point_numbers_of_any_kind_are_taken(kinds, value):
    assert kinds.double.encode(value) == struct.pack("<d", 0.5)


@pytest.mark.parametrize(
    "value",
    [[1, 2, 3, 4], (1, 2, 3, 4), range(1, 5), b"\1\2\3\4", np.arange(1, 5), array.array("I", [1, 2, 3, 4])],
)
def test_sequences_of_any_kind_are_taken(kinds, value):
    assert kinds.number.encode({"bytes": value}) == b"\1\2\3\4"


def test_arrays_of_numpy_in_several_dimensions_are_taken(kinds):
    assert kinds.event(grid=np.arange(6).reshape(2, 3)).grid == ((0, 1, 2), (3, 4, 5))


@pytest.mark.parametrize(
    "numbers", [[1, 2], (1, 2), range(1, 3), {1: 0, 2: 0}, np.array([1, 2], "<u4"), np.array([1, 2], "<i8")]
)
def test_many_numbers_of_any_kind_are_taken(kinds, numbers):
    assert kinds.u32.codec().encode_many(numbers) == struct.pack("<2I", 1, 2)


def test_many_numbers_of_numpy_that_do_not_fit_are_refused(kinds):
    with pytest.raises(ValueError, match=r"\[1\] \(u32\) must be from 0 to 4294967295, not -1"):
        kinds.u32.codec().encode_many(np.array([1, -1]))


@pytest.mark.parametrize(
    "value", ["bash", b"bash", bytearray(b"bash"), np.bytes_(b"bash"), np.str_("bash"), "bash\0\0"]
)
def test_text_of_any_kind_is_taken(kinds, value):
    assert kinds.text.encode(value) == b"bash\0\0\0\0"


def test_text_that_is_not_utf_8_comes_and_goes(kinds):
    value = kinds.text.decode(b"\xff\xfe\0\1\2\3\4\5")
    assert value == "\udcff\udcfe"
    assert kinds.text.encode(value) == b"\xff\xfe" + bytes(6)


def test_text_as_bytes_is_all_of_them(kinds):
    codec = kinds.text.codec("bytes")
    assert codec.decode(b"ab\0cd\0\0\0") == b"ab\0cd\0\0\0"
    assert codec.encode("ab") == b"ab" + bytes(6)


def test_text_is_made_a_text_or_bytes_and_nothing_else(kinds):
    with pytest.raises(ValueError, match="chars must be 'str' or 'bytes', not 'text'"):
        kinds.text.codec("text")


# Flexible arrays


def test_a_flexible_array_is_as_long_as_its_elements(kinds):
    codec = kinds.flexible.codec()
    assert (codec.size, codec.flexible) == (8, True)
    assert len(codec.encode({"n": 1})) == 8
    data = codec.encode({"n": 1, "rest": [(1, 2), (3, 4)]})
    assert len(data) == 24
    assert codec.decode(data) == (1, 0, ((1, 2), (3, 4)))
    assert codec.decode(data[:23]).rest == ((1, 2),)


def test_flexible_text_ends_with_its_bytes(kinds):
    codec = kinds.texts.codec()
    assert codec.encode({"n": 4, "rest": "bash"}) == b"\4\0\0\0bash"
    assert codec.decode(b"\4\0\0\0bash\0\0") == (4, "bash")
    assert kinds.texts.codec("bytes").decode(b"\4\0\0\0bash\0\0") == (4, b"bash\0\0")


def test_a_flexible_array_inside_another_struct_has_no_room(kinds):
    made = kinds.made
    outer = made[made.struct("outer", 12, ("inner", kinds.flexible.id, 0), ("last", kinds.u32.id, 64))]
    assert outer.decode(bytes(12)).inner.rest == ()
    text = made[made.struct("of_text", 4, ("inner", kinds.texts.id, 0))]
    assert text.decode(bytes(4)).inner.rest == ""
    value = outer(last=5)
    assert outer.encode(value) == bytes(8) + b"\5\0\0\0"
    with pytest.raises(ValueError, match=r"inner \(struct flexible\) has no room for its flexible array"):
        outer.encode({"inner": {"rest": [(1, 2)]}})


# Bytes to values


@pytest.mark.parametrize("name", ["u32", "wide", "truth", "double", "state", "text", "pair", "number", "bits", "event"])
def test_too_few_bytes_are_refused(kinds, name):
    codec = getattr(kinds, name).codec()
    for given in (0, codec.size - 1):
        with pytest.raises(ValueError, match=f"has {codec.size} bytes, not {given}"):
            codec.decode(bytes(given))
    with pytest.raises(ValueError, match=f"has {codec.size} bytes, not 0"):
        codec.decode(bytes(codec.size * 2), codec.size * 2)


def test_a_value_is_decoded_at_any_offset(kinds):
    codec = kinds.pair.codec()
    assert codec.decode(b"???\1\0\0\0\2\0\0\0??", 3) == (1, 2)
    assert kinds.texts.codec().decode(b"?\1\0\0\0ab", 1) == (1, "ab")


@pytest.mark.parametrize(
    "kind",
    [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, "<u4"), lambda data: array.array("I", data)],
)
def test_any_buffer_is_decoded(kinds, kind):
    data = struct.pack("<IiIi", 1, 2, 3, 4)
    assert kinds.pair.decode(kind(data), offset=8) == (3, 4)
    assert kinds.pair.codec().decode_many(kind(data)) == [(1, 2), (3, 4)]
    assert kinds.u32.codec().decode_many(kind(data)) == [1, 2, 3, 4]


@pytest.mark.parametrize("empty", [b"", np.empty(0, "<u4"), np.empty((0, 3), "<u4"), memoryview(b"")])
def test_nothing_is_no_values(kinds, empty):
    for codec in (kinds.u32.codec(), kinds.pair.codec(), kinds.event.codec(), kinds.text.codec()):
        assert codec.decode_many(empty) == []
        assert codec.encode_many([]) == b""


@pytest.mark.parametrize("size", [1, 7, 9, 15])
def test_a_buffer_that_ends_within_a_value_is_refused(kinds, size):
    with pytest.raises(ValueError, match=f"{size} bytes are no whole number of struct pair, 8 bytes each"):
        kinds.pair.codec().decode_many(bytes(size))


def test_a_stride_that_is_too_short_is_refused(kinds):
    for call in (kinds.pair.codec().decode_many, kinds.pair.codec().encode_many):
        with pytest.raises(ValueError, match="struct pair has 8 bytes, more than the 7 from one to the next"):
            call(b"", stride=7)


def test_a_record_of_plain_numbers_is_made_of_what_struct_gives(kinds):
    """No Python code runs for each of many: the short way is there to be taken."""
    codec = kinds.pair.codec()
    assert codec._is_tuple(*codec._compile())
    assert not kinds.named.codec()._is_tuple(*kinds.named.codec()._compile())


# Parts


@pytest.mark.parametrize(
    ("path", "offset", "typename"),
    [("", 0, "struct event"), ("pid", 0, "u32"), ("pairs[1].high", 24, "s32"), (".id", 36, "u32"),
     ("number.s", 40, "s8"), ("grid[1][2]", 69, "u8"), ("bits.e", 50, "u64:40"), ("pairs", 12, "struct pair[2]")],
)  # fmt: skip
def test_a_part_is_found_by_its_path(kinds, path, offset, typename):
    at, codec = part(kinds.event.codec(), path, "event")
    assert (at, codec.typename) == (offset, typename)


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [("nope", KeyError, "event has no member 'nope'"), ("pairs[2]", IndexError, "event.pairs has 2 elements"),
     ("pid.x", KeyError, "which has no member 'x'"), ("pid[0]", KeyError, "which has no elements"),
     ("pairs[-1]", KeyError, "an index is a number in brackets"), ("pairs[1", KeyError, "an index is a number"),
     ("pairs..low", KeyError, "a member's name is missing"), ("pairs[\u0661]", KeyError, "an index is a number")],
)  # fmt: skip
def test_a_part_that_there_is_not_is_refused(kinds, path, kind, message):
    with pytest.raises(kind, match=message):
        part(kinds.event.codec(), path, "event")


# Enumerations that Python's own cannot be


@pytest.fixture
def odd_enums():
    """Make an enumeration of nothing, one whose only name Python keeps for itself, and a struct of both."""
    btf = bpf.Btf.new()
    nothing = btf.add_enum("nothing", 4)
    kept = btf.add_enum("kept", 4)
    btf.add_enum_value("mro", 0)
    both = btf.add_struct("both", 8)
    btf.add_field("nothing", nothing, 0)
    btf.add_field("kept", kept, 32)
    return nothing, kept, both


def test_an_enumeration_without_members_takes_numbers(odd_enums):
    nothing, _, both = odd_enums
    assert int(nothing.decode(b"\5\0\0\0")) == 5
    assert tuple(map(int, both.decode(b"\5\0\0\0\0\0\0\0"))) == (5, 0)


def test_an_enumerator_whose_name_python_keeps_is_encoded_by_it(odd_enums):
    assert odd_enums[1].encode("mro") == bytes(4)


def test_an_enumeration_without_members_says_that_it_has_none(odd_enums):
    with pytest.raises(ValueError, match="has no enumerator 'x'; it has none"):
        odd_enums[0].encode("x")


@pytest.mark.parametrize("value", [0, 5])
def test_a_value_of_an_enumeration_without_members_is_pickled(odd_enums, value):
    decoded = odd_enums[0].decode(value.to_bytes(4, sys.byteorder))
    assert pickle.loads(pickle.dumps(decoded)) == decoded


def test_arrays_of_arrays_are_named_as_in_c():
    btf = bpf.Btf.new()
    number = btf.add_int("int", 4)
    rows = btf.add_array(number, number, 3)
    assert btf.add_array(number, rows, 2).codec().typename == "int[2][3]"


class Longer(bytes):
    """Says that it has more bytes than there are."""

    def __len__(self):
        return 1 << 22


def test_bytes_are_as_many_as_there_are_whatever_they_say():
    # C would read behind the end of them.
    assert type(bytes_codec(4).encode(Longer(b"abcd"))) is bytes
    with pytest.raises(ValueError, match="not 4"):
        bytes_codec(1 << 22).encode(Longer(b"abcd"))
