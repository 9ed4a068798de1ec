"""``python -m libbpf_cffi.compile`` compiles at the prompt; what fails leaves a message and a status, no traceback."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import sys

import pytest

from libbpf_cffi import compile_object
from libbpf_cffi._elf import section

PROGRAM = """\
__attribute__((section("socket"), used))
int passes(void *ctx)
{
	return 4321;
}
"""

BROKEN = PROGRAM.replace("4321", "nowhere")

WARNS = PROGRAM.replace("return 4321", "int forgotten;\n\treturn 4321")

COMMAND = (sys.executable, "-m", "libbpf_cffi.compile")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder of the test's own that holds a source."""
    monkeypatch.delenv("CLANG", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "prog.bpf.c").write_text(PROGRAM, encoding="utf-8")
    return folder


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    options = {"stdin": subprocess.DEVNULL, **options} if "input" not in options else options
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, check=False, **options)
    assert b"Traceback" not in done.stderr
    return done


def waiting_clang(folder) -> tuple[str, str]:
    """Make a compiler that tells its process id through a FIFO and then does nothing for ever.

    Of standard input, with which it is asked whether it knows BPF at all, it makes nothing.
    """
    fifo, path = str(folder / "fifo"), str(folder / "clang-waits")
    os.mkfifo(fifo)
    with open(path, "w", encoding="utf-8") as script:
        script.write("#!/bin/sh\ncase $* in *' -') exit 1; esac\n")
        # A signal while Popen() is still starting it would leave it running; nothing tells when that is over.
        script.write("sleep 0.3\n")
        script.write(f"echo $$ >{shlex.quote(fifo)}\nexec sleep 1000\n")
    os.chmod(path, 0o755)
    return path, fifo


def ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    # What is only waited for by nobody is at its end as well.
    with open(f"/proc/{process}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


# What it makes


def test_the_object_has_the_name_that_is_given(here):
    assert run("prog.bpf.c", "-o", "other.o").returncode == 0
    assert (here / "other.o").read_bytes() == compile_object("prog.bpf.c")


def test_the_object_has_the_sources_name_otherwise(here):
    run("prog.bpf.c")
    assert sorted(os.listdir(here)) == ["prog.bpf.c", "prog.bpf.o"]


def test_the_object_is_made_here_not_beside_its_source(here, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run(here / "prog.bpf.c")
    assert (os.listdir(here), os.listdir()) == (["prog.bpf.c"], ["prog.bpf.o"])


def test_nothing_is_said_when_all_is_well():
    done = run("prog.bpf.c")
    assert (done.stdout, done.stderr) == (b"", b"")


def test_the_object_can_go_to_standard_output():
    assert run("prog.bpf.c", "-o", "-").stdout == compile_object("prog.bpf.c")


def test_the_source_can_come_from_standard_input(here):
    assert run("-", "-o", "in.o", input=PROGRAM.encode()).returncode == 0
    assert b"\treturn 4321;\0" in section((here / "in.o").read_bytes(), ".BTF")


def test_an_error_in_standard_input_says_so():
    done = run("-", "-o", "in.o", input=BROKEN.encode())
    assert b"<stdin>:4:9: error: use of undeclared identifier 'nowhere'" in done.stderr


def test_a_source_may_have_a_line_break_in_its_name(here):
    (here / "prog.bpf.c").rename(here / "two\nlines.c")
    assert run("two\nlines.c").returncode == 0
    assert (here / "two\nlines.o").exists()


def test_macros_are_defined(here):
    (here / "prog.bpf.c").write_text("#if X != 1 || Y != 7\n#error\n#endif\n" + PROGRAM, encoding="utf-8")
    assert run("prog.bpf.c", "-D", "X", "-DY=7").returncode == 0


def test_folders_are_searched(here):
    (here / "folder").mkdir()
    (here / "folder" / "mine.h").touch()
    (here / "prog.bpf.c").write_text("#include <mine.h>\n" + PROGRAM, encoding="utf-8")
    assert run("prog.bpf.c", "-I", "folder").returncode == 0


def test_clangs_flags_follow_two_dashes(here):
    run("prog.bpf.c", "--", "-g0")
    assert section((here / "prog.bpf.o").read_bytes(), ".BTF") is None


def test_vmlinux_h_is_written_to_a_file(here):
    compile_object(PROGRAM, output="types.o")
    assert run("--vmlinux-h", "vmlinux.h", "--btf", "types.o").returncode == 0
    assert (here / "vmlinux.h").read_text(encoding="utf-8").rstrip().endswith("#endif /* __VMLINUX_H__ */")


def test_vmlinux_h_can_go_to_standard_output():
    compile_object("struct point { int x; } where;\n", output="types.o")
    assert b"struct point {\n\tint x;\n};\n" in run("--vmlinux-h", "-", "--btf", "types.o").stdout


def test_the_command_is_shown_when_asked_for():
    (line,) = run("prog.bpf.c", "-v").stderr.decode().splitlines()
    assert shlex.split(line)[-1] == "prog.bpf.c"


def test_warnings_are_shown_as_clang_wrote_them(here):
    (here / "prog.bpf.c").write_text(WARNS, encoding="utf-8")
    done = run("prog.bpf.c")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        0,
        b"prog.bpf.c:4:6: warning: unused variable 'forgotten' [-Wunused-variable]",
    )


# What goes wrong


def test_a_source_that_is_refused_gives_status_1():
    assert run("-", "-o", "in.o", input=BROKEN.encode()).returncode == 1


def test_what_clang_says_is_shown_as_clang_wrote_it(here):
    (here / "prog.bpf.c").write_text(BROKEN, encoding="utf-8")
    clang = shlex.split(run("prog.bpf.c", "-v").stderr.splitlines()[0].decode())
    said = subprocess.run(clang, capture_output=True, check=False).stderr
    assert said.rstrip() in run("prog.bpf.c").stderr


def test_what_was_there_stays_if_the_source_is_refused(here):
    (here / "prog.bpf.o").write_text("old", encoding="utf-8")
    (here / "prog.bpf.c").write_text(BROKEN, encoding="utf-8")
    run("prog.bpf.c")
    assert (sorted(os.listdir(here)), (here / "prog.bpf.o").read_text(encoding="utf-8")) == (
        ["prog.bpf.c", "prog.bpf.o"],
        "old",
    )


def test_a_source_that_is_not_there_gives_status_1_and_is_named():
    done = run("absent.c")
    assert (done.returncode, done.stderr.startswith(b"cannot compile 'absent.c': No such file")) == (1, True)


def test_without_a_clang_the_packages_are_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    done = run("prog.bpf.c")
    assert (done.returncode, b"apt-get install clang" in done.stderr) == (1, True)


def test_bad_btf_gives_status_1_and_is_named(here):
    (here / "bad").touch()
    done = run("--vmlinux-h", "-", "--btf", "bad")
    assert (done.returncode, b"cannot make vmlinux.h from" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--nonsense"],
        ["a.c", "b.c"],
        ["-"],
        ["-o", "out.o"],
        ["--vmlinux-h", "-", "--", "-Wall"],
        ["prog.bpf.c", "-o", "-", "--vmlinux-h", "-"],
    ],
)
def test_wrong_usage_gives_status_2(arguments):
    assert run(*arguments).returncode == 2


