"""``python -m libbpf_cffi.run`` as a process: what it shows and does, and what is left of it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib
from libbpf_cffi.tracepoints import tracepoint_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow_emulated

DEADLINE = 60.0
"""Seconds until what has not come will not come."""

PACKAGE = os.path.dirname(os.path.dirname(bpf.__file__))
STRICT = [sys.executable, "-bb", "-X", "dev", "-W", "error", "-m", "libbpf_cffi.run"]
LINE = re.compile(r"\s*\S.{0,15}-\d+ +(?:\( *[\d-]+\) )?\[\d{3}\] \S+ +\d+\.\d{6}: \w+: .*")
"""What trace_pipe prints, for messages of one line."""


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
    return {**kept, "PYTHONPATH": PACKAGE, "TERM": "xterm", **more}


class Command:
    """The command in another process, whose output can be waited for."""

    def __init__(
        self, *arguments: object, stdout: int = subprocess.PIPE, prefix: tuple[str, ...] = (), **env: str
    ) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [*prefix, *STRICT, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            env=environment(**env),
        )
        self.pid = self.process.pid
        self._readers = [
            threading.Thread(target=self._read, args=(file, lines))
            for file, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err))
            if file is not None
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, file, lines) -> None:
        with file:
            for line in file:
                with self._news:
                    lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def until(self, text: str, where: str = "err") -> str:
        """Wait for a line with this text in it."""
        lines = self.err if where == "err" else self.out

        def found() -> str | None:
            return next((line for line in lines if text in line), None)

        with self._news:
            ended = self._news.wait_for(lambda: found() or self.process.poll() is not None, DEADLINE)
        if not found():
            for reader in self._readers:
                reader.join(1 if ended else 0)
        assert found(), f"no {text!r} in std{where}: {self.out} {self.err} {self.process.poll()}"
        return found() or ""

    def ready(self) -> Command:
        """Wait until all is attached."""
        self.until(" until Ctrl-C")
        return self

    def end(self, number: int | None = None) -> int:
        """Send a signal if one is given, wait for the end, and give the status."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        self.check_clean()
        return status

    def check_clean(self) -> None:
        """Fail if Python has told of anything that a user should not see."""
        said = "\n".join(self.err)
        for word in ("Traceback", "Exception ignored", "Warning:", "fault of bpf-run"):
            assert word not in said, said

    @property
    def said(self) -> str:
        """All that it has written to stderr."""
        return "\n".join(self.err)

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join(DEADLINE)


@pytest.fixture
def start(tracefs: str) -> Iterator[Callable[..., Command]]:
    """Start the command; what still runs after the test is killed. No trace buffer of its own may be left."""
    commands: list[Command] = []
    folder = os.path.join(tracefs, "instances")

    def start_command(*arguments: object, **options) -> Command:
        commands.append(Command(*arguments, **options))
        return commands[-1]

    yield start_command
    for command in commands:
        command.kill()
    ours = {f"libbpf_cffi-{command.pid}-" for command in commands}
    left = [name for name in os.listdir(folder) if name.startswith(tuple(ours))] if ours else []
    assert not left


@pytest.fixture
def run(start: Callable[..., Command]) -> Callable[..., Command]:
    """Run the command to its end."""

    def run_command(*arguments: object, **options) -> Command:
        command = start(*arguments, **options)
        command.status = command.end()
        return command

    return run_command


@pytest.fixture
def execve(compiled) -> Path:
    return compiled("execve")


@pytest.fixture
def printing(compiled) -> Path:
    return compiled("printing")


def is_attached(link: int) -> bool:
    """Tell whether the kernel has a link of this id."""
    fd = lib.bpf_link_get_fd_by_id(link)
    if fd >= 0:
        os.close(fd)
    else:
        assert ffi.errno == errno.ENOENT
    return fd >= 0


def links_of(command: Command) -> list[int]:
    return [int(number) for number in re.findall(r"attached program .*: link (\d+),", command.said)]


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for what nobody tells of."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def detached(command: Command) -> bool:
    links = links_of(command)
    assert links
    wait_until(lambda: not any(map(is_attached, links)), f"links {links} are still there")
    return True


def messages(command: Command) -> list[str]:
    return [line.split(": ", 2)[2] for line in command.out]


OURS = f"getppid of {os.getpid()}"
"""What printing.bpf.c prints when this process calls getppid()."""


def print_as(name: str) -> None:
    """Call getppid() in a thread of this name."""

    def call() -> None:
        with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w", encoding="ascii") as file:
            file.write(name)
        os.getppid()
        # The kernel notes the name when the task leaves its CPU, if it gets the lock at once: a few chances more.
        for _ in range(5):
            time.sleep(0.001)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


# What it shows


def test_lines_of_programs_started_meanwhile_are_shown(start, execve):
    command = start(execve, "-i").ready()
    subprocess.run(["true"], check=True)
    line = command.until("execve: ", "out")
    assert LINE.fullmatch(line)
    assert command.end(signal.SIGINT) == 0


def test_the_example_names_the_file_that_is_executed(run, execve):
    command = run(execve, "-i", "--", "sh", "-c", "/usr/bin/env true; /no/such/file; exit 0")
    assert command.status == 0
    for file in ("/usr/bin/env", "/no/such/file"):
        assert any(line.endswith(f" execve: {file}") for line in command.out), command.out


def test_the_shared_trace_is_shown_by_default(start, printing, tracefs):
    command = start(printing)
    command.until(f"tracing ({tracefs}/trace_pipe) until Ctrl-C")
    os.getppid()
    command.until(OURS, "out")
    assert command.end(signal.SIGINT) == 0


def test_the_facts_of_each_step_are_told(run, execve):
    command = run(execve, "-i", "-d", "0")
    said = command.said
    assert f"object {execve}: 1 program, " in said
    assert re.search(
        r"program execve: type tracepoint, instructions \d+, licence GPL, "
        r"section tracepoint/syscalls/sys_enter_execve",
        said,
    )
    assert re.search(r"loaded program execve: fd \d+, id \d+, tag [0-9a-f]{16}", said)
    number = tracepoint_id("syscalls", "sys_enter_execve")
    assert re.search(
        rf"attached program execve: link \d+, to tracepoint syscalls/sys_enter_execve \(id {number}\)", said
    )
    assert command.status == 0


