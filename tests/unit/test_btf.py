"""`Btf` and `BtfType`: what is in BTF made here, one type of each kind, is read as it was put in."""

from __future__ import annotations

import gc
import os
import struct
import sys
import threading
import time
import types
import weakref

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import Btf, BtfKind, lib


@pytest.fixture
def btf() -> Btf:
    made = Btf.new()
    made.add_int("int", 4, lib.BTF_INT_SIGNED)
    return made


@pytest.fixture
def event(btf):
    """A struct with one of everything in it."""
    char = btf.add_int("char", 1)
    inner = btf.add_union("", 8)
    btf.add_field("i", 1, 0)
    name = btf.add_array(1, char, 16)
    made = btf.add_struct("event", 32)
    btf.add_field("pid", 1, 0)
    btf.add_field("comm", name, 32)
    btf.add_field("", inner, 192)
    return made


def test_a_type_is_found_by_its_id(btf):
    assert (btf[1].name, btf[1].kind, btf[1].id, btf[1].btf) == ("int", BtfKind.INT, 1, btf)


def test_the_first_type_is_void(btf):
    assert (btf[0].kind, btf[0].size, str(btf[0])) == (BtfKind.VOID, None, "void")


@pytest.mark.parametrize("type_id", [2, 1 << 30])
def test_an_id_that_is_not_there_is_an_index_error(btf, type_id):
    with pytest.raises(IndexError, match=f"has no type {type_id}: its types are 0 to 1"):
        btf[type_id]


def test_iteration_gives_each_type_by_its_id(btf, event):
    assert [each.id for each in btf] == list(range(len(btf)))


def test_types_of_one_id_are_equal_and_hash_alike(btf):
    assert btf[1] == btf[1]
    assert len({btf[1], btf[1]}) == 1


def test_types_of_two_btfs_differ(btf):
    assert btf[1] != Btf.from_bytes(btf.raw)[1]


def test_the_members_of_a_struct_have_names_types_and_places(btf, event):
    assert [(each.name, each.type.kind, each.bit_offset, each.bitfield_size) for each in event.members] == [
        ("pid", BtfKind.INT, 0, 0),
        ("comm", BtfKind.ARRAY, 32, 0),
        ("", BtfKind.UNION, 192, 0),
    ]
    assert [each.offset for each in event.members] == [0, 4, 24]


def test_bit_fields_have_a_width(btf):
    flags = btf.add_struct("flags", 4)
    btf.add_field("low", 1, 0, 3)
    btf.add_field("high", 1, 3, 29)
    assert [(each.bit_offset, each.bitfield_size) for each in flags.members] == [(0, 3), (3, 29)]


def test_a_field_that_is_added_later_is_seen(btf, event):
    before = len(event.members)
    more = btf.add_struct("more", 8)
    assert more.members == ()
    btf.add_field("a", 1, 0)
    assert [each.name for each in more.members] == ["a"]
    assert len(event.members) == before


def test_an_array_has_an_element_a_length_and_an_index(btf):
    array = btf.add_array(1, 1, 7)
    assert (array.type, array.nelems, array.index_type, array.size) == (btf[1], 7, btf[1], 28)


@pytest.mark.parametrize(
    ("encoding", "facts"),
    [
        (0, (False, False, False)),
        (lib.BTF_INT_SIGNED, (True, False, False)),
        (lib.BTF_INT_CHAR, (False, True, False)),
        (lib.BTF_INT_BOOL, (False, False, True)),
    ],
)
def test_an_integer_is_signed_a_character_or_boolean(btf, encoding, facts):
    made = btf.add_int("n", 1, encoding)
    assert (made.is_signed, made.is_char, made.is_bool) == facts
    assert (made.bits, made.size, made.alignment) == (8, 1, 1)


def test_what_is_called_char_is_a_character(btf):
    assert btf.add_int("char", 1).is_char


def test_an_enumeration_has_names_and_values_of_its_sign(btf):
    made = btf.add_enum("color")
    btf.add_enum_value("RED", 1)
    btf.add_enum_value("DARK", 0xFFFFFFFF)
    assert [*made.enumerators] == [("RED", 1), ("DARK", 0xFFFFFFFF)]
    assert not made.is_signed
    signed = btf.add_enum("signed")
    btf.add_enum_value("MINUS", -1)
    assert [*signed.enumerators] == [("MINUS", -1)]
    assert signed.is_signed