def test_help_is_no_error():
    done = run("--help")
    assert (done.returncode, b"--vmlinux-h" in done.stdout) == (0, True)


def test_a_name_with_nul_gives_status_1():
    from libbpf_cffi.compile import main

    assert main(["a\0b.c"]) == 1


@pytest.mark.parametrize("arguments", [("prog.bpf.c", "-o", "-"), ("--vmlinux-h", "-", "--btf", "types.o")])
def test_a_reader_that_has_had_enough_is_a_normal_end(arguments):
    compile_object("struct point { int x; } where;\n", output="types.o")
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "wb") as pipe:
        done = subprocess.run([*COMMAND, *arguments], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_has_had_enough_of_vmlinux_h_does_not_keep_out_the_object(here):
    compile_object("struct point { int x; } where;\n", output="types.o")
    reads, writes = os.pipe()
    os.close(reads)
    arguments = ("--vmlinux-h", "-", "--btf", "types.o", "prog.bpf.c")
    with open(writes, "wb") as pipe:
        done = subprocess.run([*COMMAND, *arguments], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (here / "prog.bpf.o").exists()


@pytest.mark.parametrize(
    ("output", "why"), [("&-", b"it is closed"), ("/dev/full", os.strerror(errno.ENOSPC).encode())]
)
def test_where_standard_output_cannot_be_written_it_says_so(output, why):
    command = shlex.join([*COMMAND, "prog.bpf.c", "-o", "-"])
    done = subprocess.run(["sh", "-c", f"exec {command} >{output}"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"cannot write to standard output: " + why + b"\n")


@pytest.mark.parametrize(("text", "status"), [(BROKEN, 1), (WARNS, 0)])
def test_without_a_standard_error_the_exit_status_tells(here, text, status):
    (here / "prog.bpf.c").write_text(text, encoding="utf-8")
    command = shlex.join([*COMMAND, "prog.bpf.c"])
    done = subprocess.run(["sh", "-c", f"exec {command} 2>&-"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (status, b"")


# How it is ended


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 128 + signal.SIGHUP)],
)
def test_a_signal_ends_it_and_clang_and_leaves_nothing(here, tmp_path, monkeypatch, number, status):
    clang, fifo = waiting_clang(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with subprocess.Popen([*COMMAND, "prog.bpf.c", "--clang", clang], stderr=subprocess.PIPE) as command:
        with open(fifo, encoding="utf-8") as told:
            process = int(told.read())
        command.send_signal(number)
        _, said = command.communicate(timeout=60)
    assert (command.returncode, said, ended(process)) == (status, b"", True)
    assert (os.listdir(here), os.listdir(temporary)) == (["prog.bpf.c"], [])


def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path):
    """As under nohup: it goes on until clang has ended."""
    clang, fifo = waiting_clang(tmp_path)
    shell = f"trap '' HUP; exec {shlex.join([*COMMAND, 'prog.bpf.c', '--clang', clang])}"
    with subprocess.Popen(["sh", "-c", shell], stderr=subprocess.PIPE) as command:
        with open(fifo, encoding="utf-8") as told:
            process = int(told.read())
        command.send_signal(signal.SIGHUP)
        os.kill(process, signal.SIGTERM)
        _, said = command.communicate(timeout=60)
    assert (command.returncode, b"cannot compile 'prog.bpf.c'" in said) == (1, True)
