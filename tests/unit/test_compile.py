"""`compile_object` makes a BPF object of a text or a file, and shows what clang says as clang says it."""

from __future__ import annotations

import os
import pathlib
import pickle
import re
import resource
import stat
import subprocess
import sys
import threading

import pytest

from libbpf_cffi import CompileError, Error, LibbpfError, compile_object
from libbpf_cffi import compile as module
from libbpf_cffi._elf import section
from libbpf_cffi.compile import CompileWarning

EM_BPF = 247

PROGRAM = """\
__attribute__((section("socket"), used))
int passes(void *ctx)
{
	return 4321;
}
"""

BROKEN = """\
__attribute__((section("socket"), used))
int passes(void *ctx)
{
	return nowhere;
}
"""

WARNS = """\
__attribute__((section("socket"), used))
int passes(void *ctx)
{
	int forgotten;
	return 0;
}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep the user's cache and choice of compiler out of the tests."""
    monkeypatch.delenv("CLANG", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "prog.bpf.c"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def says(condition: str) -> str:
    """Give a source that only compiles if `condition` holds for the preprocessor."""
    return f"#if !({condition})\n#error it does not hold\n#endif\n{PROGRAM}"


# What is compiled


def test_a_text_becomes_a_bpf_object():
    data = compile_object(PROGRAM)
    assert (data[:4], int.from_bytes(data[18:20], sys.byteorder)) == (b"\x7fELF", EM_BPF)


def test_a_file_becomes_a_bpf_object(source):
    data = compile_object(source)
    assert (data[:4], int.from_bytes(data[18:20], sys.byteorder)) == (b"\x7fELF", EM_BPF)


def test_a_file_may_be_named_by_a_str(source):
    assert compile_object(str(source)) == compile_object(source)


def test_the_same_source_gives_the_same_object():
    assert compile_object(PROGRAM) == compile_object(PROGRAM)


def test_the_object_is_of_this_machines_byte_order():
    assert compile_object(PROGRAM)[5] == (1 if sys.byteorder == "little" else 2)


def test_the_object_has_btf():
    assert section(compile_object(PROGRAM), ".BTF")


def test_a_path_object_with_a_line_break_in_it_is_a_path(tmp_path):
    path = tmp_path / "two\nlines.c"
    path.write_text(PROGRAM, encoding="utf-8")
    assert compile_object(path)


def test_a_file_whose_name_starts_with_a_dash_is_no_flag(tmp_path, monkeypatch):
    (tmp_path / "-v.c").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert compile_object("-v.c")


def test_a_file_need_not_end_in_c(tmp_path):
    path = tmp_path / "prog.txt"
    path.write_text(PROGRAM, encoding="utf-8")
    assert compile_object(path)


def test_a_pipe_is_read_as_a_text(tmp_path):
    """What a shell's ``<(…)`` gives."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(BROKEN,))
    writer.start()
    with pytest.raises(CompileError) as error:
        compile_object(pipe)
    writer.join()
    assert f"{pipe}:4:9: error:" in error.value.stderr


def test_a_text_that_is_not_utf_8_is_given_to_clang_as_it_was():
    text = PROGRAM + b'char raw[] = "\xe9";\n'.decode("utf-8", "surrogateescape")
    assert b"\xe9\0" in section(compile_object(text, flags=["-Wno-invalid-source-encoding"]), ".data")


def test_a_str_without_a_newline_that_is_no_file_says_that_it_was_taken_for_a_path():
    with pytest.raises(LibbpfError, match=r"a str without a newline in it is taken for a path"):
        compile_object("int x;")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LibbpfError, match=r"cannot compile '.*absent\.c': No such file"):
        compile_object(tmp_path / "absent.c")


def test_a_folder_is_no_source(tmp_path):
    with pytest.raises(LibbpfError, match="cannot compile"):
        compile_object(tmp_path)


def test_a_device_is_no_source():
    with pytest.raises(LibbpfError, match="not a regular file"):
        compile_object("/dev/zero")


@pytest.mark.parametrize("wrong", [b"int x;\n", None, 3])
def test_a_source_of_another_type_is_refused(wrong):
    with pytest.raises(TypeError, match="source must be"):
        compile_object(wrong)


def test_an_empty_path_is_refused():
    with pytest.raises(ValueError, match="source is empty"):
        compile_object("")


# What clang says


def test_an_error_in_a_text_has_the_texts_own_line():
    with pytest.raises(CompileError, match=r"(?m)^<string>:4:9: error: use of undeclared identifier 'nowhere'$"):
        compile_object(BROKEN)


def test_an_error_in_a_text_has_the_name_that_was_given():
    with pytest.raises(CompileError, match=r"(?m)^tool\.py:4:9: error: use of undeclared identifier 'nowhere'$"):
        compile_object(BROKEN, name="tool.py")


def test_an_error_in_a_text_quotes_the_line():
    with pytest.raises(CompileError) as error:
        compile_object(BROKEN)
    assert "return nowhere;" in error.value.stderr


def test_an_error_that_clang_repeats_is_shown_once():
    text = """
    static long (*print)(const char *, int, ...) = (void *)6;
    __attribute__((section("socket"), used)) int large(void *ctx)
    {
        char b[1000];
        for (int i = 0; i < 1000; i++) b[i] = i;
        print(b, 900); print(b, 901); print(b, b[7]);
        return b[4];
    }
    """
    with pytest.raises(CompileError) as error:
        compile_object(text)
    assert (error.value.stderr.count("stack limit") > 1, str(error.value).count("stack limit")) == (True, 1)
    assert "char b[1000]" in str(error.value) or "int large" in str(error.value)


def test_no_made_up_path_is_in_what_is_said_of_a_text():
    with pytest.raises(CompileError) as error:
        compile_object("#include <not_there.h>\nint x\n")
    assert "/proc" not in error.value.stderr


def test_an_error_in_a_file_names_the_file_as_the_caller_did(source, monkeypatch):
    source.write_text(BROKEN, encoding="utf-8")
    monkeypatch.chdir(source.parent)
    with pytest.raises(CompileError, match=r"(?m)^prog\.bpf\.c:4:9: error: use of undeclared identifier 'nowhere'$"):
        compile_object("prog.bpf.c")


def test_clangs_text_is_whole_in_the_message(source):
    source.write_text(BROKEN, encoding="utf-8")
    with pytest.raises(CompileError) as error:
        compile_object(source)
    command = [*error.value.command]
    alone = subprocess.run(command, capture_output=True, text=True, check=False)
    assert alone.stderr == error.value.stderr
    assert str(error.value).endswith(alone.stderr.rstrip())


def test_the_message_says_what_could_not_be_compiled(source):
    source.write_text(BROKEN, encoding="utf-8")
    with pytest.raises(CompileError, match=rf"^cannot compile {re.escape(repr(str(source)))}: "):
        compile_object(source)


def test_the_error_has_the_exit_status():
    with pytest.raises(CompileError) as error:
        compile_object(BROKEN)
    assert error.value.returncode == 1


def test_the_error_is_the_packages_own():
    with pytest.raises(Error):
        compile_object(BROKEN)


def test_the_error_can_be_pickled():
    with pytest.raises(CompileError) as error:
        compile_object(BROKEN)
    copy = pickle.loads(pickle.dumps(error.value))
    assert (str(copy), copy.stderr, copy.command) == (str(error.value), error.value.stderr, error.value.command)


def test_what_clang_warns_of_is_a_python_warning():
    with pytest.warns(CompileWarning, match=r"<string>:4:6: warning: unused variable 'forgotten'"):
        compile_object(WARNS)


def test_the_warning_is_the_callers():
    with pytest.warns(CompileWarning) as record:
        compile_object(WARNS)
    assert record[0].filename == __file__


def test_a_warning_can_be_switched_off():
    assert compile_object(WARNS, flags=["-Wno-unused-variable"])


def test_missing_headers_of_the_kernel_are_said_to_be_a_package():
    with pytest.raises(CompileError, match="apt-get install linux-libc-dev"):
        compile_object("#include <linux/not_there.h>\n")


@pytest.mark.parametrize("wrong", ["", "a\nb", "a\0b", "a=b"])
def test_a_name_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="name must be"):
        compile_object(PROGRAM, name=wrong)


def test_a_file_takes_no_name(source):
    with pytest.raises(ValueError, match="a file has its own"):
        compile_object(source, name="other")


# What the object tells of its source


def test_the_source_line_of_a_text_is_in_the_btf():
    """The verifier quotes it."""
    assert b"\treturn 4321;\0" in section(compile_object(PROGRAM), ".BTF")


def test_the_source_line_of_a_file_is_in_the_btf(source):
    assert b"\treturn 4321;\0" in section(compile_object(source), ".BTF")


def test_the_object_of_a_text_holds_the_text_and_no_headers(tmp_path):
    """``vmlinux.h`` is 3 MB."""
    header = "extern int known;\nstatic inline int gives(void) { return known; }\n" + "/* nothing */\n" * 100000
    (tmp_path / "large.h").write_text(header, encoding="utf-8")
    text = '#include "large.h"\n' + PROGRAM.replace("4321", "gives()")
    data = compile_object(text, include_dirs=[tmp_path])
    lines = section(data, ".debug_line_str")
    assert (text.encode() in lines, b"nothing" in lines, len(data) < 8192) == (True, False, True)


def test_no_made_up_path_is_in_the_object_of_a_text():
    text = PROGRAM + "const char file[] __attribute__((used)) = __FILE__;\n"
    data = compile_object(text, name="tool.py")
    assert (b"/proc/" in data, b"tool.py\0" in section(data, ".rodata")) == (False, True)


# Headers, macros, flags


def test_libbpfs_headers_are_found():
    assert compile_object("#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n" + PROGRAM)


def test_the_kernels_headers_are_found():
    """linux/types.h includes asm/types.h, which Debian keeps apart."""
    assert compile_object("#include <linux/bpf.h>\n#include <linux/types.h>\n" + PROGRAM)


def test_include_dirs_are_searched(tmp_path):
    (tmp_path / "mine.h").write_text("#define MINE 1\n", encoding="utf-8")
    assert compile_object("#include <mine.h>\n" + says("MINE"), include_dirs=[tmp_path])


def test_include_dirs_come_before_the_packages(tmp_path):
    (tmp_path / "bpf").mkdir()
    (tmp_path / "bpf" / "bpf_helpers.h").write_text("#define MINE 1\n", encoding="utf-8")
    assert compile_object("#include <bpf/bpf_helpers.h>\n" + says("MINE"), include_dirs=[str(tmp_path)])


def test_a_file_finds_what_is_beside_it(source):
    (source.parent / "mine.h").write_text("#define MINE 1\n", encoding="utf-8")
    source.write_text('#include "mine.h"\n' + says("MINE"), encoding="utf-8")
    assert compile_object(source)


def test_a_text_finds_nothing_in_the_working_directory(tmp_path, monkeypatch):
    """Which may be another user's, while root runs the tool."""
    (tmp_path / "mine.h").write_text("#define MINE 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CompileError, match=r"'mine\.h' file not found"):
        compile_object('#include "mine.h"\n' + PROGRAM)


@pytest.mark.parametrize(
    ("value", "condition"),
    [(7, "X == 7"), ("3+4", "X == 7"), (None, "X == 1"), (True, "X == 1"), (False, "defined X && X == 0")],
)
def test_a_macro_is_defined(value, condition):
    assert compile_object(says(condition), defines={"X": value})


def test_flags_undo_ours():
    assert section(compile_object(PROGRAM, flags=["-g0"]), ".BTF") is None


def test_flags_that_give_no_object_are_an_error():
    with pytest.raises(CompileError, match="made no BPF object"):
        compile_object(PROGRAM, flags=["-emit-llvm"])


def test_flags_for_another_machine_are_an_error():
    with pytest.raises(CompileError, match="made no BPF object"):
        compile_object(PROGRAM, flags=["--target=aarch64-linux-gnu"], cpu="generic")


@pytest.mark.parametrize("what", ["flags", "include_dirs"])
def test_one_str_is_no_sequence(what):
    with pytest.raises(TypeError, match=f"{what} must be a sequence"):
        compile_object(PROGRAM, **{what: "-Wall"})


def test_the_architecture_is_defined():
    assert compile_object(says(f"defined __TARGET_ARCH_{module._architecture(os.uname().machine)}"))


def test_another_architecture_can_be_asked_for():
    assert compile_object(says("defined __TARGET_ARCH_arm64 && !defined __TARGET_ARCH_x86"), arch="arm64")


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "x86"),
        ("i686", "x86"),
        ("aarch64", "arm64"),
        ("aarch64_be", "arm64"),
        ("armv8l", "arm64"),
        ("armv7l", "arm"),
        ("s390x", "s390"),
        ("mips64", "mips"),
        ("ppc64le", "powerpc"),
        ("sparc64", "sparc"),
        ("riscv64", "riscv"),
        ("arc", "arc"),
        ("loongarch64", "loongarch"),
        ("something", "something"),
    ],
)
def test_architectures_have_libbpfs_names(machine, name):
    assert module._architecture(machine) == name