@pytest.mark.parametrize(("signed", "value"), [(False, (1 << 64) - 1), (True, -(1 << 63)), (True, 5)])
def test_an_enumeration_of_64_bits_has_values_of_its_sign(btf, signed, value):
    made = btf.add_enum64("big", is_signed=signed)
    btf.add_enum64_value("VALUE", value)
    assert (made.enumerators[0].value, made.kind, made.size) == (value, BtfKind.ENUM64, 8)


def test_a_function_has_a_prototype_parameters_and_a_linkage(btf):
    proto = btf.add_func_proto(1)
    btf.add_func_param("n", 1)
    btf.add_func_param("", 0)
    made = btf.add_func("main", "global", proto)
    assert (made.type, made.linkage, made.type.type) == (proto, "global", btf[1])
    assert [(each.name, each.type.kind) for each in made.params] == [("n", BtfKind.INT), ("", BtfKind.VOID)]
    assert made.size is None


def test_a_section_has_variables_and_a_variable_a_linkage(btf):
    variable = btf.add_var("counter", "static", 1)
    section = btf.add_datasec(".data", 16)
    btf.add_datasec_var_info(variable, 8, 4)
    assert section.variables == ((variable, 8, 4),)
    assert (variable.linkage, variable.type, variable.size, section.size) == ("static", btf[1], 4, 16)


def test_tags_are_found_on_the_type_and_on_its_fields(btf, event):
    btf.add_decl_tag("whole", event)
    btf.add_decl_tag("first", event, 0)
    btf.add_decl_tag("again", event, 0)
    assert (event.tags, event.member_tags(0), event.member_tags(1)) == (("whole",), ("first", "again"), ())


def test_a_chain_of_typedefs_and_modifiers_is_looked_through(btf, event):
    chain = btf.add_typedef("event_t", btf.add_const(btf.add_volatile(btf.add_type_tag("user", event))))
    assert chain.resolve() == event
    assert (chain.size, chain.alignment) == (32, 4)
    assert event.resolve() == event


def test_typedefs_that_lead_to_each_other_resolve_to_nothing(btf):
    first = btf.add_typedef("a", 3)
    btf.add_typedef("b", 2)
    with pytest.raises(bpf.LibbpfError, match="lead to each other"):
        first.resolve()


def test_a_forward_declaration_has_a_keyword_and_no_size(btf):
    union, struct = btf.add_fwd("u", "union"), btf.add_fwd("s")
    assert (union.keyword, struct.keyword, union.size, union.alignment) == ("union", "struct", None, None)


def test_a_packed_struct_is_aligned_to_a_byte(btf):
    made = btf.add_struct("packed", 5)
    btf.add_field("c", btf.find("int"), 8)
    assert made.alignment == 1


def test_what_a_kind_does_not_have_is_a_type_error(btf):
    for name in ("members", "enumerators", "params", "variables", "nelems", "index_type", "linkage", "type"):
        with pytest.raises(TypeError, match="is of kind INT and has no"):
            getattr(btf[1], name)


# Looking for a name


@pytest.fixture
def named(btf):
    """Types that share a name."""
    btf.add_typedef("x", 1)
    btf.add_struct("x", 4)
    btf.add_union("u", 4)
    btf.add_enum("e")
    btf.add_func("x", "static", btf.add_func_proto(0))
    return btf


def test_without_a_keyword_a_struct_comes_before_a_typedef(named):
    assert named["x"].kind is BtfKind.STRUCT


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("struct x", BtfKind.STRUCT),
        ("typedef x", BtfKind.TYPEDEF),
        ("func x", BtfKind.FUNC),
        ("union u", BtfKind.UNION),
        ("enum e", BtfKind.ENUM),
        ("int", BtfKind.INT),
        ("void", BtfKind.VOID),
    ],
)
def test_a_keyword_says_which(named, name, kind):
    assert named[name].kind is kind


@pytest.mark.parametrize("name", ["union x", "enum x", "struct u", "y", "", "struct", "struct "])
def test_what_is_not_there_is_not_found(named, name):
    assert named.find(name) is None
    assert name not in named


