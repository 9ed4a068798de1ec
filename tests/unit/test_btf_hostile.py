"""BTF that makes no sense is refused, with the reason, before libbpf walks it; what is accepted is of use."""

from __future__ import annotations

import errno
import itertools
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import Btf

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF = range(1, 9)
CONST, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG = 10, 12, 13, 14, 15, 16, 17
KFLAG = 1 << 31

STRINGS = b"\0int\0name\0"
NAME = 5

AN_INT = (1, INT << 24, 4, 32)
"""The type of id 1 in what `btf` makes: name, info, size, bits."""


def btf(*words: int, order: str = "=", strings: bytes = STRINGS, header: int = 24) -> bytes:
    """Make raw BTF of an int and of words as they are."""
    types = struct.pack(f"{order}{len(AN_INT) + len(words)}I", *AN_INT, *words)
    head = struct.pack(f"{order}HBBIIIII", 0xEB9F, 1, 0, header, 0, len(types), len(types), len(strings))
    return head + types + strings


def test_what_the_tests_are_made_of_is_accepted():
    assert [each.name for each in Btf.from_bytes(btf())] == ["", "int"]


REFUSED = {
    "an integer without bytes": ((1, INT << 24, 0, 32), "is an integer of 0 bytes"),
    "an integer larger than any": ((1, INT << 24, 0xFF000004, 32), "is an integer of 4278190084 bytes"),
    "more bits than bytes": ((1, INT << 24, 4, 33), "is an integer of 4 bytes that has 33 bits"),
    "no bits": ((1, INT << 24, 4, 0), "is an integer of 4 bytes that has 0 bits"),
    "bits that begin too late": ((1, INT << 24, 4, 8 << 16 | 32), "is an integer of 4 bytes that has 40 bits"),
    "a float without bytes": ((1, FLOAT << 24, 0), "is a floating-point number of 0 bytes"),
    "an enumeration of 3 bytes": ((0, ENUM << 24, 3), "is an enumeration of 3 bytes"),
    "a struct of half a gigabyte": ((0, STRUCT << 24, 1 << 29), "has 536870912 bytes, more than 268435455"),
    "a forward declaration of something": ((NAME, FWD << 24, 1), "is a forward declaration of type 1"),
    "a member behind the end": ((NAME, STRUCT << 24 | 1, 4, 0, 1, 8), "has a member '' of 32 bits at bit 8"),
    "a member far behind the end": ((NAME, STRUCT << 24 | 1, 4, 0, 1, 0xFFFFFFE0), "of 32 bits at bit 4294967264"),
    "a member of a union behind the end": ((NAME, UNION << 24 | 1, 2, NAME, 1, 0), "has a member 'name' of 32 bits"),
    "a member without a size": ((NAME, STRUCT << 24 | 1, 4, 0, 0, 0), "of type 0, which has no size"),
    "a member that is only declared": (
        (NAME, FWD << 24, 0, NAME, STRUCT << 24 | 1, 4, 0, 2, 0),
        "of type 2, which has no size",
    ),
    "a bit field wider than its type": ((NAME, KFLAG | STRUCT << 24 | 1, 8, 0, 1, 33 << 24), "of 33 bits in 4 bytes"),
    "a bit field of a pointer": (
        (0, PTR << 24, 1, NAME, KFLAG | STRUCT << 24 | 1, 8, 0, 2, 3 << 24),
        "a bit field '' that is no integer",
    ),
    "an array larger than memory": ((0, ARRAY << 24, 0, 1, 1, 1 << 30), "is an array of 1073741824 times 4 bytes"),
    "an array of void": ((0, ARRAY << 24, 0, 0, 1, 1), "is an array of type 0, which has no size"),
    "a struct in itself": ((NAME, STRUCT << 24 | 1, 4, 0, 2, 0), "contains itself"),
    "structs in each other": (
        (NAME, STRUCT << 24 | 1, 4, 0, 3, 0, NAME, STRUCT << 24 | 1, 4, 0, 2, 0),
        "contains itself",
    ),
    "an array of itself": ((0, ARRAY << 24, 0, 2, 1, 1), "contains itself"),
    "a typedef of itself": ((NAME, TYPEDEF << 24, 2), "contains itself"),
    "const of itself": ((0, CONST << 24, 2), "contains itself"),
    "a pointer to itself": ((0, PTR << 24, 2), "is declared by itself"),
    "a function that returns itself": ((0, FUNC_PROTO << 24, 2), "is declared by itself"),
    "a function that takes itself": ((0, FUNC_PROTO << 24 | 1, 0, 0, 2), "is declared by itself"),
    "a nameless struct with a pointer to itself": (
        (0, PTR << 24, 3, 0, STRUCT << 24 | 1, 8, 0, 2, 0),
        "is declared by itself",
    ),
    "a variable of a variable": ((NAME, VAR << 24, 1, 1, NAME, VAR << 24, 2, 1), "is of type 2, which is no type"),
    "a pointer to a section": ((NAME, DATASEC << 24, 4, 0, PTR << 24, 2), "is of type 2, which is no type"),
    "a section of types": ((NAME, DATASEC << 24 | 1, 4, 1, 0, 4), "has in it type 1, which is no variable"),
    "a variable behind the section's end": (
        (NAME, VAR << 24, 1, 1, NAME, DATASEC << 24 | 1, 4, 2, 0xFFFFFF80, 4),
        "of 4 bytes has in it 4 bytes at 4294967168",
    ),
    "a variable larger than its place": (
        (0, ARRAY << 24, 0, 1, 1, 5, NAME, VAR << 24, 2, 1, NAME, DATASEC << 24 | 1, 16, 3, 0, 16),
        "of 16 bytes has in it a variable of 20 bytes at 0",
    ),
    "a variable at the end of all addresses": (
        (NAME, VAR << 24, 1, 1, NAME, DATASEC << 24 | 1, 0, 2, 0xFFFFFFFC, 0),
        "has in it a variable of 4 bytes at 4294967292",
    ),
    "an enumeration of no bytes that has values": ((NAME, ENUM << 24 | 1, 0, 0, 1), "is an enumeration of 0 bytes"),
    "a field of an enumeration that is only declared": (
        (NAME, ENUM << 24, 0, NAME, STRUCT << 24 | 1, 4, 0, 2, 0),
        "of type 2, which has no size",
    ),
    "an array of an enumeration that is only declared": (
        (NAME, ENUM << 24, 0, 0, ARRAY << 24, 0, 2, 1, 1),
        "is an array of type 2, which has no size",
    ),
    "a tag on a field that is not there": ((NAME, DECL_TAG << 24, 1, 0), "is on component 0 of 0"),
    "a tag on a field below all": ((NAME, DECL_TAG << 24, 1, 0xFFFFFFFE), "is on component -2 of 0"),
}