def test_every_architecture_of_libbpfs_header_has_a_machine():
    header = pathlib.Path(module.__file__).parent / "include" / "bpf" / "bpf_tracing.h"
    known = set(re.findall(r"defined\(__TARGET_ARCH_(\w+)\)", header.read_text(encoding="utf-8")))
    assert known == {name for _, name in module.ARCHITECTURES}


def test_the_instruction_set_can_be_chosen():
    """v1 has no 32-bit jumps (class 6)."""
    text = """\
__attribute__((section("socket"), used))
int jumps(unsigned *ctx)
{
	return ctx[0] > ctx[1] ? 7 : 9;
}
"""
    classes = [{code & 7 for code in section(compile_object(text, cpu=cpu), "socket")[::8]} for cpu in ("v1", "v3")]
    assert (6 in classes[0], 6 in classes[1]) == (False, True)


# The file


def test_the_object_is_written_to_output(source, tmp_path):
    output = tmp_path / "prog.bpf.o"
    assert compile_object(source, output=output) == output.read_bytes()


def test_what_is_there_stays_if_it_cannot_be_compiled(source, tmp_path):
    output = tmp_path / "prog.bpf.o"
    output.write_text("old", encoding="utf-8")
    source.write_text(BROKEN, encoding="utf-8")
    with pytest.raises(CompileError):
        compile_object(source, output=output)
    assert output.read_text(encoding="utf-8") == "old"