def test_a_missing_name_is_a_key_error_with_close_ones(btf, event):
    with pytest.raises(KeyError, match="has no type 'evnt'; close names: 'event'"):
        btf["evnt"]


def test_a_kind_narrows_the_search(named):
    assert named.find("x", BtfKind.TYPEDEF) == named["typedef x"]
    assert named.find("x", BtfKind.UNION) is None


def test_all_of_a_name_are_found(named):
    assert [each.kind for each in named.find_all("x")] == [BtfKind.TYPEDEF, BtfKind.STRUCT, BtfKind.FUNC]
    assert [each.kind for each in named.find_all("x", BtfKind.FUNC)] == [BtfKind.FUNC]


def test_a_forward_declaration_is_found_by_its_own_keyword_only(btf):
    btf.add_fwd("later", "union")
    assert btf["union later"].kind is BtfKind.FWD
    assert "struct later" not in btf


def test_a_struct_and_a_union_may_be_declared_by_one_name(btf):
    btf.add_fwd("later", "union")
    struct = btf.add_fwd("later", "struct")
    assert btf["struct later"] == struct


# The whole


def test_bytes_read_again_are_the_same(btf, event):
    assert Btf.from_bytes(btf.raw).raw == btf.raw


def test_another_byte_order_holds_the_same_types(btf, event):
    btf.endianness = "big"
    assert btf.raw[:2] == b"\xeb\x9f"
    other = Btf.from_bytes(btf.raw)
    assert other.endianness == "big"
    assert other.dump() == btf.dump()
    assert [member[::2] for member in other["event"].members] == [member[::2] for member in event.members]


def test_the_size_of_pointers_can_be_set(btf):
    pointer = btf.add_ptr(0)
    assert (btf.pointer_size, pointer.size) == (8, 8)
    btf.pointer_size = 4
    assert (btf.pointer_size, pointer.size, pointer.alignment) == (4, 4, 4)
    with pytest.raises(bpf.LibbpfError):
        btf.pointer_size = 3


@pytest.mark.parametrize("wrong", ["middle", None])
def test_a_byte_order_that_there_is_not_is_refused(btf, wrong):
    with pytest.raises(ValueError, match="must be 'little' or 'big'"):
        btf.endianness = wrong


def test_split_types_begin_with_those_of_the_base(btf):
    split = Btf.new(btf)
    pointer = split.add_ptr(btf[1])
    assert (split.base, split.start_id, len(split), pointer.id) == (btf, 2, 3, 2)
    assert split["int"].id == 1
    assert [each.id for each in split.own_types()] == [2]
    assert pointer.type.name == "int"


def test_split_bytes_are_read_with_their_base_alone(btf):
    split = Btf.new(btf)
    split.add_struct("mine", 4)
    split.add_field("n", 1, 0)
    assert Btf.from_bytes(split.raw, btf)["mine"].members[0].type.name == "int"
    with pytest.raises(bpf.LibbpfError, match="not of the base that was given"):
        Btf.from_bytes(split.raw)


def test_a_base_lives_as_long_as_what_is_based_on_it():
    base = Btf.new()
    base.add_int("int", 4)
    split = Btf.new(base)
    del base
    gc.collect()
    assert split["int"].size == 4


def test_closing_a_base_closes_what_is_based_on_it(btf):
    split = Btf.new(btf)
    btf.close()
    with pytest.raises(bpf.ClosedError):
        split["int"]


def test_a_split_that_is_forgotten_is_freed_before_its_base(btf):
    split = Btf.new(btf)
    assert btf._handle.children
    gone = weakref.ref(split)
    del split
    gc.collect()
    assert gone() is None
    assert not btf._handle.children


def test_a_split_that_is_forgotten_while_its_base_is_in_use_is_freed_afterwards(btf):
    split = Btf.new(btf)
    with btf._handle.lock:
        del split
        gc.collect()
        assert len(btf._handle.children) == 1
    deadline = time.monotonic() + 20
    while btf._handle.children:
        assert time.monotonic() < deadline