@pytest.mark.parametrize(("words", "why"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_type_that_makes_no_sense_is_refused_with_the_reason(words, why, order):
    with pytest.raises(bpf.LibbpfError, match="the types are malformed: type ") as caught:
        Btf.from_bytes(btf(*words, order=order))
    assert why in str(caught.value)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    "words",
    [
        (NAME, TYPEDEF << 24, 2000),
        (NAME, 31 << 24, 0),
        (0, ARRAY << 24, 0, 1, 2000, 1),
        (1000, TYPEDEF << 24, 1),
        (NAME, STRUCT << 24 | 1, 4, 1000, 1, 0),
        (NAME, STRUCT << 24 | 9, 4),
        (NAME, FUNC << 24, 1),
        (NAME,),
    ],
)
def test_what_libbpf_itself_refuses_is_the_same_error(words):
    with pytest.raises(bpf.LibbpfError, match="it is malformed, or split") as caught:
        Btf.from_bytes(btf(*words))
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (btf(header=0), "its header has 0 bytes"),
        (btf(header=20), "its header has 20 bytes"),
        (btf(header=26) + bytes(2), "its header has 26 bytes"),
        (btf()[:23], "it has 23 bytes, less than a header"),
        (btf()[:-1], "it has 49 bytes of 50"),
        (btf()[:8] + struct.pack("=IIII", 4, 12, 16, 11) + btf()[24:], "its types are at 4 to 16"),
        (btf()[:8] + struct.pack("=IIII", 0, 12, 16, 11) + btf()[24:], "its strings at 16"),
        (btf()[:8] + struct.pack("=IIII", 0, 16, 16, 0xFFFFFFFF) + btf()[24:], "it has 50 bytes of 4294967335"),
    ],
)
def test_a_header_that_leads_astray_is_refused_with_the_reason(data, why):
    with pytest.raises(bpf.LibbpfError) as caught:
        Btf.from_bytes(data)
    assert why in str(caught.value)


