"""What changes the types of a BTF does what libbpf's function of the name does, and what cannot be is refused."""

from __future__ import annotations

import struct

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import Btf, BtfKind, lib


@pytest.fixture
def btf() -> Btf:
    made = Btf.new()
    made.add_int("int", 4, lib.BTF_INT_SIGNED)
    return made


@pytest.mark.parametrize(
    ("add", "kind"),
    [
        (lambda btf: btf.add_int("long", 8), BtfKind.INT),
        (lambda btf: btf.add_float("double", 8), BtfKind.FLOAT),
        (lambda btf: btf.add_ptr(1), BtfKind.PTR),
        (lambda btf: btf.add_array(1, 1, 3), BtfKind.ARRAY),
        (lambda btf: btf.add_struct("s", 4), BtfKind.STRUCT),
        (lambda btf: btf.add_union("u", 4), BtfKind.UNION),
        (lambda btf: btf.add_enum("e"), BtfKind.ENUM),
        (lambda btf: btf.add_enum64("e"), BtfKind.ENUM64),
        (lambda btf: btf.add_fwd("f"), BtfKind.FWD),
        (lambda btf: btf.add_fwd("f", "enum"), BtfKind.ENUM),
        (lambda btf: btf.add_typedef("t", 1), BtfKind.TYPEDEF),
        (lambda btf: btf.add_volatile(1), BtfKind.VOLATILE),
        (lambda btf: btf.add_const(1), BtfKind.CONST),
        (lambda btf: btf.add_restrict(1), BtfKind.RESTRICT),
        (lambda btf: btf.add_type_tag("tag", 1), BtfKind.TYPE_TAG),
        (lambda btf: btf.add_type_attr("attr", 1), BtfKind.TYPE_TAG),
        (lambda btf: btf.add_func("f", "static", 1), BtfKind.FUNC),
        (lambda btf: btf.add_func_proto(1), BtfKind.FUNC_PROTO),
        (lambda btf: btf.add_var("v", "global", 1), BtfKind.VAR),
        (lambda btf: btf.add_datasec(".bss", 4), BtfKind.DATASEC),
        (lambda btf: btf.add_decl_tag("tag", 1), BtfKind.DECL_TAG),
        (lambda btf: btf.add_decl_attr("attr", 1), BtfKind.DECL_TAG),
    ],
)
def test_each_kind_can_be_added(btf, add, kind):
    made = add(btf)
    assert (made.kind, made.id, len(btf)) == (kind, 2, 3)


@pytest.mark.parametrize(
    "add",
    [
        lambda btf: btf.add_int("", 4),
        lambda btf: btf.add_int("odd", 3),
        lambda btf: btf.add_float("odd", 5),
        lambda btf: btf.add_enum_value("VALUE", 1),
        lambda btf: btf.add_field("f", 1, 0),
        lambda btf: btf.add_func_param("p", 1),
        lambda btf: btf.add_datasec_var_info(1, 0, 4),
        lambda btf: btf.add_typedef("", 1),
        lambda btf: btf.add_decl_tag("", 1),
    ],
)
def test_what_libbpf_refuses_is_an_error_that_says_what_was_added(btf, add):
    with pytest.raises(bpf.LibbpfError, match="cannot add"):
        add(btf)
    assert len(btf) == 2


@pytest.mark.parametrize(
    "add",
    [
        lambda btf: btf.add_int("n", -1),
        lambda btf: btf.add_ptr(-1),
        lambda btf: btf.add_ptr(1 << 31),
        lambda btf: btf.add_array(1, 1, 1 << 32),
        lambda btf: btf.add_enum_value("v", 1 << 32),
        lambda btf: btf.add_enum64_value("v", 1 << 64),
        lambda btf: btf.add_decl_tag("t", 1, -2),
        lambda btf: btf.add_func("f", "private", 1),
        lambda btf: btf.add_fwd("f", "class"),
        lambda btf: btf.add_struct("nul\0", 1),
    ],
)
def test_what_c_cannot_hold_is_a_value_error(btf, add):
    with pytest.raises(ValueError):
        add(btf)


