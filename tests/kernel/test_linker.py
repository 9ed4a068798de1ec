"""Linking objects: what comes out is of use, what cannot be linked is told, what crashes libbpf does not crash us."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import linker

SOURCE = Path(__file__).resolve().parent.parent / "bpf" / "variables_linked.bpf.c"
HALVES = {"shared", "same#1", "same#2", "same_zero#1", "same_zero#2", "work1.counter", "work2.counter"}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two objects, of which one needs a variable of the other."""
    folder = tmp_path_factory.mktemp("parts")
    made = []
    for number, defines in enumerate(({}, {"THIS": "2"})):
        made.append(folder / f"part{number}.bpf.o")
        made[-1].write_bytes(bpf.compile_object(SOURCE, defines=defines))
    return made


def names(data: bytes | Path) -> set[str]:
    with bpf.Object.open(data) as obj:
        return set(obj.variables)


def test_files_are_linked_into_one_object(parts):
    assert names(bpf.link_objects(*parts)) == HALVES


def test_contents_and_descriptors_are_linked_as_files_are(parts):
    with parts[1].open("rb") as file:
        assert bpf.link_objects(parts[0].read_bytes(), file.fileno()) == bpf.link_objects(*parts)
        assert file.read(4) == b"\x7fELF"


def test_the_linked_programs_run(root, parts):
    with bpf.Object.open(bpf.link_objects(*parts)) as obj:
        obj.load()
        for name in ("work1", "work2"):
            options = bpf.ffi.new("struct bpf_test_run_opts *")
            options.sz = bpf.ffi.sizeof(options[0])
            assert bpf.lib.bpf_prog_test_run_opts(obj.programs[name].fd, options) == 0
        assert obj.variables["shared"] == 7


def test_the_output_is_a_whole_file(parts, tmp_path):
    output = tmp_path / "out.bpf.o"
    data = bpf.link_objects(*parts, output=output)
    assert output.read_bytes() == data
    assert os.listdir(tmp_path) == ["out.bpf.o"]


def test_the_output_may_be_a_descriptor(parts, tmp_path):
    with (tmp_path / "out").open("wb") as file:
        data = bpf.link_objects(*parts, output=file.fileno())
    assert (tmp_path / "out").read_bytes() == data


def test_a_link_that_fails_leaves_the_output_alone(parts, tmp_path):
    output = tmp_path / "out.bpf.o"
    output.write_bytes(b"before")
    with pytest.raises(bpf.LibbpfError):
        bpf.link_objects(parts[0], parts[0], output=output)
    assert output.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["out.bpf.o"]


def test_what_cannot_be_linked_is_told_in_libbpfs_words(parts):
    with pytest.raises(bpf.LibbpfError, match=r"cannot link object '.*part0\.bpf\.o'") as caught:
        bpf.link_objects(parts[0], parts[0])
    said = "".join(caught.value.messages)
    assert "conflicting non-weak symbol #" in said
    assert f"definition in object '{parts[0]}'" in said


def test_what_is_no_object_is_refused(parts):
    with pytest.raises(bpf.LibbpfError, match="cannot link input 2, an object of 9 bytes"):
        bpf.link_objects(parts[0], b"not an ob")


def test_a_source_is_said_to_be_one(parts, tmp_path):
    source = tmp_path / "source.bpf.c"
    source.write_text("int number;")
    with pytest.raises(bpf.LibbpfError, match=r"hint: this is C: compile it first, with compile_object\(\)") as caught:
        bpf.link_objects(parts[0], source)
    assert not any(each.startswith("libbpf: ") for each in caught.value.messages)


def test_nothing_to_link_is_a_value_error():
    with pytest.raises(ValueError, match="nothing to link"):
        bpf.link_objects()


def test_an_input_that_would_crash_libbpf_is_an_exception(parts):
    data = bytearray(parts[0].read_bytes())
    table = int.from_bytes(data[0x28:0x30], sys.byteorder)
    entry, count = (int.from_bytes(data[at : at + 2], sys.byteorder) for at in (0x3A, 0x3C))
    for header in range(table, table + entry * count, entry):
        kind, target = (int.from_bytes(data[header + at : header + at + 4], sys.byteorder) for at in (4, 44))
        if (kind, target) == (9, 3):
            # A relocation of the programs' section, a terabyte behind its end.
            offset = int.from_bytes(data[header + 24 : header + 32], sys.byteorder)
            data[offset : offset + 8] = (1 << 40).to_bytes(8, sys.byteorder)
    with pytest.raises(bpf.LibbpfError, match=r"cannot link input 1[^!]+r_offset is 1099511627776"):
        bpf.link_objects(bytes(data), parts[1])


def test_linking_leaves_no_process_behind(parts):
    bpf.link_objects(*parts)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_somebody_else_may_have_asked_for_the_childs_status(parts, python):
    code = "import signal, sys, libbpf_cffi as bpf; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    said = python(f"{code}; print(len(bpf.link_objects(*sys.argv[1:])))", *parts)
    assert int(said) == len(bpf.link_objects(*parts))


def test_the_child_keeps_no_descriptor_of_its_parent(parts, python):
    # A child that is stopped before it begins would keep the pipe open.
    code = """
import os, sys, libbpf_cffi as bpf
reading, writing = os.pipe()
bpf.link_objects(*sys.argv[1:])
os.close(writing)
assert os.read(reading, 1) == b""
"""
    python(code, *parts)


def test_the_command_links(parts, tmp_path, capsys):
    output = tmp_path / "out.bpf.o"
    assert linker.main([str(output), *map(str, parts)]) == 0
    assert names(output) == HALVES
    assert linker.main([str(output), str(tmp_path / "missing")]) == 1
    assert "cannot link object" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["", "a.o"], ["out.o", ""]])
def test_a_path_without_a_character_is_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        linker.main(arguments)
    assert caught.value.code == 2
    assert "the path of an object is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "status", "said"),
    [("| true", 0, ""), (">&-", 1, "cannot write to standard output: it is closed\n"), ("| wc -c", 0, "")],
)
def test_an_output_that_nobody_reads_ends_the_command_in_order(parts, output, status, said):
    linking = shlex.join([sys.executable, "-m", "libbpf_cffi.linker", "-", *map(str, parts)])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {linking} {output}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (status, said)
    assert output != "| wc -c" or int(done.stdout) == len(bpf.link_objects(*parts))


def test_an_interrupted_link_leaves_no_process_behind(parts, python):
    said = python(
        """
import os, signal, sys
import libbpf_cffi as bpf
class Interrupted(Exception): pass
def interrupt(number, frame): raise Interrupted
bpf.link_objects(*sys.argv[1:])
signal.signal(signal.SIGALRM, interrupt)
interrupted = 0
for number in range(300):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0001 + number * 0.00003)
            bpf.link_objects(*sys.argv[1:])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupted:
        interrupted += 1
    try:
        os.waitpid(-1, os.WNOHANG)
        raise AssertionError(f"a child is left, {number}")
    except ChildProcessError:
        pass
print(interrupted > 20)
""",
        *parts,
    )
    assert said == "True\n"


def test_messages_name_the_input_and_not_its_place_in_memory(parts):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.link_objects(parts[0], parts[0])
    assert "mem:" not in str(caught.value)
    assert str(parts[0]) in "".join(caught.value.messages)