@pytest.mark.parametrize("length", range(0, len(btf()), 3))
def test_every_beginning_is_refused(length):
    with pytest.raises(bpf.LibbpfError):
        Btf.from_bytes(btf()[:length])


def doubling(kind: int, depth: int) -> list[int]:
    """Nameless types, each with two members of the one before."""
    words: list[int] = []
    for number in range(depth):
        words += [0, kind << 24 | 2, 4, 0, number + 1, 0, 0, number + 1, 0]
    return words


@pytest.mark.parametrize("depth", [25, 60, 300])
def test_types_that_double_at_each_step_are_refused(depth):
    with pytest.raises(bpf.LibbpfError, match=r"too entangled|too many times"):
        Btf.from_bytes(btf(*doubling(UNION, depth)))


def test_prototypes_that_double_at_each_step_are_refused():
    words: list[int] = []
    for number in range(0, 60, 2):
        words += [0, FUNC_PROTO << 24 | 2, 0, 0, number + 1, 0, number + 1, 0, PTR << 24, number + 2]
    with pytest.raises(bpf.LibbpfError, match="it takes more than 1048576 words to write it as C"):
        Btf.from_bytes(btf(*words))


def test_types_that_double_a_few_times_are_dumped():
    assert Btf.from_bytes(btf(*doubling(UNION, 8))).declare(9).count("int") == 256


def test_an_array_of_ever_so_many_nothings_is_refused():
    empty = (NAME, STRUCT << 24, 0)
    with pytest.raises(bpf.LibbpfError, match="too entangled"):
        Btf.from_bytes(btf(*empty, 0, ARRAY << 24, 0, 2, 1, 0xFFFFFFFF))
    few = Btf.from_bytes(btf(*empty, 0, ARRAY << 24, 0, 2, 1, 100))
    assert few[3].size == 0


@pytest.mark.parametrize(("kind", "deepest"), [(TYPEDEF, 31), (CONST, 31), (PTR, 511)])
def test_references_follow_each_other_as_in_any_source_but_not_for_ever(kind, deepest):
    def chain(length: int) -> bytes:
        return btf(*(word for number in range(length) for word in (NAME, kind << 24, number + 1)))

    assert Btf.from_bytes(chain(deepest))[deepest + 1].alignment in (4, 8)
    for length in (deepest + 1, 5000, 100_000):
        with pytest.raises(bpf.LibbpfError, match=r"is nested more than 512 deep|is behind more than 31 typedefs"):
            Btf.from_bytes(chain(length))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("depth", "refused"), [(511, False), (512, True), (100_000, True)])