def test_nothing_but_the_trace_goes_to_stdout(run, execve):
    command = run(execve, "-i", "--", "sh", "-c", "ls / >/dev/null; true | true")
    assert command.out
    assert [line for line in command.out if not LINE.fullmatch(line)] == []


def test_a_source_is_compiled_first(run, tmp_path):
    source = tmp_path / "mine.bpf.c"
    source.write_text(
        '#include <bpf/bpf_helpers.h>\nSEC("raw_tp/sys_enter") int mine(void *ctx) { return 0; }\n',
        encoding="ascii",
    )
    source.write_text("#include <vmlinux.h>\n" + source.read_text(encoding="ascii"), encoding="ascii")
    command = run(source, "-i", "-d", "0")
    assert command.status == 0
    assert f"compiling {source}" in command.said
    assert "attached program mine: " in command.said


def test_macros_and_headers_are_passed_to_the_compiler(run, tmp_path):
    (tmp_path / "headers").mkdir()
    (tmp_path / "headers" / "names.h").write_text("#define NAME from_header\n", encoding="ascii")
    source = tmp_path / "p.c"
    source.write_text(
        "#include <names.h>\n__attribute__((section(WHERE), used)) int NAME(void *ctx) { return VALUE; }\n",
        encoding="ascii",
    )
    command = run(
        source,
        "-L",
        "-I",
        tmp_path / "headers",
        "-D",
        'WHERE="raw_tp/sys_enter"',
        "-D",
        "VALUE=0",
        "-D",
        "UNUSED",
    )
    assert "loaded program from_header: " in command.said
    assert command.status == 0


def test_what_the_compiler_says_of_an_error_is_shown_as_it_is(run, tmp_path):
    source = tmp_path / "bad.bpf.c"
    source.write_text("int f(void)\n{\n\treturn undefined;\n}\n", encoding="ascii")
    command = run(source)
    assert command.status == 1
    assert any(line.startswith(f"{source}:3:9: error: ") for line in command.err)
    assert f"error: cannot compile '{source}'" in command.said


def test_what_the_compiler_warns_of_is_shown_and_no_hindrance(run, tmp_path):
    source = tmp_path / "odd.bpf.c"
    source.write_text(
        '__attribute__((section("raw_tp/sys_enter"), used)) int f(void *ctx) { int unused; return 0; }\n',
        encoding="ascii",
    )
    command = run(source, "-L")
    assert command.status == 0
    assert "unused variable 'unused'" in command.said