def test_a_type_of_another_btf_is_refused(btf):
    other = Btf.new()
    foreign = other.add_int("n", 4)
    with pytest.raises(ValueError, match="not of a new BTF"):
        btf.add_ptr(foreign)


def test_what_others_are_based_on_cannot_be_changed(btf):
    split = Btf.new(btf)
    with pytest.raises(bpf.StateError, match="is based on it"):
        btf.add_int("long", 8)
    split.close()
    btf.add_int("long", 8)


def test_strings_are_found_by_their_offset(btf):
    at = btf.add_str("hello")
    assert (btf.find_str("hello"), btf.add_str("hello"), btf.find_str("world")) == (at, at, None)


def test_finding_a_string_moves_no_type_that_is_read(btf):
    read = Btf.from_bytes(btf.raw)
    before = read[1]
    assert read.find_str("int") is not None
    assert (before.size, before.bits) == (4, 32)


def test_a_type_can_be_copied_from_another_btf(btf):
    other = Btf.new()
    original = other.add_struct("s", 4)
    other.add_field("n", 1, 0)
    assert btf.add_type(original).members[0].type == btf[1]


def test_all_types_can_be_copied_from_another_btf(btf):
    other = Btf.new()
    other.add_int("short", 2)
    other.add_ptr(1)
    ids = btf.add_btf(other)
    assert ids == range(2, 4)
    assert btf[3].type == btf[2]


@pytest.mark.parametrize("name", ["int", "a_long_name" * 50])
def test_types_of_a_base_can_be_copied_to_what_is_based_on_it(btf, name):
    btf.add_typedef(name, 1)
    split = Btf.new(btf)
    mine = split.add_struct(name, 4)
    other = Btf.new(btf)
    assert split.add_type(btf[2]).name == name
    assert [split[each].name for each in split.add_btf(btf)] == ["int", name]
    assert other.add_type(mine).name == name
    assert [other[each].name for each in other.add_btf(split)] == [name, name, "int", name]
    assert [each.name for each in btf] == ["", "int", name]


@pytest.mark.parametrize("what", [lambda btf: btf.add_btf(btf), lambda btf: btf.add_type(btf[1])])
def test_nothing_is_copied_to_itself(btf, what):
    with pytest.raises(ValueError, match="it is the same"):
        what(btf)