def test_a_signal_handler_cannot_change_what_the_call_that_it_interrupts_reads(btf):
    for change in (lambda: btf.add_ptr(1), lambda: btf.add_str("x"), lambda: btf.find_str("x")):
        with btf._handle.lock, pytest.raises(bpf.StateError, match="a signal handler has interrupted"):
            change()
    assert len(btf) == 2


def test_threads_may_read_and_dump_while_another_adds_types(btf, event):
    failures = []

    def read():
        try:
            while not done.is_set():
                for each in btf:
                    each.size, each.alignment
                    if each.kind is BtfKind.STRUCT:
                        each.members, each.tags
                btf.dump(event), btf["event"], btf.raw
        except BaseException as error:
            failures.append(error)

    done = threading.Event()
    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(300):
        btf.add_struct(f"s{number}", 8)
        btf.add_field("n", 1, 0)
        btf.add_decl_tag("tag", event)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(event.tags) == 300


def test_a_forked_child_cannot_use_its_parents(btf):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            btf["int"]
        except bpf.ClosedError as error:
            status = 0 if "belongs to the process that forked" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert btf["int"].size == 4


def test_a_closed_one_says_so_and_what_was_read_stays(btf, event):
    members = event.members
    btf.close()
    btf.close()
    assert (event.name, event.id, event.kind, event.members) == ("event", event.id, BtfKind.STRUCT, members)
    assert btf.closed
    for use in (
        lambda: event.size,
        lambda: event.tags,
        lambda: btf[1],
        lambda: btf.find("int"),
        lambda: btf.find("void"),
        lambda: len(btf),
        lambda: btf.raw,
        btf.dump,
        lambda: btf.add_int("x", 4),
        lambda: Btf.new(btf),
        btf.__enter__,
    ):
        with pytest.raises(bpf.ClosedError):
            use()
    assert "closed" in repr(btf)


def test_leaving_the_block_closes_it():
    with Btf.new() as btf:
        assert not btf.closed
    assert btf.closed


def test_what_is_collected_unclosed_warns_of_nothing():
    Btf.new()
    gc.collect()


@pytest.mark.parametrize("make", [Btf, lambda: Btf.module(""), lambda: Btf.module("a/b")])
def test_there_is_no_btf_of_nothing(make):
    with pytest.raises((TypeError, ValueError)):
        make()


# What Python makes of it


class Codec:
    """What stands in for a codec."""

    format = "<I"
    flexible = True

    def __init__(self, type_: bpf.BtfType, chars: str) -> None:
        self.made_of = (type_.id, chars)

    def decode(self, data, _offset):
        """Show what came in."""
        return ("decoded", data)

    def encode(self, value):
        """Show what came in."""
        return repr(value).encode()


@pytest.fixture
def codecs(monkeypatch):
    """The codecs that have been made."""
    made = []

    def make_codec(type_, chars="str"):
        made.append(Codec(type_, chars))
        return made[-1]

    module = types.ModuleType("libbpf_cffi._codec")
    module.make_codec = make_codec
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def test_a_codec_is_made_once_for_each_type_and_kind_of_characters(btf, codecs):
    assert btf[1].codec() is btf[1].codec() is not btf[1].codec("bytes")
    assert [each.made_of for each in codecs] == [(1, "str"), (1, "bytes")]


def test_values_and_bytes_go_through_the_codec(btf, codecs):
    assert (btf[1].decode(b"x"), btf[1].encode(5), btf[1].format) == (("decoded", b"x"), b"5", "<I")
    assert len(codecs) == 1


def test_a_codec_of_before_a_change_is_made_anew(btf, codecs, event):
    before = event.codec()
    btf.add_int("more", 2)
    assert event.codec() is not before


def test_a_codec_outlives_its_btf(btf, codecs):
    known, unknown = btf[1], btf[0]
    codec = known.codec()
    btf.close()
    assert known.codec() is codec
    assert known.decode(b"") == ("decoded", b"")
    with pytest.raises(bpf.ClosedError):
        _ = unknown.alignment, known.size


def test_what_has_no_record_is_a_type_error(btf, codecs):
    with pytest.raises(TypeError, match="int has no record"):
        btf[1].record
    codecs[0].record = Codec
    assert btf[1].record is Codec


# Files


