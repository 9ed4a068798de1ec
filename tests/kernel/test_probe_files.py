"""What `probe` says of files is what is in them, and malformed ones do no harm."""

from __future__ import annotations

import contextlib
import errno
import random
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import made_elf
import pytest

import libbpf_cffi as bpf
from libbpf_cffi import probe
from libbpf_cffi._elf import usdts


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("target") / "target"
    source = Path(__file__).resolve().parent.parent / "bpf" / "usdt_target.c"
    subprocess.run(["cc", "-o", output, source], check=True)
    return output


def test_usdt_probes_are_those_that_readelf_lists(target):
    found = probe.usdt_probes(target)
    said = subprocess.run(["readelf", "-n", target], capture_output=True, text=True, check=True).stdout
    wanted = zip(
        re.findall(r"Provider: (\S+)", said),
        re.findall(r"Name: (\S+)", said),
        (int(each, 16) for each in re.findall(r"Location: 0x(\w+)", said)),
        (int(each, 16) for each in re.findall(r"Semaphore: 0x(\w+)", said)),
        (tuple(each.split()) for each in re.findall(r"Arguments: (.*)", said)),
        strict=True,
    )
    assert found
    assert [(each.provider, each.name, each.address, each.semaphore, each.arguments) for each in found] == list(wanted)


NOTES = """
.macro note semaphore, strings:vararg
    .balign 4
    .long 8, 2f - 1f, 3
    .asciz "stapsdt"
1:  .quad code, base, \\semaphore
    .asciz \\strings
2:
.endm
.section .note.stapsdt, "", "note"
    note counter, "a", "first", "-4@%edi 8@-16(%rbp, %rax) 8@[sp, 16]"
    note 0, "a", "second", ""
    .balign 4
    .long 8, 1 << 20, 3
    .asciz "stapsdt"
    .quad code, base, 0
    .asciz "a", "longer than the section", ""
.section .stapsdt.base, "aG", "progbits", .stapsdt.base, comdat
base: .space 1
.data
counter: .quad 0
.text
code: nop
"""


def test_notes_are_read_one_after_the_other_until_one_that_is_malformed(tmp_path):
    source, library = tmp_path / "notes.s", tmp_path / "notes.so"
    source.write_text(NOTES)
    subprocess.run(["cc", "-nostdlib", "-shared", "-o", library, source], check=True)
    first, second = probe.usdt_probes(library)
    assert (first.provider, first.name) == ("a", "first")
    assert first.arguments == ("-4@%edi", "8@-16(%rbp, %rax)", "8@[sp, 16]")
    assert library.read_bytes()[first.offset] == 0x90
    assert library.read_bytes()[first.semaphore_offset :][:8] == bytes(8)
    assert (second.name, second.arguments, second.semaphore, second.semaphore_offset) == ("second", (), 0, None)


@pytest.mark.parametrize("read", [probe.usdt_probes, lambda path: usdts(path.read_bytes())])
def test_the_zeroes_behind_the_strings_of_a_note_are_left_alone(tmp_path, read):
    path = tmp_path / "zeroes.so"
    path.write_bytes(made_elf.library((made_elf.NOTES, made_elf.NOTE, made_elf.note(arguments=bytes(1 << 22)), 0, 0)))
    tracemalloc.start()
    try:
        assert [each[:2] for each in read(path)] == [("p", "n")]
        assert tracemalloc.get_traced_memory()[1] < 6 << 22
    finally:
        tracemalloc.stop()


def test_the_place_of_a_usdt_probe_in_the_file_is_where_its_instruction_is(target):
    data = target.read_bytes()
    for each in probe.usdt_probes(target):
        assert data[each.offset] == 0x90  # a nop


def test_the_functions_of_a_file_are_those_that_nm_lists(target):
    said = subprocess.run(["nm", "--defined-only", target], capture_output=True, text=True, check=True).stdout
    wanted = {(name, int(at, 16)) for at, kind, name in (line.split() for line in said.splitlines()) if kind in "tT"}
    found = {(each.name, each.address) for each in probe.symbols(target)}
    assert ("main", dict(wanted)["main"]) in found
    assert found <= wanted | {("_init", 0), ("_fini", 0)}


def test_the_offset_of_a_function_is_what_libbpf_attaches_a_uprobe_to(target):
    data = target.read_bytes()
    main = next(each for each in probe.symbols(target) if each.name == "main")
    said = subprocess.run(["objdump", "-d", "--disassemble=main", target], capture_output=True, text=True, check=True)
    code = bytes.fromhex(re.search(r"<main>:\n\s*\w+:\t((?:\w\w )+)", said.stdout)[1])
    assert data[main.offset : main.offset + len(code)] == code


def test_a_stripped_library_still_has_the_functions_for_linking():
    asked = subprocess.run(["cc", "-print-file-name=libc.so.6"], capture_output=True, text=True, check=True)
    assert "getppid" in {each.name for each in probe.symbols(asked.stdout.strip())}


def test_what_is_no_elf_file_is_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("text")
    for function in (probe.symbols, probe.usdt_probes):
        with pytest.raises(bpf.LibbpfError, match="it is no ELF file"):
            function(path)
        with pytest.raises(bpf.LibbpfError) as caught:
            function(tmp_path / "missing")
        assert caught.value.errno == errno.ENOENT


def test_malformed_files_are_read_without_harm(target, tmp_path):
    good, path = target.read_bytes(), tmp_path / "bad"
    table = int.from_bytes(good[0x28:0x30], sys.byteorder)
    places = [*range(64), *range(table, len(good)), *range(64, 64 + 56 * 13)]
    notes = good.find(b"stapsdt\0")
    places += list(range(notes - 12, notes + 200)) * 20
    for seed in range(1000):
        rng = random.Random(seed)
        data = bytearray(good)
        for at in rng.sample(places, 4):
            data[at] = rng.choice((0, 1, 255, rng.randrange(256)))
        path.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        for function in (probe.symbols, probe.usdt_probes):
            with contextlib.suppress(bpf.LibbpfError):
                function(path)


def test_a_library_is_found_by_the_name_that_a_uprobe_finds_it_by():
    assert "labs" in {each.name for each in probe.symbols("libc")}
    assert probe.usdt_probes("libc.so.6") is not None
    with pytest.raises(bpf.LibbpfError, match="there is no library in the folders of libraries"):
        probe.symbols("libnone.so")