def test_a_reader_of_the_old_object_keeps_it(tmp_path):
    output = tmp_path / "prog.bpf.o"
    output.write_text("old", encoding="utf-8")
    with output.open(encoding="utf-8") as old:
        compile_object(PROGRAM, output=output)
        assert old.read() == "old"


def test_nothing_else_is_left_beside_the_output(tmp_path):
    compile_object(PROGRAM, output=tmp_path / "prog.bpf.o")
    assert os.listdir(tmp_path) == ["prog.bpf.o"]


def test_nothing_is_left_if_the_output_cannot_be_replaced(tmp_path):
    (tmp_path / "prog.bpf.o").mkdir()
    with pytest.raises(LibbpfError, match=r"cannot write the object '.*prog\.bpf\.o': Is a directory"):
        compile_object(PROGRAM, output=tmp_path / "prog.bpf.o")
    assert os.listdir(tmp_path) == ["prog.bpf.o"]


def test_nothing_is_left_if_the_output_has_no_room(source, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(LibbpfError, match="cannot write the object"):
            compile_object(source, output=tmp_path / "prog.bpf.o")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == ["prog.bpf.c"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(LibbpfError, match="cannot write the object"):
        compile_object(PROGRAM, output=tmp_path / "absent" / "prog.bpf.o")


def test_the_output_has_the_mode_that_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        compile_object(PROGRAM, output=tmp_path / "prog.bpf.o")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "prog.bpf.o").stat().st_mode) == 0o640


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "link.o").symlink_to("real.o")
    data = compile_object(PROGRAM, output=tmp_path / "link.o")
    assert ((tmp_path / "link.o").is_symlink(), (tmp_path / "real.o").read_bytes()) == (True, data)


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    """``-o /dev/null`` as root must not make a file of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    data = compile_object(PROGRAM, output=pipe)
    reader.join()
    assert (got, pipe.is_fifo()) == ([data], True)


def test_the_output_may_be_a_descriptor_of_a_pipe():
    """Such as /dev/stdout, a link that leads to no path."""
    reads, writes = os.pipe()
    with open(reads, "rb") as reader:
        with open(writes, "wb"):
            data = compile_object(PROGRAM, output=f"/dev/fd/{writes}")
        assert reader.read() == data


def test_the_source_is_not_overwritten(source, tmp_path):
    (tmp_path / "same").symlink_to(source)
    with pytest.raises(ValueError, match="output is the source"):
        compile_object(source, output=tmp_path / "same")
    assert source.read_text(encoding="utf-8") == PROGRAM


# Many at once


def test_threads_compile_side_by_side():
    numbers = range(4)
    got = {}

    def work(number):
        got[number] = section(compile_object(PROGRAM.replace("4321", str(1000 + number))), ".BTF")

    threads = [threading.Thread(target=work, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [f"return {1000 + number};".encode() in got[number] for number in numbers] == [True] * 4


def test_nothing_stays_open(tmp_path):
    before = os.listdir("/proc/self/fd")
    compile_object(PROGRAM)
    with pytest.raises(CompileError):
        compile_object(BROKEN)
    for path in ("/dev/zero", tmp_path, tmp_path / "absent.c"):
        with pytest.raises(LibbpfError):
            compile_object(path)
    assert os.listdir("/proc/self/fd") == before


HEADERS = "#include <vmlinux.h>\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_tracing.h>\n"


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        (HEADERS + "int x = ETH_P_IP;\n", "ETH_P_IP: macros of the kernel's"),
        (HEADERS + "int x = TC_ACT_OK, y = AF_INET;\n", "TC_ACT_OK, AF_INET: macros of the kernel's"),
        (HEADERS + "int f(void) { return bpf_htons(1); }\n", "#include <bpf/bpf_endian.h>"),
        (HEADERS + "int f(void) { return bpf_cpu_to_be32(1); }\n", "#include <bpf/bpf_endian.h>"),
        (HEADERS + 'SEC("ksyscall/openat") int BPF_KSYSCALL(f, int d) { return 0; }\n', "bpf_core_read"),
        ("u64 x;\n", r"vmlinux\.h has these types"),
        ("BPF_HASH(x, int);\n", "that is BCC's C"),
        ("#include <uapi/linux/ptrace.h>\n", "that is BCC's C"),
    ],
)
def test_what_is_often_forgotten_is_explained(source: str, hint: str) -> None:
    """By what clang says of it."""
    with pytest.raises(CompileError, match=f"hint: .*{hint}"):
        compile_object(source)


def test_a_macro_and_a_header_that_are_both_forgotten_are_told_apart() -> None:
    """What is to be defined is named, and what is in a header is not among it."""
    with pytest.raises(CompileError) as caught:
        compile_object(HEADERS + "int f(int x) { return x == bpf_htons(ETH_P_IP); }\n")
    hints = [line for line in str(caught.value).splitlines() if line.startswith("  hint: ")]
    assert hints[0].startswith("  hint: ETH_P_IP: ")
    assert hints[1:] == ["  hint: #include <bpf/bpf_endian.h>"]