def test_structs_are_nested_as_in_any_source_but_not_for_ever(depth, refused, backwards):
    words = []
    for number in range(depth):
        inner = number + 1
        if backwards:
            inner = number + 3 if number < depth - 1 else 1
        words += [0, STRUCT << 24 | 1, 4, NAME, inner, 0]
    if refused:
        with pytest.raises(bpf.LibbpfError, match=r"is nested more than 512 deep|too many times"):
            Btf.from_bytes(btf(*words))
    else:
        assert Btf.from_bytes(btf(*words)).declare(2 if backwards else depth + 1).count("struct {") == depth


def test_structs_full_of_nothing_are_refused_when_their_padding_fills_the_memory():
    one = (NAME, STRUCT << 24, 1 << 25)
    assert Btf.from_bytes(btf(*one))
    with pytest.raises(bpf.LibbpfError, match="too many times"):
        Btf.from_bytes(btf(*one * 3))


def test_names_that_are_used_so_often_that_their_hashes_take_minutes_are_refused():
    strings = b"\0int\0" + b"x" * (1 << 20) + b"\0"
    few, many = ((5, STRUCT << 24, 4) * count for count in (200, 300))
    assert len(Btf.from_bytes(btf(*few, strings=strings))) == 202
    with pytest.raises(bpf.LibbpfError, match="its names have more than 268435456 bytes, those of type 257 included"):
        Btf.from_bytes(btf(*many, strings=strings))


def lookalikes(count: int) -> bytes:
    """Make structs of the same name, size and member: a pointer to an integer of a name of its own."""
    strings, words, number = b"\0int\0name\0", [], 1
    for each in range(count):
        words += [len(strings), INT << 24, 4, 32, 0, PTR << 24, number + 1]
        words += [NAME, STRUCT << 24 | 1, 8, NAME, number + 2, 0]
        strings += b"i%d\0" % each
        number += 3
    return btf(*words, strings=strings)


def test_types_that_look_alike_are_compared_but_not_for_minutes():
    assert len(Btf.from_bytes(lookalikes(1000)).dedup()) == 3002
    with pytest.raises(bpf.LibbpfError, match=r"too many of its \d+ types look alike") as caught:
        Btf.from_bytes(lookalikes(3000)).dedup()
    assert caught.value.errno == errno.E2BIG


def test_enumerations_that_look_alike_are_compared_but_not_for_minutes():
    words: list[int] = []
    for each in range(400):
        words += [NAME, ENUM << 24 | 300, 4, *(NAME, 0) * 299, NAME, each]
    with pytest.raises(bpf.LibbpfError, match=r"too many of its \d+ types look alike"):
        Btf.from_bytes(btf(*words)).dedup()


def hashed_alike(kind: int) -> bytes:
    """Make types without content, 2^16 of them, of whose names h * 31 + c, the usual hash, is the same."""
    names = ["".join(each) for each in itertools.product(("Aa", "BB"), repeat=16)]
    words = [word for each in range(len(names)) for word in (len(STRINGS) + 33 * each, kind << 24, 0)]
    return btf(*words, strings=STRINGS + "".join(f"{name}\0" for name in names).encode())


def test_names_of_which_the_usual_hash_is_the_same_are_deduplicated():
    # Each is not compared with all before it: that took minutes.
    assert len(Btf.from_bytes(hashed_alike(FWD)).dedup()) == (1 << 16) + 2


def test_names_of_which_the_usual_hash_is_the_same_are_dumped():
    assert Btf.from_bytes(hashed_alike(STRUCT)).dump().count("struct ") == 1 << 16


HASHED = """
import sys, libbpf_cffi as bpf
types = bpf.Btf.new()
for number in range(2000):
    member = types.add_int(f"int{number % 300}", 4)
    types.add_struct(f"name{number % 700}", 4)
    types.add_field(f"member{number}", member, bit_offset=0)
sys.stdout.buffer.write(types.dump().encode())
sys.stdout.buffer.write(types.dedup().raw)
"""