def test_a_source_without_a_folder_is_compiled(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("p.c", "w", encoding="ascii") as file:
        file.write('__attribute__((section("raw_tp/sys_enter"), used)) int f(void *ctx) { return 0; }\n')
    assert run("p.c", "-L").status == 0


def test_an_object_without_btf_runs(run, tmp_path):
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    source = os.path.join(os.path.dirname(tests), "examples", "execve.bpf.c")
    from libbpf_cffi import compile_object

    output = tmp_path / "plain.o"
    compile_object(source, output=output, flags=["-g0"])
    assert b".BTF" not in output.read_bytes()
    command = run(output, "-i", "--", "true")
    assert command.status == 0
    assert any("execve: " in line for line in command.out)


def test_quiet_tells_nothing_on_stderr(run, execve):
    command = run("-q", execve, "-i", "--", "true")
    assert (command.status, command.said) == (0, "")
    assert command.out


def test_quiet_still_tells_of_what_is_not_attached(run, printing):
    command = run("-q", printing, "-i", "-d", "0")
    assert [line.split(": ")[1] for line in command.err] == ["warning"]


def test_verbose_shows_libbpfs_debug_log(run, execve):
    command = run("-v", execve, "-L")
    assert command.status == 0
    assert any(
        line.startswith("libbpf: ") and "sec 'tracepoint/syscalls/sys_enter_execve'" in line
        for line in command.err
    )


def test_a_terminal_gets_tables_and_colours(execve, tracefs):
    text = on_terminal(execve)
    assert re.search(
        r"^\x1b\[2m  PROGRAM +TYPE +INSTRUCTIONS +LICENCE +SECTION\x1b\[0m\r$", text, re.MULTILINE
    )
    assert re.search(
        r"^  execve +tracepoint +\d+  GPL +tracepoint/syscalls/sys_enter_execve\r$", text, re.MULTILINE
    )
    assert re.search(r"\x1b\[2m.*bpf_trace_printk: \x1b\[0mexecve: ", text)
    assert "bpf-run: program" not in text


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_whose_user_wants_no_colours_gets_none(execve, tracefs, setting):
    text = on_terminal(execve, **setting)
    assert "  PROGRAM" in text
    assert "\x1b" not in text


def test_a_task_name_with_escapes_does_not_reach_the_terminal(execve, tracefs):
    evil = "ctypes.CDLL(None).prctl(15, b'\\x1b]0;evil\\x07')"
    # The kernel notes a task's name when it waits, after it has printed; programs that are not there leave it as it is.
    fails = "\ntry: os.execv('/no/such', ['x'])\nexcept OSError: pass\n"
    evil = f"import ctypes, os; {evil}{fails}os.waitpid(os.fork() or os._exit(0), 0){fails}"
    text = on_terminal(execve, command=(sys.executable, "-c", evil), NO_COLOR="1")
    assert "\\x1b]0;evil\\x07-" in text
    assert "\x1b" not in text


def test_a_message_with_escapes_does_not_reach_the_terminal(execve, tracefs):
    evil = r"import os; os.execv('/\x1b]0;evil\x07', ['evil'])"
    text = on_terminal(execve, command=(sys.executable, "-c", evil), NO_COLOR="1")
    assert "execve: /\\x1b]0;evil\\x07" in text
    assert "\x1b" not in text


def on_terminal(
    *objects: object, command: tuple[str, ...] = ("sh", "-c", "true | true; ls / >&2"), **env: str
) -> str:
    """Run the command on a terminal of its own, and give all that it shows there."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*STRICT, *map(str, objects), "-i", "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env=environment(**env),
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        shown += part
    os.close(leader)
    assert process.wait(DEADLINE) == 0
    return shown.decode()


def test_json_has_a_line_s_parts_by_name(start, printing):
    command = start("--json", printing, "-i").ready()
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    # The kernel learns the process of a thread when it switches to or from the thread: of the first line it
    # may not know it.
    wait_until(
        lambda: os.getppid() and any(f'"tgid": {os.getpid()}' in line for line in command.out), "no tgid"
    )
    record = json.loads(next(line for line in command.out if f'"tgid": {os.getpid()}' in line))
    assert command.end(signal.SIGINT) == 0
    assert list(record) == ["task", "pid", "tgid", "cpu", "flags", "timestamp", "event", "message"]
    assert record["pid"] == threading.get_native_id()
    assert record["tgid"] == os.getpid()
    assert record["event"] == "bpf_trace_printk"
    assert record["message"] == OURS
    assert abs(record["timestamp"] - before) < DEADLINE
    assert command.out == [line for line in command.out if isinstance(json.loads(line), dict)]


def test_the_trace_can_be_written_to_a_file(run, execve, tmp_path):
    output = tmp_path / "trace"
    output.write_text("old", encoding="ascii")
    command = run(execve, "-i", "-o", output, "--", "echo", "from the command")
    assert command.out == ["from the command"]
    lines = output.read_text(encoding="ascii").splitlines()
    assert lines
    assert all(map(LINE.fullmatch, lines))


def test_an_output_that_cannot_be_opened_is_an_error(run, execve, tmp_path):
    command = run(execve, "-i", "-o", tmp_path)
    assert command.status == 1
    assert f"{tmp_path}: Is a directory" in command.said


# What is loaded


def test_only_chosen_programs_are_loaded(run, printing):
    command = run("-P", "on_getsid", printing, "-i", "-d", "0")
    assert command.status == 0
    assert re.findall(r"loaded program (\w+)", command.said) == ["on_getsid"]
    assert re.findall(r"attached program (\w+)", command.said) == ["on_getsid"]


def test_programs_are_chosen_by_patterns(run, printing):
    command = run("-P", "*sid", "-P", "*ppid", printing, "-i", "-d", "0")
    assert re.findall(r"loaded program (\w+)", command.said) == ["on_getppid", "on_getsid"]


def test_a_program_that_is_left_out_by_default_is_told_of(run, printing):
    command = run(printing, "-L")
    assert re.search(r"program on_getpgid: .*, loaded no$", command.said, re.MULTILINE)
    assert "loaded program on_getpgid" not in command.said


def test_a_program_that_is_left_out_by_default_can_be_chosen(start, printing):
    command = start("-P", "on_getpgid", printing, "-i").ready()
    os.getpgid(0)
    command.until("getpgid", "out")
    assert command.end(signal.SIGINT) == 0


def test_a_program_that_no_object_has_is_a_usage_error(run, printing):
    command = run("-P", "nothing", printing)
    assert command.status == 2
    assert (
        "there is no program 'nothing'; there are on_getppid, on_getsid, on_getpgid, on_packet"
        in command.said
    )


def test_the_size_of_a_map_is_set(run, printing):
    command = run("-m", "callers=1000", printing, "-L")
    assert "map callers: type hash, key 4, value 8, entries 1000" in command.said
    assert command.status == 0


def test_a_map_that_no_object_has_is_a_usage_error(run, printing):
    command = run("-m", "nothing=3", printing)
    assert command.status == 2
    assert "there is no map 'nothing'; there are callers" in command.said


def test_load_only_loads_and_attaches_nothing(run, printing):
    command = run("-L", printing)
    assert command.status == 0
    assert "loaded program on_getppid: " in command.said
    assert "created map callers: " in command.said
    assert "attached" not in command.said
    assert command.out == []


def test_several_objects_are_loaded_and_attached_together(start, printing, execve):
    command = start(printing, execve, "-i").ready()
    os.getppid()
    subprocess.run(["true"], check=True)
    command.until(OURS, "out")
    command.until("execve: ", "out")
    assert command.end(signal.SIGINT) == 0
    assert detached(command)


def test_an_object_that_is_named_twice_is_a_usage_error(run, printing):
    assert run(printing, printing).status == 2


# What is attached


def test_what_cannot_be_attached_is_told_of_and_no_hindrance(start, printing):
    command = start(printing, "-i").ready()
    line = command.until("on_packet is loaded but not attached")
    assert "warning: " in line
    assert "section 'xdp'" in line
    assert "it needs a network device" in line
    assert command.end(signal.SIGINT) == 0


def test_nothing_attached_at_all_is_an_error(run, printing):
    command = run("-P", "on_packet", printing, "-i")
    assert command.status == 1
    assert "error: nothing is attached" in command.said
    assert "it needs a network device" in command.said


@pytest.mark.needs("btf")
def test_a_function_without_a_section_is_named(run, tmp_path):
    path = tmp_path / "alone.bpf.o"
    bpf.compile_object("int alone(void *context) { return 0; }\n", output=path)
    command = run(path, "-i")
    assert command.status == 1
    assert "warning: function alone is no program, for it has no SEC()" in command.said


def test_no_trace_attaches_and_leaves_the_trace_alone(start, printing):
    command = start("--no-trace", printing)
    command.until("attached until Ctrl-C")
    with bpf.TracePipe() as pipe:
        os.getppid()
        assert any(line.message == OURS for line in pipe.records(timeout=DEADLINE))
    assert command.end(signal.SIGINT) == 0
    assert command.out == []
    assert detached(command)


def test_programs_that_print_nothing_are_told_of(run, compiled):
    assert "none of these programs calls bpf_printk()" in run(compiled("kinds"), "-i", "-d", "0").said


def test_programs_that_print_are_not_told_of(run, printing):
    assert "bpf_printk" not in run(printing, "-i", "-d", "0").said


def test_what_each_kind_of_program_is_attached_to_is_told(run, compiled):
    said = run(compiled("kinds"), "-i", "-d", "0").said
    for name, where in (
        ("of_tracepoint", r"tracepoint syscalls/sys_enter_getppid \(id \d+\)"),
        ("of_raw_tracepoint", "raw tracepoint sys_enter"),
        ("of_uprobe", r"user function /.*libc.*\+0x[0-9a-f]+"),
        ("of_uretprobe", r"return of user function /.*libc.*\+0x[0-9a-f]+"),
        ("of_iterator", "iterator over task"),
    ):
        assert re.search(rf"attached program {name}: link \d+, to {where}$", said, re.MULTILINE), said


# When it ends


def test_it_ends_after_the_duration(run, printing):
    began = time.monotonic()
    command = run("-d", "300ms", printing, "-i")
    assert command.status == 0
    assert time.monotonic() - began >= 0.3
    assert "until Ctrl-C or 0.3 s have passed" in command.said
    assert detached(command)


def test_it_ends_after_the_duration_under_a_flood(start, compiled):
    command = start("-q", "-d", "200ms", compiled("flood"), "-i", "-o", os.devnull)
    while command.process.poll() is None:
        os.getppid()
    assert command.end() == 0


def test_it_ends_after_as_many_lines_as_are_wanted(start, printing):
    command = start("--lines", "3", printing, "-i").ready()
    for _ in range(10):
        os.getppid()
    assert command.end() == 0
    assert len(command.out) == 3


def test_lines_are_counted_as_json_too(start, printing):
    command = start("-n", "2", "-j", printing, "-i").ready()
    for _ in range(10):
        os.getppid()
    assert command.end() == 0
    assert len([json.loads(line) for line in command.out]) == 2


def test_lines_that_came_before_the_duration_was_over_are_shown(run, compiled, tmp_path):
    script = f"import os; os.getppid(); open({str(tmp_path / 'done')!r}, 'w').close()"
    command = run(compiled("printing"), "-i", "--", sys.executable, "-c", script)
    assert any(re.fullmatch(r"getppid of \d+", message) for message in messages(command))


# What starts and ends with it


@pytest.mark.unsanitized("LeakSanitizer calls getppid() itself where a process ends")
def test_only_lines_of_the_command_s_processes_are_shown(start, run, printing):
    stop = threading.Event()
    noise = threading.Thread(target=lambda: [os.getppid() for _ in iter(stop.is_set, True)])
    noise.start()
    try:
        script = (
            "import os\n"
            "print(os.getpid(), flush=True); os.getppid()\n"
            "if os.fork() == 0: os.getppid(); print(os.getpid())\n"
            "else: os.wait()\n"
        )
        command = run(printing, "-i", "-j", "-o", "/proc/self/fd/2", "-q", "--", sys.executable, "-c", script)
    finally:
        stop.set()
        noise.join()
    pids = set(map(int, command.out))
    traced = {json.loads(line)["pid"] for line in command.err if line.startswith("{")}
    assert len(pids) == 2
    assert pids == traced


def test_it_ends_with_the_command_and_tells_its_status(run, execve):
    command = run(execve, "-i", "--", "sh", "-c", "exit 3")
    assert command.status == 0
    assert "sh ended with status 3" in command.said


def test_a_command_that_dies_of_a_signal_is_told_of(run, execve):
    assert "sh was ended by signal 9" in run(execve, "--", "sh", "-c", "kill -9 $$").said


def test_the_command_s_own_execve_is_shown_once(run, tmp_path):
    """With a text of its own: others may be tracing execve() with the example just now."""
    mark = f"own {os.getpid()}"
    source = tmp_path / "own.bpf.c"
    source.write_text(
        "#include <vmlinux.h>\n#include <bpf/bpf_helpers.h>\n"
        'SEC("tracepoint/syscalls/sys_enter_execve") int own(void *ctx) { bpf_printk(MARK); return 0; }\n'
        'char LICENSE[] SEC("license") = "GPL";\n',
        encoding="ascii",
    )
    command = run(source, "-q", "-D", f'MARK="{mark}"', "--", "true")
    assert messages(command).count(mark) == 1


def test_a_command_that_does_not_exist_is_an_error_before_anything_is_loaded(run, execve):
    command = run(execve, "--", "no-such-command")
    assert command.status == 1
    assert command.err == ["bpf-run: error: cannot run 'no-such-command': No such file or directory"]


def test_a_command_that_cannot_be_run_is_an_error(run, execve, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("no program", encoding="ascii")
    broken.chmod(0o755)
    command = run(execve, "--", broken)
    assert command.status == 1
    assert f"cannot run '{broken}': Exec format error" in command.said


def test_the_command_is_asked_to_end_if_the_trace_ends_first(start, execve, tmp_path):
    script = f"trap 'echo asked >{tmp_path}/asked; exit' TERM; while :; do sleep 0.01; done"
    # The first line is of sh itself, the second of a sleep: by then the trap is set.
    command = start(execve, "-n", "2", "--", "sh", "-c", script)
    assert command.end() == 0
    wait_until((tmp_path / "asked").exists, "the command was not asked to end")


def test_the_command_gets_the_signals_that_python_ignores(run, execve):
    command = run(execve, "-q", "--", "sh", "-c", "grep SigIgn /proc/self/status")
    ignored = int(next(line for line in command.out if line.startswith("SigIgn")).split()[1], 16)
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


def test_the_command_has_no_descriptor_of_ours(run, execve):
    command = run(execve, "-q", "-o", os.devnull, "--", "ls", "-l", "/proc/self/fd")
    assert {line.split()[-3] for line in command.out if "->" in line} == {"0", "1", "2", "3"}  # 3 is ls's own


def test_only_lines_of_a_process_its_threads_and_children_are_shown(start, printing):
    script = (
        "import os, sys, threading\n"
        "early = threading.Thread(target=lambda: (gate.wait(), os.getppid()))\n"
        "gate = threading.Event()\n"
        "early.start()\n"
        "print('up', flush=True)\n"
        "sys.stdin.readline()\n"
        "os.getppid(); gate.set(); early.join()\n"
        "late = threading.Thread(target=os.getppid); late.start(); late.join()\n"
        "if os.fork() == 0: os.getppid(); os._exit(0)\n"
        "os.wait(); print('done', flush=True); sys.stdin.readline()\n"
    )
    watched = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert watched.stdout.readline() == "up\n"
        command = start("-j", "--pid", watched.pid, printing).ready()
        os.getppid()
        watched.stdin.write("\n")
        assert watched.stdout.readline() == "done\n"
        os.getppid()
        assert command.end(signal.SIGINT) == 0
    finally:
        watched.communicate("\n")
    records = [json.loads(line) for line in command.out]
    assert [record["message"] for record in records][:3] == [f"getppid of {watched.pid}"] * 3
    assert len({record["pid"] for record in records}) == 4  # main, early and late thread, and the child
    # What the kernel has kept last under a number, which may have been another process's: nothing is certain of it.
    assert all("tgid" in record for record in records)


def test_a_process_that_does_not_exist_is_an_error(run, printing):
    command = run("--pid", "4194305", printing)
    assert command.status == 1
    assert command.err == ["bpf-run: error: there is no process 4194305"]


def test_only_lines_of_tasks_with_a_name_are_shown(start, printing):
    command = start("-t", "wanted*", "-t", "other", "-n", "2", printing, "-i").ready()
    for name in ("unwanted", "wanted-1", "another", "other"):
        print_as(name)
    assert command.end() == 0
    assert [line[:16].strip() for line in command.out] == ["wanted-1", "other"]


# The trace buffer


def test_two_commands_trace_at_once_with_instances(start, printing):
    first, second = start(printing, "-i").ready(), start(printing, "-i").ready()
    os.getppid()
    first.until(OURS, "out")
    second.until(OURS, "out")
    assert (first.end(signal.SIGINT), second.end(signal.SIGTERM)) == (0, -signal.SIGTERM)


@pytest.mark.parametrize("options", [["-r"], ["-r", "--json"], ["-r", "-t", "*"]])
def test_a_trace_is_shown_raw(start, printing, options):
    command = start(printing, *options).ready()
    os.getppid()
    command.until(OURS, "out")
    assert command.end(signal.SIGINT) == 0


def test_a_trace_that_somebody_else_reads_is_an_error_that_says_who_and_what_to_do(run, printing, tracefs):
    with bpf.TracePipe():
        command = run(printing)
    assert command.status == 1
    assert "Device or resource busy" in command.said
    assert str(os.getpid()) in command.said
    assert "--instance" in command.said
    assert "attached" not in command.said


def test_what_earlier_runs_left_is_not_shown(start, printing, tracefs):
    leave(tracefs, "left by an earlier run")
    command = start(printing).ready()
    os.getppid()
    command.until(OURS, "out")
    assert command.end(signal.SIGINT) == 0
    assert not [line for line in command.out if "left by an earlier run" in line]


def test_what_earlier_runs_left_is_shown_if_it_is_asked_for(start, printing, tracefs):
    leave(tracefs, "left by an earlier run")
    command = start("--backlog", printing)
    command.until("left by an earlier run", "out")
    assert command.end(signal.SIGINT) == 0


def leave(tracefs: str, text: str) -> None:
    with open(f"{tracefs}/trace_marker", "w", encoding="ascii") as file:
        file.write(text)


def test_lost_lines_are_counted_and_reported(start, compiled):
    command = start(compiled("flood"), "-i", "-o", os.devnull).ready()
    command.process.send_signal(signal.SIGSTOP)
    for _ in range(200):
        os.getppid()
    command.process.send_signal(signal.SIGCONT)
    command.until("the kernel has had to drop some")
    assert command.end(signal.SIGINT) == 0
    assert re.search(
        r"warning: \d{4,} lines were lost before they could be read \(CPU \d+: \d+", command.said
    )


def test_a_trace_that_is_switched_off_is_told_of(start, printing, tracefs):
    switch = f"{tracefs}/tracing_on"
    with open(switch, "w", encoding="ascii") as file:
        file.write("0")
    try:
        command = start(printing)
        command.until("the trace may stay empty: tracing is off")
        assert command.end(signal.SIGINT) == 0
    finally:
        with open(switch, "w", encoding="ascii") as file:
            file.write("1")


def test_lines_in_the_buffer_at_the_end_are_shown_even_if_few_are_wanted(run, compiled):
    """The command prints some thousands of lines, of which the last is of the task that is wanted."""
    script = (
        "import os, threading\n"
        "for _ in range(5): os.getppid()\n"
        "def wanted():\n"
        "    open(f'/proc/self/task/{threading.get_native_id()}/comm', 'w').write('wanted')\n"
        "    os.getppid()\n"
        "thread = threading.Thread(target=wanted); thread.start(); thread.join()\n"
    )
    command = run(compiled("flood"), "-q", "-t", "wanted", "--", sys.executable, "-c", script)
    assert command.status == 0
    assert len(command.out) == 1000


# Pins


def pinned(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_programs_maps_and_links_are_pinned_and_stay_attached(run, printing, pins):
    folder = pins / "deep" / "tool"
    command = run("--pin", folder, printing, "--no-trace", "-d", "0")
    assert command.status == 0
    found = pinned(folder)
    assert [path for path in found if not path.startswith("maps/printing_rodata")] == [
        "links/on_getppid",
        "links/on_getsid",
        "maps/callers",
        "programs/on_getppid",
        "programs/on_getsid",
        "programs/on_packet",
    ]
    links = links_of(command)
    assert len(links) == 2
    assert all(map(is_attached, links))
    assert "left attached, by its pins" in command.said
    subprocess.run(["rm", "-r", str(folder)], check=True)
    assert detached(command)


def test_load_only_pins_programs_and_maps(run, printing, pins):
    assert run("--pin", pins / "tool", "-L", printing).status == 0
    assert {path.split("/")[0] for path in pinned(pins / "tool")} == {"programs", "maps"}


def test_what_is_pinned_is_left_by_ctrl_c(start, printing, pins):
    command = start("--pin", pins / "tool", printing, "-i").ready()
    assert command.end(signal.SIGINT) == 0
    assert "links/on_getsid" in pinned(pins / "tool")


def test_several_objects_are_pinned_in_folders_of_their_names(run, printing, execve, pins):
    assert run("--pin", pins / "tool", "-L", printing, execve).status == 0
    assert sorted(os.listdir(pins / "tool")) == ["execve", "printing"]


def test_no_pin_is_left_by_a_failure_halfway(run, compiled, pins):
    command = run("--pin", pins / "made" / "tool", compiled("half_attachable"), "-i")
    assert command.status == 1
    assert "no_such_category/no_such_event" in command.said
    assert os.listdir(pins) == []


def test_a_folder_that_was_there_before_is_left_by_a_failure_halfway(run, compiled, pins):
    (pins / "mine").mkdir()
    assert run("--pin", pins / "mine", compiled("half_attachable"), "-i").status == 1
    assert os.listdir(pins) == ["mine"]
    assert os.listdir(pins / "mine") == []


def test_a_pin_that_was_there_before_is_refused_and_left(run, printing, pins):
    assert run("--pin", pins / "tool", "-L", "-P", "on_getsid", printing).status == 0
    before = pinned(pins / "tool")
    command = run("--pin", pins / "tool", "-L", "-P", "on_get?id", "-P", "on_getppid", printing)
    assert command.status == 1
    assert f"{pins}/tool/programs/on_getsid: something is pinned there already" in command.said
    assert pinned(pins / "tool") == before


def test_a_folder_outside_a_bpf_file_system_is_refused_before_the_load(run, printing, tmp_path):
    command = run("--pin", tmp_path / "x", printing)
    assert command.status == 1
    assert "pins live in a BPF file system" in command.said
    assert "loaded program" not in command.said
    assert os.listdir(tmp_path) == []


def test_a_map_pinned_by_its_name_stays_after_a_normal_end(run, compiled, bpffs):
    path = f"{bpffs}/libbpf_cffi_pinned"
    try:
        assert run("-P", "counts", compiled("pinned_map"), "-i", "-d", "0").status == 0
        assert os.path.exists(path)
    finally:
        os.unlink(path)


def test_a_map_pinned_by_its_name_is_not_left_by_a_failure_halfway(run, compiled, bpffs):
    command = run(compiled("pinned_map"), "-i")
    assert command.status == 1
    assert not os.path.exists(f"{bpffs}/libbpf_cffi_pinned")


def test_a_map_pinned_by_its_name_before_is_left_by_a_failure_halfway(run, compiled, bpffs):
    path = f"{bpffs}/libbpf_cffi_pinned"
    assert run("-P", "counts", compiled("pinned_map"), "-L").status == 0
    try:
        assert run(compiled("pinned_map"), "-i").status == 1
        assert os.path.exists(path)
    finally:
        os.unlink(path)


# Mounts


@contextmanager
def without(*points: str) -> Iterator[tuple[str, ...]]:
    """Give a prefix that runs a command with mounts of its own, in which some are missing."""
    script = "".join(f"while umount -l {point} 2>/dev/null; do :; done; " for point in points)
    yield ("unshare", "--mount", "--propagation", "private", "sh", "-c", f'{script}exec "$@"', "sh")


def test_tracefs_is_mounted_if_it_is_missing(run, printing):
    with without("/sys/kernel/tracing", "/sys/kernel/debug") as prefix:
        command = run(printing, "-i", "-d", "0", prefix=prefix)
    assert command.status == 0
    assert "mounted tracefs at /sys/kernel/tracing" in command.said
    assert "attached program on_getsid: " in command.said


def test_tracefs_is_not_mounted_if_that_is_forbidden(run, printing):
    with without("/sys/kernel/tracing", "/sys/kernel/debug") as prefix:
        command = run(printing, "--no-mount", prefix=prefix)
    assert command.status == 1
    assert "mount -t tracefs tracefs /sys/kernel/tracing" in command.said
    assert "mounted tracefs" not in command.said
    assert "attached" not in command.said


def test_tracefs_is_mounted_for_attaching_without_a_trace(run, printing):
    with without("/sys/kernel/tracing", "/sys/kernel/debug") as prefix:
        assert run(printing, "-N", "-d", "0", prefix=prefix).status == 0


def test_tracefs_is_said_to_stay_mounted(run, printing):
    with without("/sys/kernel/tracing", "/sys/kernel/debug") as prefix:
        command = run(printing, "-i", "-d", "0", prefix=prefix)
    assert "mounted tracefs at /sys/kernel/tracing, where it stays" in command.said


def test_tracefs_is_not_mounted_where_nothing_needs_it(run, compiled):
    with without("/sys/kernel/tracing", "/sys/kernel/debug") as prefix:
        options = ("-P", "xdp_count", "--ifindex", "lo:skb", "--map", ".bss", "-d", "0")
        command = run(compiled("attach_net"), *options, prefix=("unshare", "--net", *prefix))
    assert command.status == 0
    assert "mounted" not in command.said


def test_a_bpf_file_system_is_mounted_for_pins_if_it_is_missing(run, printing):
    with without("/sys/fs/bpf") as prefix:
        command = run(printing, "-L", "--pin", "/sys/fs/bpf/tool", prefix=prefix)
    assert command.status == 0
    assert "mounted a BPF file system at /sys/fs/bpf" in command.said


def test_a_bpf_file_system_is_mounted_for_maps_pinned_by_name(run, compiled):
    with without("/sys/fs/bpf") as prefix:
        assert run(compiled("pinned_map"), "-L", prefix=prefix).status == 0


def test_a_bpf_file_system_that_is_elsewhere_does_not_do_for_pins_below_the_usual_place(run, printing, tmp_path):
    with without("/sys/fs/bpf") as (*mounts, script, name):
        elsewhere = f"mount -t bpf bpf {tmp_path}; {script}"
        command = run(printing, "-L", "--pin", "/sys/fs/bpf/tool", prefix=(*mounts, elsewhere, name))
    assert command.status == 0
    assert "mounted a BPF file system at /sys/fs/bpf" in command.said


def test_a_bpf_file_system_is_not_mounted_if_that_is_forbidden(run, printing):
    with without("/sys/fs/bpf") as prefix:
        command = run(printing, "-L", "--pin", "/sys/fs/bpf/tool", "--no-mount", prefix=prefix)
    assert command.status == 1
    assert "mount -t bpf bpf /sys/fs/bpf" in command.said


# Failures


def test_a_program_that_the_verifier_refuses_is_told_of_with_the_last_lines_of_its_log(run, compiled):
    command = run(compiled("refused"))
    assert command.status == 1
    assert "the verifier refused program 'wild_read'" in command.said
    assert command.said.count("invalid mem access 'scalar'") == 1
    assert "hint: that is a number for the verifier" in command.said
    assert "attached" not in command.said


def test_a_long_log_is_cut_and_says_how_to_see_it_whole(run, compiled):
    command = run(compiled("long_log"))
    assert command.status == 1
    assert re.search(r"hint: \d+ lines before these: --verifier-log shows all", command.said)
    assert len(command.err) < 40


def test_the_whole_log_of_a_refusal_is_shown_if_asked_for(run, compiled):
    command = run("--verifier-log", compiled("long_log"))
    assert command.status == 1
    assert len(command.err) > 1000
    assert "--verifier-log shows all" not in command.said


def test_the_log_of_an_accepted_program_is_shown_if_asked_for(run, execve):
    command = run("-L", "-q", "--log-level", "2", execve)
    assert command.status == 0
    assert command.err[0] == "verifier's log of program execve:"
    assert "processed " in command.said
    assert "call bpf_trace_printk#6" in command.said


@pytest.mark.parametrize("what", ["missing", "folder", "text", "empty", "fifo", "cut"])
def test_what_is_no_object_is_an_error_that_names_it(run, execve, tmp_path, what):
    path = tmp_path / "thing.o"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what != "missing":
        path.write_bytes({"text": b"no object", "empty": b"", "cut": execve.read_bytes()[:700]}[what])
    command = run(path)
    assert command.status == 1
    assert f"error: cannot open object '{path}'" in command.said


def test_a_source_that_does_not_exist_is_an_error_that_names_it(run, tmp_path):
    command = run(tmp_path / "none.bpf.c")
    assert command.status == 1
    assert f"{tmp_path}/none.bpf.c" in command.err[-1] or f"{tmp_path}/none.bpf.c" in command.err[-2]


def test_an_object_that_is_not_there_beside_its_source_is_told_that_the_source_will_do(run, tmp_path):
    source = tmp_path / "mine.bpf.c"
    source.touch()
    command = run(tmp_path / "mine.bpf.o")
    assert command.status == 1
    assert f"hint: '{source}' is there: bpf-run takes a source, too, and compiles it first" in command.said


def test_an_error_in_the_second_object_leaves_nothing_of_the_first(run, printing, compiled):
    command = run(printing, compiled("refused"), "-i")
    assert command.status == 1
    assert "attached" not in command.said


def test_an_error_while_attaching_the_second_object_detaches_the_first(run, printing, compiled):
    command = run(printing, compiled("half_attachable"), "-i")
    assert command.status == 1
    assert "this kernel has no tracepoint 'no_such_category/no_such_event'" in command.said
    assert "until Ctrl-C" not in command.said


def test_without_privileges_the_missing_capabilities_are_named(run, printing):
    command = run(printing, prefix=("setpriv", "--bounding-set=-all", "--inh-caps=-all"))
    assert command.status == 1
    assert re.search(r"lacks CAP_BPF, CAP_PERFMON", command.said)


UNPRIVILEGED = """
import argparse, ctypes, difflib, encodings.ascii, importlib, json, os, pkgutil, re, resource, select, sys
import libbpf_cffi, libbpf_cffi.run
# Nobody may not be able to read Python's own files: all that may be needed is imported first.
for module in pkgutil.iter_modules(libbpf_cffi.__path__, "libbpf_cffi."):
    importlib.import_module(module.name)
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_KEEPCAPS, VERSION_3 = 8, 0x20080522
assert libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
high = 1 << 39 - 32 | 1 << 38 - 32  # CAP_BPF and CAP_PERFMON
header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
data = (ctypes.c_uint32 * 6)(0, 0, 0, high, high, 0)
assert libc.capset(header, data) == 0
sys.exit(libbpf_cffi.run.main(sys.argv[1:]))
"""


def test_without_the_right_to_read_tracefs_the_missing_capability_is_named(execve, tracefs):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        path = shutil.copy(execve, folder)
        os.chmod(path, 0o644)
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, path],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "loaded program execve" in done.stderr
    assert "CAP_DAC_READ_SEARCH" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_an_error(start, printing):
    with open("/dev/full", "wb") as full:
        command = start(printing, "-i", stdout=full.fileno()).ready()
    os.getppid()
    assert command.end() == 1
    assert "cannot write to stdout: No space left on device" in command.said
    assert detached(command)


# Readers that are gone or asleep


def test_a_reader_that_is_gone_after_a_line_is_a_normal_end(start, printing):
    read, write = os.pipe()
    command = start("-t", "single", printing, "-i", stdout=write).ready()
    os.close(write)
    for _ in range(100):
        # The kernel now and then forgets a task's name, and then shows "<...>".
        print_as("single")
        if select.select([read], [], [], 0.2)[0]:
            break
    assert OURS in os.read(read, 4096).decode()
    os.close(read)
    # No more lines are needed for the command to notice.
    assert command.end() == 0
    assert detached(command)


def test_a_reader_that_is_gone_under_a_flood_is_a_normal_end(start, compiled):
    read, write = os.pipe()
    command = start(compiled("flood"), "-i", stdout=write).ready()
    os.close(write)
    os.getppid()
    os.read(read, 1)
    os.close(read)
    while command.process.poll() is None:
        os.getppid()
    assert command.end() == 0


def test_stderr_without_a_reader_is_no_hindrance(printing, tracefs):
    read, write = os.pipe()
    process = subprocess.Popen(
        [*STRICT, str(printing), "-i", "-n", "1"],
        stdout=subprocess.PIPE,
        stderr=write,
        env=environment(),
        text=True,
    )
    os.close(write)
    os.close(read)
    poller = threading.Thread(target=lambda: [os.getppid() for _ in iter(process.poll, 0)])
    poller.start()
    out, _ = process.communicate(timeout=DEADLINE)
    poller.join()
    assert process.returncode == 0
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_nobody_reads_its_output(start, compiled, number):
    read, write = os.pipe()
    command = start(compiled("flood"), "-i", stdout=write).ready()
    size = fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)
    os.close(write)
    for _ in range(1 + size // 100_000 * 2):
        os.getppid()
    wait_until(lambda: waiting(read) > size - 8192, "the pipe was not filled")
    os.getppid()  # more to be shown in the end
    assert command.end(number) == (0 if number == signal.SIGINT else -number)
    os.close(read)
    assert detached(command)


def test_a_signal_ends_it_while_nobody_reads_what_it_tells(execve, tracefs):
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [*STRICT, "-v", str(execve), "-i"], stdout=subprocess.DEVNULL, stderr=write, env=environment()
    )
    wait_until(lambda: not select.select([], [write], [], 0)[1], "the pipe was not filled")
    os.close(write)
    began = time.monotonic()
    process.terminate()
    assert process.wait(DEADLINE) == -signal.SIGTERM
    # One wait for the reader, not one for each of a hundred messages.
    assert time.monotonic() - began < 10
    os.close(read)


def waiting(fd: int) -> int:
    import array
    import termios

    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_files_that_are_closed_are_no_hindrance(execve, tracefs, closed):
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *STRICT, str(execve), "-i", "--", "true"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


# Signals


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)],
)
def test_a_signal_ends_it_in_order(start, printing, number, status):
    command = start(printing, "-i").ready()
    assert all(map(is_attached, links_of(command)))
    assert command.end(number) == status
    assert detached(command)
    assert command.err[-1].startswith("bpf-run: detached; ")


def test_nothing_stays_attached_when_it_is_killed(start, printing):
    command = start(printing).ready()
    assert command.end(signal.SIGKILL) == -signal.SIGKILL
    assert detached(command)


def test_a_signal_ends_it_while_its_output_waits_for_a_reader(start, printing, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    command = start(printing, "-i", "-o", tmp_path / "fifo")
    command.until("created map ")
    assert command.end(signal.SIGINT) == 0


def test_a_signal_that_was_ignored_stays_ignored(start, printing):
    command = start(printing, "-i", prefix=("sh", "-c", 'trap "" HUP; exec "$@"', "sh")).ready()
    command.process.send_signal(signal.SIGHUP)
    os.getppid()
    command.until(OURS, "out")
    assert command.end(signal.SIGINT) == 0


def test_ctrl_c_ends_the_compiler(start, tmp_path):
    """Clang stands still in the middle of a file that never ends."""
    os.mkfifo(tmp_path / "endless.h")
    source = tmp_path / "slow.bpf.c"
    source.write_text('#include "endless.h"\n', encoding="ascii")
    command = start(source)
    fd = os.open(tmp_path / "endless.h", os.O_WRONLY)  # clang has come to it
    assert command.end(signal.SIGINT) == 0
    poll = select.poll()
    poll.register(fd, 0)
    assert poll.poll(DEADLINE * 1000) == [(fd, select.POLLERR)]  # nobody reads it any more
    os.close(fd)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_long_verification_ends_it(start, compiled, number):
    command = start(compiled("slow"), "-i")
    command.until("object ")
    assert command.end(number) == (0 if number == signal.SIGINT else -number)


def test_many_ctrl_c_are_as_good_as_one(start, printing):
    command = start(printing, "-i").ready()
    while command.process.poll() is None:
        command.process.send_signal(signal.SIGINT)
        time.sleep(0.001)
    assert command.end() == 0
    assert detached(command)


def catches(pid: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            mask = next(line for line in file if line.startswith("SigCgt:")).split()[1]
    except (OSError, StopIteration):
        return False
    return bool(int(mask, 16) >> number - 1 & 1)


@pytest.mark.parametrize(
    "options", [["-i"], ["-i", "--", "sh", "-c", "while :; do :; done"]], ids=["alone", "command"]
)
def test_ctrl_c_at_any_moment_is_a_normal_end(start, printing, execve, options, pins):
    """From the moment on at which the command has its own handlers; before that Python has not come to it."""
    dice = random.Random(5)
    for number in range(30):
        pin = ["--pin", pins / f"run{number}"] if number % 3 == 0 else []
        command = start(*pin, printing, execve, *options)
        wait_until(lambda pid=command.pid: catches(pid, signal.SIGTERM), "it has not come to itself")
        time.sleep(dice.random() * 0.25)
        command.process.send_signal(signal.SIGINT)
        if number % 2:
            time.sleep(dice.random() * 0.05)
            command.process.send_signal(signal.SIGINT)
        assert command.end() == 0
        if links_of(command) and not pin:
            assert detached(command)
        # All is pinned, or nothing.
        assert bool(pinned(pins)) == bool(pin and " until Ctrl-C" in command.said)
        for left in pins.iterdir():
            shutil.rmtree(left)
