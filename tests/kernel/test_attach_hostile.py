"""Targets of probes that somebody has made to harm who traces them: an exception, and no signal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import libbpf_cffi as bpf

pytestmark = pytest.mark.needs("uprobe", "perf_link", "attach_cookie", "uprobe_multi")

TESTS = Path(__file__).resolve().parent.parent

SHDR = 64
"""Bytes of an Elf64_Shdr."""

SYMTAB, NOTE, DYNSYM, VERDEF, VERSYM = 2, 7, 11, 0x6FFFFFFD, 0x6FFFFFFF


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Compile a library with all that is read: symbols, versions, USDT."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "versions").write_text("LBC_1 { global: lbc_*; };\nLBC_2 { } LBC_1;\n")
    path = folder / "target.so"
    source = TESTS / "bpf" / "attach_target.c"
    command = ["cc", "-shared", "-fPIC", "-O1", f"-Wl,--version-script={folder}/versions", "-o", path, source]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def attach(one_program):
    """Attach to a file by a name in it, in the way that reads the most of it."""

    def by(path, kind):
        if kind == NOTE:
            return one_program("attach_user", "by_usdt")[1].attach_usdt(path, "lbc", "args")
        return one_program("attach_user", "by_uprobe")[1].attach_uprobe(path, "lbc_versioned@LBC_1")

    return by


def headers(data, kind):
    """Give where the headers of the sections of a type are."""
    table, count = int.from_bytes(data[40:48], "little"), int.from_bytes(data[60:62], "little")
    every = range(table, table + count * SHDR, SHDR)
    return [at for at in every if int.from_bytes(data[at + 4 : at + 8], "little") == kind]


def of_zeros(data):
    """Give the index of a section that is no table of strings, and ends in a NUL as if it were one."""
    table, count = int.from_bytes(data[40:48], "little"), int.from_bytes(data[60:62], "little")
    for index in range(1, count):
        offset, size = content(data, table + index * SHDR)
        kind = int.from_bytes(data[table + index * SHDR + 4 : table + index * SHDR + 8], "little")
        if kind not in {3, 8} and size and data[offset + size - 1] == 0:
            return index
    raise AssertionError


def usdt_header(data):
    """Give the header of the section of USDT notes, the one that is not loaded."""
    return next(at for at in headers(data, NOTE) if not int.from_bytes(data[at + 8 : at + 16], "little") & 2)


def put(data, at, value, size):
    return data[:at] + value.to_bytes(size, "little") + data[at + size :]


def content(data, header):
    """Give where a section is, and its size."""
    return (int.from_bytes(data[header + at : header + at + 8], "little") for at in (24, 32))


def with_notes_cut(data):
    """Let the last string of the last note end with its section, without a NUL."""
    header = usdt_header(data)
    offset, size = content(data, header)
    at = offset
    while at < offset + size:
        name, text = (int.from_bytes(data[at + field : at + field + 4], "little") for field in (0, 4))
        start = at + 12 + (name + 3) // 4 * 4
        end = start + (text + 3) // 4 * 4
        data = data[: start + text - 1] + b"x" * (end - start - text + 1) + data[end:]
        data = put(data, at + 4, end - start, 4)
        at = end
    return data


def with_versions_in_a_circle(data):
    """Let the second version lead back to the first: the distance is a number of 32 bits, and wraps."""
    (header,) = headers(data, VERDEF)
    offset, _ = content(data, header)
    step = int.from_bytes(data[offset + 16 : offset + 20], "little")
    # No version is the one that is looked for, so that the search goes on.
    for at in (offset, offset + step):
        data = put(data, at + 4, 99, 2)
    return put(data, offset + step + 16, (1 << 32) - step, 4)


def with_symbols_far_away(data):
    """Let every symbol be where an offset, taken for a number with a sign, is an error."""
    for header in (*headers(data, DYNSYM), *headers(data, SYMTAB)):
        offset, size = content(data, header)
        for at in range(offset + 24, offset + size, 24):
            data = put(data, at + 8, (1 << 63) + 17, 8)
    return data


CHANGES = {
    "symbols beyond any file": (DYNSYM, with_symbols_far_away),
    "no entry size": (DYNSYM, lambda data: put(data, headers(data, DYNSYM)[0] + 56, 0, 8)),
    "no entry size in the other table": (SYMTAB, lambda data: put(data, headers(data, SYMTAB)[0] + 56, 0, 8)),
    "a size beyond the file": (DYNSYM, lambda data: put(data, headers(data, DYNSYM)[0] + 32, 1 << 62, 8)),
    "an offset beyond the file": (DYNSYM, lambda data: put(data, headers(data, DYNSYM)[0] + 24, 1 << 63, 8)),
    "strings that do not end": (DYNSYM, lambda data: put(data, headers(data, DYNSYM)[0] + 40, 1, 4)),
    "strings that are none": (DYNSYM, lambda data: put(data, headers(data, DYNSYM)[0] + 40, of_zeros(data), 4)),
    "strings of no section": (DYNSYM, lambda data: put(data, headers(data, DYNSYM)[0] + 40, 1 << 31, 4)),
    "a compressed table": (DYNSYM, lambda data: put(data, headers(data, DYNSYM)[0] + 8, 0x802, 8)),
    "versions of another size": (VERSYM, lambda data: put(data, headers(data, VERSYM)[0] + 56, 0, 8)),
    "versions in a circle": (VERDEF, with_versions_in_a_circle),
    "a note that does not end": (NOTE, with_notes_cut),
    "a note beyond its section": (NOTE, lambda data: put(data, next(content(data, usdt_header(data))) + 4, 1 << 30, 4)),
    "notes of another alignment": (NOTE, lambda data: put(data, usdt_header(data) + 48, 8, 8)),
    "a table of sections beyond the file": (DYNSYM, lambda data: put(data, 40, len(data) - 1, 8)),
    "more sections than there are": (DYNSYM, lambda data: put(data, 60, 0xFFFE, 2)),
    "headers of another size": (DYNSYM, lambda data: put(data, 58, 0, 2)),
    "segments beyond the file": (NOTE, lambda data: put(data, 32, 1 << 63, 8)),
    "the other byte order": (DYNSYM, lambda data: put(data, 5, 2, 1)),
    "no known class": (DYNSYM, lambda data: put(data, 4, 7, 1)),
    "the end in the header": (DYNSYM, lambda data: data[:60]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_was_tampered_with_is_refused(library, attach, tmp_path, name):
    kind, change = CHANGES[name]
    path = tmp_path / "target.so"
    data = library.read_bytes()
    path.write_bytes(data)
    attach(path, kind).close()
    changed = change(data)
    assert changed != data
    path.write_bytes(changed)
    with pytest.raises(bpf.LibbpfError) as caught:
        attach(path, kind)
    assert caught.value.errno == bpf.lib.LIBBPF_ERRNO__FORMAT
    assert caught.value.hint


def test_a_place_in_the_file_is_probed_whatever_else_is_in_it(library, one_program, tmp_path):
    path = tmp_path / "target.so"
    path.write_bytes(CHANGES["no entry size"][1](library.read_bytes()))
    _, program = one_program("attach_user", "by_uprobe")
    program.attach_uprobe(path, func_offset=0x1000).close()


@pytest.mark.parametrize("path", ["/proc/self/exe", "/bin/sh", "libc.so.6"])
def test_files_of_the_machine_are_taken(one_program, path):
    _, program = one_program("attach_user", "by_uprobe")
    with pytest.raises(bpf.LibbpfError) as caught:
        program.attach_uprobe(path, "lbc_nothing")
    assert caught.value.errno != bpf.lib.LIBBPF_ERRNO__FORMAT
