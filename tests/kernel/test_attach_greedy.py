"""Targets of probes that would take for ever, or change while they are read: an answer, and in a moment.

Each call is made in a child, which is killed if it takes longer: inside C nothing else would end it.
"""

from __future__ import annotations

import signal
import struct

import pytest
from made_elf import (
    CODE,
    DYNSYM,
    NOTE,
    NOTES,
    STRTAB,
    SYMTAB,
    VERDEF,
    VERSYM,
    library,
    note,
    segment,
    symbol,
    versions,
    with_functions,
)

import libbpf_cffi as bpf
from libbpf_cffi import probe

pytestmark = pytest.mark.needs("uprobe", "perf_link", "attach_cookie", "uprobe_multi")

SECONDS = 120
MANY = 50_000
FORMAT = bpf.lib.LIBBPF_ERRNO__FORMAT
LONG = b"a" * 500_000


@pytest.fixture
def answer(in_fork, compiled, tmp_path):
    """Give what a call on a file says, of its errno or of how long its list is."""

    def ask(data, call, program=None):
        path = tmp_path / "greedy.so"
        path.write_bytes(data)

        def work():
            signal.alarm(SECONDS)
            if program is None:
                return len(call(path))
            with bpf.Object.open(compiled("attach_user")) as obj:
                for each in obj.programs.values():
                    each.autoload = each.name == program
                obj.load()
                try:
                    call(obj.programs[program], path).close()
                except bpf.LibbpfError as error:
                    return error.errno
                return 0

        return int(in_fork(work))

    return ask


def one_name_for_each():
    """Let each symbol have the end of one name for its own."""
    return with_functions(b"\0" + LONG + b"\0", b"".join(symbol(1 + at) for at in range(MANY)))


def test_a_pattern_of_several_stars_is_compared_with_a_long_name_in_no_time(answer):
    data = with_functions(b"\0" + LONG + b"\0", symbol(1))
    assert answer(data, lambda program, path: program.attach_uprobe_multi(path, "*a*a*b"), "by_uprobe_multi") == 2


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("foo", True), ("f*", True), ("*", True), ("*o", True), ("f?o", True), ("*f*o*", True), ("f**o", True),
        ("???", True), ("foo*", True), ("*oo", True), ("fo", False), ("fooo", False), ("o*", False), ("??", False),
        ("*x*", False), ("foo?", False), ("f*x", False),
    ],
)  # fmt: skip
def test_a_pattern_means_what_it_means_to_libbpf(answer, pattern, fits):
    data = with_functions(b"\0foo\0", symbol(1))
    found = answer(data, lambda program, path: program.attach_uprobe_multi(path, pattern), "by_uprobe_multi")
    assert found == (0 if fits else 2)


def test_names_that_are_each_others_ends_are_refused(answer):
    data = one_name_for_each()
    assert answer(data, lambda program, path: program.attach_uprobe_multi(path, "*b"), "by_uprobe_multi") == FORMAT


def test_names_of_thousands_of_tables_that_have_the_same_strings_are_refused(answer):
    # No table by itself has too many, and one after the other they took minutes.
    strings = b"\0" + LONG * 16 + b"\0"
    data = with_functions(strings, symbol(1) * 15, again=(3, 20_000)) + bytes(20_000 * 16 * 24)
    assert answer(data, lambda program, path: program.attach_uprobe(path, "foo"), "by_uprobe") == FORMAT