def test_what_is_made_of_names_is_the_same_in_each_process():
    # Each has a hash of its own.
    command = [sys.executable, "-c", HASHED]
    first, *others = [subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout for _ in range(4)]
    assert others == [first] * 3


def test_a_text_of_hundreds_of_megabytes_is_refused():
    strings = b"\0int\0" + b"x" * (1 << 20) + b"\0"
    for count, refused in ((100, False), (300, True)):
        typedef, prototype = (5, TYPEDEF << 24, 1), (0, FUNC_PROTO << 24 | count, 1, *(0, 2) * count)
        with Btf.from_bytes(btf(*typedef, *prototype, strings=strings)) as types:
            if refused:
                with pytest.raises(bpf.LibbpfError) as caught:
                    types.declare(3, "f")
                assert caught.value.errno == errno.EFBIG
            else:
                assert len(types.declare(3, "f")) > 100 << 20


def test_what_is_built_is_checked_before_it_is_dumped():
    made = Btf.new()
    made.add_typedef("me", 1)
    for use in (made.dump, made.dedup, lambda: made.declare(1), lambda: made.permute([0, 1])):
        with pytest.raises(bpf.LibbpfError, match="type 1 'me' contains itself"):
            use()
    assert made[1].size is None


def test_an_id_that_is_not_there_yet_is_checked_too():
    made = Btf.new()
    made.add_ptr(7)
    with pytest.raises(bpf.LibbpfError, match="type 1 refers to type 7, which is not there"):
        made.dump()
    with pytest.raises(IndexError):
        made[1].type


def test_a_function_that_was_built_without_a_prototype_is_refused():
    made = Btf.new()
    made.add_func("f", "static", made.add_int("int", 4))
    with pytest.raises(bpf.LibbpfError, match="type 2 'f' is a function of type 1, which is no prototype"):
        made.dump()


def test_a_reason_with_a_name_that_is_no_text_can_be_printed():
    with pytest.raises(bpf.LibbpfError, match="has no size") as caught:
        Btf.from_bytes(btf(NAME, STRUCT << 24 | 1, 4, 0, 0, 0, strings=b"\0int\0\xff\xfe\0"))
    assert str(caught.value).encode()


def test_split_types_are_checked_against_their_base():
    base = Btf.new()
    base.add_int("int", 4)
    split = Btf.new(base)
    split.add_struct("s", 2)
    split.add_field("n", 1, 0)
    with pytest.raises(bpf.LibbpfError, match="type 2 's' of 2 bytes has a member 'n' of 32 bits at bit 0"):
        Btf.from_bytes(split.raw, base)


def test_old_bit_fields_without_a_flag_are_accepted():
    words = (1, INT << 24, 4, 3, NAME, STRUCT << 24 | 2, 4, 0, 2, 0, 0, 2, 29)
    assert Btf.from_bytes(btf(*words))[3].members[1].bit_offset == 29


def test_an_enumeration_that_is_only_declared_is_accepted_and_has_no_size():
    # What clang makes of `enum z; void f(enum z *);`.
    with Btf.from_bytes(btf(NAME, ENUM << 24, 0, 0, PTR << 24, 2)) as types:
        declared = types[2]
        assert (declared.size, declared.alignment, declared.enumerators) == (None, None, ())
        assert declared.decode(b"") == b""
        assert types[3].size == 8
        assert declared.c.startswith("enum")


def test_a_function_may_be_in_a_section():
    words = (0, FUNC_PROTO << 24, 0, NAME, FUNC << 24 | 2, 2, NAME, DATASEC << 24 | 1, 0, 3, 0, 0)
    assert Btf.from_bytes(btf(*words))[4].variables[0].type.linkage == "extern"


def test_btf_can_be_used_in_any_order():
    command = [sys.executable, str(Path(__file__).with_name("btf_any_order.py")), "0", "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {done.stdout.split()[-1]}: status {done.returncode}\n{done.stderr}"
    assert int(done.stdout.split()[-2]) > 1000