def test_two_threads_that_copy_from_each_other_do_not_wait_for_ever(btf):
    import threading

    other = Btf.from_bytes(btf.raw)

    def copy(to, source):
        for _ in range(300):
            to.add_type(source[1])

    threads = [threading.Thread(target=copy, args=pair, daemon=True) for pair in ((btf, other), (other, btf))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert (len(btf), len(other)) == (302, 302)


def test_equal_types_become_one_in_another_btf(btf):
    for _ in range(3):
        btf.add_int("int", 4, lib.BTF_INT_SIGNED)
    btf.add_ptr(4)
    once = btf.dedup()
    assert [each.kind for each in once] == [BtfKind.VOID, BtfKind.INT, BtfKind.PTR]
    assert once[2].type == once[1]
    assert len(btf) == 6


def test_types_are_numbered_as_wished_in_another_btf(btf):
    btf.add_ptr(1)
    swapped = btf.permute([0, 2, 1])
    assert [each.kind for each in swapped] == [BtfKind.VOID, BtfKind.PTR, BtfKind.INT]
    assert swapped[1].type == swapped[2]
    assert btf[2].type == btf[1]


def test_split_types_are_numbered_and_deduplicated_on_the_same_base(btf):
    split = Btf.new(btf)
    pointer, const = split.add_ptr(1), split.add_const(1)
    split.add_ptr(1)
    swapped = split.permute([3, 2, 4])
    assert [each.kind for each in swapped.own_types()] == [const.kind, pointer.kind, pointer.kind]
    assert len(split.dedup()) == 4
    assert swapped.base is split.dedup().base is btf


def test_what_was_numbered_anew_can_be_added_to(btf):
    for number in range(100):
        btf.add_struct(f"s{number}", 4)
    swapped = btf.permute([0, *range(len(btf) - 1, 0, -1)])
    for number in range(100):
        swapped.add_struct(f"more{number}", 4)
    assert swapped[200].name == "more98"


@pytest.mark.parametrize("make", [lambda btf: btf.dedup(), lambda btf: btf.permute([0, 1])])
def test_what_was_set_of_the_original_is_so_of_the_other(btf, make):
    btf.pointer_size = 4
    btf.endianness = "big"
    assert (make(btf).pointer_size, make(btf).endianness) == (4, "big")


@pytest.mark.parametrize("ids", [[0], [0, 1, 1], [0, 1, 2, 3], [1, 0, 2]])
def test_numbers_that_do_not_fit_are_refused(btf, ids):
    btf.add_ptr(1)
    with pytest.raises((ValueError, bpf.LibbpfError)):
        btf.permute(ids)
    assert btf[2].type.name == "int"


def test_a_distilled_base_has_what_is_needed_of_the_base_and_is_found_again(btf):
    btf.add_int("unused", 8)
    event = btf.add_struct("event", 4)
    btf.add_field("pid", 1, 0)
    split = Btf.new(btf)
    pointer = split.add_ptr(event)
    base, distilled = split.distill_base()
    assert [each.name for each in base] == ["", "event"]
    assert distilled.base is base
    bigger = Btf.from_bytes(btf.raw)
    bigger.add_int("more", 2)
    fitted = distilled.relocate(bigger)
    assert fitted.base is bigger
    assert next(fitted.own_types()).type.members[0].name == "pid"
    assert distilled.base is base
    assert pointer.type == split[event.id]


def test_a_base_that_lacks_what_is_needed_is_refused(btf):
    split = Btf.new(btf)
    split.add_ptr(1)
    _, distilled = split.distill_base()
    other = Btf.new()
    other.add_int("short", 2)
    with pytest.raises(bpf.LibbpfError, match="cannot relocate"):
        distilled.relocate(other)


def test_a_base_that_is_split_itself_is_neither_distilled_nor_replaced_nor_a_replacement(btf):
    split = Btf.new(btf)
    split.add_struct("between", 4)
    top = Btf.new(split)
    top.add_ptr(split["between"])
    for use in (top.distill_base, lambda: top.relocate(Btf.new()), lambda: split.relocate(split)):
        with pytest.raises(ValueError, match="split too"):
            use()
    assert next(top.own_types()).type.name == "between"


@pytest.mark.parametrize("what", [lambda btf: btf.distill_base(), lambda btf: btf.relocate(Btf.new())])
def test_what_is_not_split_has_no_base_to_replace(btf, what):
    with pytest.raises(ValueError, match="not split"):
        what(btf)


def test_bytes_and_types_are_laid_out_as_linux_btf_h_says(btf):
    assert btf.raw == struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 16, 16, 5) + struct.pack(
        "=IIII", 1, 1 << 24, 4, 1 << 24 | 32
    ) + b"\0int\0"


@pytest.mark.parametrize(
    "use",
    [
        lambda btf: btf.add_type(1),
        lambda btf: btf.add_btf("x"),
        lambda btf: Btf.new(btf).relocate("x"),
        lambda btf: Btf.new("x"),
        lambda btf: Btf.from_bytes(btf.raw, "x"),
        lambda btf: Btf.from_id(1, "x"),
        lambda btf: Btf.module("x", "x"),
    ],
)
def test_what_is_no_btf_is_a_type_error(btf, use):
    with pytest.raises(TypeError):
        use(btf)


def test_a_member_too_many_is_refused():
    btf = bpf.Btf.new()
    number = btf.add_int("int", 4)
    struct = btf.add_struct("many", 4)
    for _ in range(lib.BTF_MAX_VLEN):
        btf.add_field("", number, 0)
    with pytest.raises(ValueError, match="65535 already"):
        btf.add_field("one too many", number, 0)
    assert len(struct.members) == lib.BTF_MAX_VLEN