def test_a_file_may_be_raw_or_an_elf_file(btf, event, tmp_path):
    (tmp_path / "raw").write_bytes(btf.raw)
    assert Btf.from_file(tmp_path / "raw")["event"].size == 32
    path = tmp_path / "object.o"
    path.write_bytes(bpf.compile_object("struct event { int pid; } event;\n"))
    assert Btf.from_file(path)["struct event"].size == 4


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it has 0 bytes, less than a header"),
        (b"text" * 10, "does not begin as BTF does"),
        (b"\x9f\xeb\x01\0", "it has 4 bytes, less than a header"),
        (b"\x7fELF", "no section .BTF"),
    ],
)
def test_a_file_without_btf_is_refused(tmp_path, content, why):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(bpf.LibbpfError, match=why):
        Btf.from_file(path)


def test_a_missing_file_and_a_folder_are_errors_of_the_system(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(bpf.LibbpfError, match="cannot read the BTF of"):
            Btf.from_file(path)


def test_a_file_with_a_distilled_base_keeps_it_or_is_fitted_to_another(btf, event, tmp_path):
    split = Btf.new(btf)
    pointer = split.add_ptr(event)
    mine = split.add_struct("module", 8)
    split.add_field("event", pointer, 0)
    base, distilled = split.distill_base()
    path = tmp_path / "module.ko"
    path.write_bytes(elf({b".BTF": distilled.raw, b".BTF.base": base.raw}))
    alone = Btf.from_file(path)
    assert alone.base["event"].members == ()
    fitted = Btf.from_file(path, btf)
    assert fitted.base is btf
    assert fitted["module"].members[0].type.type.members[0].name == "pid"
    assert mine.size == 8


def elf(sections: dict[bytes, bytes]) -> bytes:
    """Make an ELF file of sections by name."""
    names = b"\0" + b"".join(name + b"\0" for name in sections) + b".shstrtab\0"
    body = names + b"".join(sections.values())
    table = [bytes(64)]
    at = 64 + len(names)
    for name, content in sections.items():
        table.append(struct.pack("=IIQQQQIIQQ", names.index(name + b"\0"), 1, 0, 0, at, len(content), 0, 0, 1, 0))
        at += len(content)
    strings = names.index(b".shstrtab\0")
    table.append(struct.pack("=IIQQQQIIQQ", strings, 3, 0, 0, 64, len(names), 0, 0, 1, 0))
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    count = len(table)
    head = struct.pack("=HHIQQQIHHHHHH", 1, 247, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1)
    return ident + head + body + b"".join(table)


# A member by its name


@pytest.fixture
def nested(btf):
    inner = btf.add_union("", 4)
    btf.add_field("a", 1, 0)
    deep = btf.add_struct("", 8)
    btf.add_field("b", 1, 0)
    btf.add_field("", inner, 32)
    outer = btf.add_struct("outer", 16)
    btf.add_field("first", 1, 0)
    btf.add_field("", deep, 32)
    btf.add_field("bits", 1, 96, 3)
    return outer


@pytest.mark.parametrize(("name", "offset"), [("first", 0), ("b", 4), ("a", 8), ("bits", 12)])
def test_a_member_is_found_by_its_name_with_its_place_in_the_whole(nested, name, offset):
    member = nested.member(name)
    assert (member.name, member.offset, member.type.id) == (name, offset, 1)
    assert member.bitfield_size == (3 if name == "bits" else 0)


def test_a_member_that_is_not_there_brings_close_names(nested):
    with pytest.raises(KeyError, match="struct outer has no member 'frst'; close names: first"):
        nested.member("frst")


def test_what_has_no_members_has_none_by_name(btf):
    with pytest.raises(TypeError, match="has no members"):
        btf[1].member("x")


def test_more_bytes_than_the_type_has_are_refused_unless_an_offset_is_given(btf):
    with pytest.raises(ValueError, match=r"has 4 bytes, not 5: with offset="):
        btf[1].decode(bytes(5))
    assert btf[1].decode(b"\0\1\0\0\0\0", offset=1) == 1


def test_a_flexible_type_takes_more_bytes(btf):
    array = btf.add_array(1, 1, 0)
    made = btf.add_struct("flexible", 4)
    btf.add_field("count", 1, 0)
    btf.add_field("rest", array, 32)
    assert made.decode(bytes(12)).rest == (0, 0)