def test_segments_as_many_as_there_is_room_for_in_a_sparse_file_are_refused(answer):
    # Of a file of 2 GiB, of which 700 bytes were written, 38 million were read, from 2 GiB of memory.
    size = 1 << 22
    data = bytearray(library((NOTES, NOTE, note(), 0, 0), segments=segment(0x1000, 64, 0x78)))
    data += bytes(size - len(data))
    struct.pack_into("<H", data, 56, 0xFFFF)
    struct.pack_into("<I", data, struct.unpack_from("<Q", data, 40)[0] + 44, size // 56 - 2)
    assert answer(data, lambda program, path: program.attach_usdt(path, "p", "n"), "by_usdt") == FORMAT


def test_versions_that_are_looked_for_in_a_long_chain_for_each_symbol_are_refused(answer):
    data = with_functions(
        b"\0foo\0",
        symbol(1) * MANY,
        (".gnu.version", VERSYM, struct.pack("<H", 2) * (MANY + 1), 3, 2),
        (".gnu.version_d", VERDEF, versions(30_000), 2, 0),
    )
    assert answer(data, lambda program, path: program.attach_uprobe(path, "foo@V"), "by_uprobe") == FORMAT


@pytest.mark.parametrize("kind", [NOTE, VERDEF, DYNSYM])
def test_thousands_of_sections_that_are_one_are_refused(answer, kind):
    content = {NOTE: note() * 60_000, VERDEF: versions(30_000), DYNSYM: bytes(24) + symbol(1) * MANY}[kind]
    entry = 24 if kind == DYNSYM else 0
    strings = (".dynstr", STRTAB, b"\0foo\0", 0, 0)
    data = library(strings, (NOTES, kind, content, 2, entry), again=(3, 20_000))
    if kind == NOTE:
        assert answer(data, lambda program, path: program.attach_usdt(path, "p", "x"), "by_usdt") == FORMAT
    else:
        assert answer(data, lambda program, path: program.attach_uprobe(path, "bar"), "by_uprobe") == FORMAT


def over(data: bytes, what: bytes, at: int) -> bytes:
    """Move the table of symbols `.symtab`, of one imported symbol, over another section, so far from its beginning."""
    shoff, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    changed = bytearray(data)
    for header in range(shoff, shoff + 64 * count, 64):
        if struct.unpack_from("<I", data, header + 4)[0] == SYMTAB:
            struct.pack_into("<Q", changed, header + 24, data.index(what) + at)
    return bytes(changed)


IMPORTED = (".symtab", SYMTAB, bytes(24), 2, 24)
"""In it the copy is changed: 4 bits of the byte at 4."""


def test_versions_that_are_a_circle_only_in_the_copy_are_refused(answer):
    version = struct.Struct("<HHHHIII")
    chain = bytearray(0x80)
    version.pack_into(chain, 0, 1, 0, 7, 1, 0, 20, 0x2C)
    version.pack_into(chain, 0x20, 1, 0, 8, 0, 0, 0, 0)
    # This one ends the chain, and with what is before it it leads back.
    version.pack_into(chain, 0x2C, 1, 0, 0xFFE0, 0xFFFF, 0, 20, 0)
    data = with_functions(
        b"\0func\0LBC_1\0",
        symbol(1),
        (".gnu.version", VERSYM, struct.pack("<2H", 0, 5), 3, 2),
        (".gnu.version_d", VERDEF, bytes(chain), 2, 0),
        (".fill", 1, bytes(64), 0, 0),
        IMPORTED,
    )
    data = over(data, bytes(chain), 12)
    assert answer(data, lambda program, path: program.attach_uprobe(path, "func@LBC_1"), "by_uprobe") == FORMAT


def test_arguments_of_a_probe_that_end_in_the_file_and_not_in_the_copy_are_refused(answer):
    first = struct.pack("<III", 8, 0x2C, 3) + b"stapsdt\0" + struct.pack("<3Q", CODE, 0, 0) + b"p\0n0\0\0\0\0"
    # Of another type, or else what the end of the first one, if that is shorter, begins; whose arguments do not end.
    second = struct.pack("<III", 8, 40, 5) + bytes(12) + b"p\0args\0" + b"x" * 29
    content = first + struct.pack("<III", 0, len(second), 3) + second
    data = with_functions(b"\0func\0", symbol(1), (NOTES, NOTE, content, 0, 0), IMPORTED)
    data = over(data, content, 0)
    assert answer(data, lambda program, path: program.attach_usdt(path, "p", "args"), "by_usdt") == FORMAT


# Their lists


def test_the_functions_of_thousands_of_tables_that_are_one_are_listed_once(answer):
    data = with_functions(b"\0foo\0", symbol(1) * MANY, again=(3, 20_000))
    assert answer(data, probe.symbols) == 1


def test_the_probes_of_thousands_of_sections_that_are_one_are_listed_once(answer):
    assert answer(library((NOTES, NOTE, note() * 30_000, 0, 0), again=(2, 20_000)), probe.usdt_probes) == 30_000


def test_arguments_of_a_probe_behind_a_bracket_that_is_never_closed_are_one(answer):
    assert answer(library((NOTES, NOTE, note(arguments=b"(" + b" a" * 3_000_000), 0, 0)), probe.usdt_probes) == 1


def test_functions_whose_names_are_each_others_ends_are_not_listed(answer):
    with pytest.raises(AssertionError, match="more names than it has bytes"):
        answer(one_name_for_each(), probe.symbols)


def test_places_in_a_file_of_ever_so_many_segments_are_found(answer):
    segments = segment(1 << 40, 16) * 65_000
    assert answer(with_functions(b"\0foo\0", b"".join(symbol(1, at) for at in range(MANY)), segments=segments),
                  probe.symbols) == MANY  # fmt: skip


def test_a_name_of_a_megabyte_is_in_no_hint(one_program, tmp_path):
    path = tmp_path / "greedy.so"
    path.write_bytes(with_functions(b"\0lbc_nothing" + LONG + b"\0", symbol(1)))
    with pytest.raises(bpf.LibbpfError) as caught:
        one_program("attach_user", "by_uprobe")[1].attach_uprobe(path, "lbc_nothing")
    assert len(str(caught.value)) < 1000


# A file that changes


@pytest.mark.parametrize("program", ["by_uprobe", "by_uprobe_multi", "by_usdt"])
def test_who_writes_to_the_file_once_it_was_checked_does_no_harm(answer, monkeypatch, tmp_path, program):
    from libbpf_cffi import _elf_target

    path = tmp_path / "greedy.so"
    data = with_functions(b"\0foo\0", symbol(1), (NOTES, NOTE, note(), 0, 0), segments=segment(0x1000, 64, 0x78))
    checked = _elf_target.Target.check_elf

    def check_and_write(target):
        checked(target)
        # The entry size of every table is 0, and every section ends elsewhere.
        table = int.from_bytes(data[40:48], "little")
        with open(path, "r+b") as file:
            for header in range(table, len(data), 64):
                file.seek(header + 32)
                file.write(bytes(32))
            file.truncate(len(data) - 8)

    monkeypatch.setattr(_elf_target.Target, "check_elf", check_and_write)
    call = {
        "by_uprobe": lambda program, path: program.attach_uprobe(path, "foo"),
        "by_uprobe_multi": lambda program, path: program.attach_uprobe_multi(path, "f*"),
        "by_usdt": lambda program, path: program.attach_usdt(path, "p", "n"),
    }
    assert answer(data, call[program], program) == 0
