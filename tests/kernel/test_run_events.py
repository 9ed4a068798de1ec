"""``python -m libbpf_cffi.run`` with the events of ring and perf buffers."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

import pytest

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE = 60.0
"""Seconds until what has not come will not come."""

STRICT = [sys.executable, "-bb", "-X", "dev", "-W", "error", "-m", "libbpf_cffi.run"]
PACKAGE = os.path.dirname(os.path.dirname(bpf.__file__))
KEPT = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
ENVIRONMENT = {**KEPT, "PYTHONPATH": PACKAGE, "TERM": "xterm"}

FLOOD = "import os\nprint(flush=True)\nwhile True: os.getppid()"

HEAD = """
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <libbpf_cffi.bpf.h>

const volatile pid_t target_pid;
char LICENSE[] SEC("license") = "GPL";
"""

RING = """
struct {{ __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); }} {name} SEC(".maps");
"""

PROGRAM = """
SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{{
    pid_t pid = bpf_get_current_pid_tgid() >> 32;
    if (target_pid && target_pid != pid)
        return 0;
    {}
    return 0;
}}
"""

pytestmark = [pytest.mark.slow_emulated, pytest.mark.usefixtures("root", "tracefs")]


@pytest.fixture
def path(compiled: Callable[[str], Path], requires: Callable[..., None]) -> str:
    """The object whose program sends events when getppid() is called."""
    requires("bpf_loop")
    return str(compiled("streams"))


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., str]:
    """Compile a source: what stands before the program, and what the program does."""

    def make(declarations: str, body: str, name: str = "made") -> str:
        output = tmp_path / f"{name}.bpf.o"
        output.write_bytes(bpf.compile_object(HEAD + declarations + PROGRAM.format(body)))
        return str(output)

    return make


@pytest.fixture
def flood() -> Iterator[int]:
    """Have a process call getppid() without a pause; give its number."""
    with subprocess.Popen([sys.executable, "-c", FLOOD], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def ends(status: int, *arguments: object, stdout: int = subprocess.PIPE) -> tuple[str, str]:
    """Run the command to its end, check the status, and give what it wrote to stdout and stderr."""
    done = subprocess.run(
        [*STRICT, *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE,
        env=ENVIRONMENT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    check_clean(done.stderr)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def check_clean(said: str) -> None:
    for word in ("Traceback", "Exception ignored", "fault of bpf-run"):
        assert word not in said, said


def start(*arguments: object, **options: Any) -> tuple[subprocess.Popen[str], str]:
    """Start the command; give it when all is attached, with what it has told."""
    process = subprocess.Popen(
        [*STRICT, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        **{"stdout": subprocess.PIPE, **options},
    )
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if " until Ctrl-C" in line:
            return process, said
    raise AssertionError(said)


def finish(process: subprocess.Popen[str], number: int | None = None) -> tuple[str, str]:
    """End it by a signal; give what it wrote since."""
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE)
    check_clean(err)
    return out, err


def shows(*arguments: object, calls: int = 3) -> tuple[str, str]:
    """Run the command while this process, and no other that counts, calls getppid(); give what it wrote."""
    process, said = start("--set", f"target_pid={os.getpid()}", *arguments)
    for _ in range(calls):
        os.getppid()
    out, rest = finish(process, signal.SIGINT)
    assert process.returncode == 0, rest
    return out, said + rest


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def counts(said: str, name: str = "events") -> tuple[int, int, int]:
    """How many events were received, shown and lost, as it is told in the end."""
    found = re.search(rf"events of {name}: (\d+) received, (\d+) shown, (\d+) lost", said)
    assert found is not None, said
    received, shown, lost = map(int, found.groups())
    return received, shown, lost


# What is shown


def test_events_are_shown_as_a_table(path):
    out, said = shows("--columns", "number,mood,even,inner,list,text", path)
    assert out.splitlines() == [
        " NUMBER  MOOD   EVEN   INNER.LOW  INNER.HIGH  LIST    TEXT",
        '      0  ANGRY  true           0           0  [0, 7]  a "b", 100%\\n\\x1b[1m',
        '      1  CALM   false         10          -1  [1, 7]  a "b", 100%\\n\\x1b[1m',
        '      2  CALM   true          20          -2  [2, 7]  a "b", 100%\\n\\x1b[1m',
    ]
    assert "events of events: struct event, declared\n" in said


def test_events_are_said_as_json(path):
    first, *_ = objects(shows("--json", path)[0])
    assert first.pop("time") > 0
    with open("/proc/self/comm", encoding="utf-8") as file:
        comm = file.read().rstrip("\n")
    assert first == {
        "pid": os.getpid(), "number": 0, "mood": "ANGRY", "even": True, "bytes": [0, 255, 0], "comm": comm,
        "inner": {"low": 0, "high": 0}, "list": [0, 7], "text": 'a "b", 100%\n\x1b[1m',
    }  # fmt: skip


def test_events_are_written_as_csv_with_a_header(path):
    out, _ = shows("--csv", "--columns", "number,text,list[1]", path)
    assert list(csv.reader(io.StringIO(out))) == [
        ["number", "text", "list[1]"],
        *([str(number), 'a "b", 100%\n\x1b[1m', "7"] for number in range(3)),
    ]


def test_csv_without_events_has_its_header(path):
    assert ends(0, "--csv", "--columns", "number,comm", "-d", "0", path)[0] == "number,comm\n"


def test_only_events_that_all_conditions_hold_for_are_shown(path):
    out, said = shows("--json", "--filter", "mood=CALM", "--filter", "inner.high<-2", path, calls=6)
    assert [each["number"] for each in objects(out)] == [4, 5]
    assert counts(said)[:2] == (6, 2)


def test_a_field_that_is_a_time_is_shown_as_one_if_that_is_asked_for(path):
    out, _ = shows("--csv", "--time", "time", "--columns", "time", path)
    assert re.fullmatch(r"time\n(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\n){3}", out)


def test_events_go_to_the_output_file(path, tmp_path):
    out, _ = shows("--csv", "--columns", "number", "-o", tmp_path / "out", path)
    assert (out, (tmp_path / "out").read_text()) == ("", "number\n0\n1\n2\n")


@pytest.mark.unsanitized("LeakSanitizer calls getppid() itself where a process ends")
def test_a_table_fits_the_terminal(path):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
    columns = ["--columns", "number,text,comm,mood,list"]
    code = "import os\nfor _ in range(3): os.getppid()"
    command = [*STRICT, "-q", *columns, path, "--", sys.executable, "-c", code]
    process = subprocess.Popen(command, stdout=follower, env=ENVIRONMENT, stdin=subprocess.DEVNULL)
    os.close(follower)
    text = b""
    while True:
        try:
            text += os.read(leader, 4096)
        except OSError:  # EIO, when nobody has the other end any more
            break
    os.close(leader)
    assert process.wait(DEADLINE) == 0
    head, *rows = text.decode().splitlines()
    assert head.startswith("\x1b[1m")
    assert len(rows) == 3
    assert max(map(len, rows)) <= 70


# Which buffers, and of what type


EVENT = "struct %s { u32 pid; u32 number; };\n"
SEND = "struct {type} event = {{ pid, 7 }}; bpf_ringbuf_output(&{name}, &event, sizeof(event), 0);"


@pytest.mark.parametrize(
    ("declarations", "type", "name", "why"),
    [
        (EVENT % "event" + "struct event *unused;", "event", "rb", "by its name"),
        (EVENT % "rb" + "struct rb *unused;", "rb", "rb", "by its name"),
        (EVENT % "exec" + "struct exec *unused;", "exec", "execs", "by its name"),
        (EVENT % "data" + "const struct data *unused;", "data", "rb", "a variable points to it"),
    ],
)  # fmt: skip
def test_the_type_of_the_events_of_the_only_buffer_is_found(made, declarations, type, name, why):
    path = made(RING.format(name=name) + declarations, SEND.format(type=type, name=name))
    out, said = shows("--json", path, calls=1)
    assert [each["number"] for each in objects(out)] == [7]
    assert f"events of {name}: struct {type}, {why}\n" in said


def test_the_only_struct_that_nothing_else_uses_is_the_type_of_the_events(made):
    """It is in the BTF for a function that returns it; what a map, a variable or another struct has is left out."""
    more = """
    struct my_part { u32 x; };
    struct my_whole { struct my_part part; } whole;
    struct my_key { u32 k; };
    struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, struct my_key); __type(value, u32); }
        others SEC(".maps");
    static __noinline struct my_sample *none(void) { void *p; asm volatile("%0 = 0" : "=r"(p)); return p; }
    """
    send = SEND.format(type="my_sample", name="rb") + "whole.part.x = none() != NULL;"
    path = made(EVENT % "my_sample" + RING.format(name="rb") + more, send)
    out, said = shows("--json", path, calls=1)
    assert [each["number"] for each in objects(out)] == [7]
    assert "events of rb: struct my_sample, the only one that nothing else uses\n" in said


TWO_TYPES = EVENT % "a" + EVENT % "b" + "struct a *one; struct b *two;" + RING.format(name="rb")


def test_a_buffer_whose_events_are_of_an_unknown_type_is_told_of(made):
    path = made(TWO_TYPES, SEND.format(type="a", name="rb"))
    _, said = ends(0, "-d", "0", path)
    assert "note: the events of rb are not shown: nothing says of what type they are" in said
    assert "there are: a, b" in said
    _, said = ends(2, "--events", "rb", path)
    assert "--events rb: nothing says of what type they are (--events rb:TYPE does" in said


def test_types_of_the_kernels_are_no_candidates(made):
    """They are in the BTF for CO-RE."""
    more = RING.format(name="rb") + "volatile int sum;"
    send = """
    struct task_struct *task = (void *)bpf_get_current_task();
    u32 event = 0;
    bpf_core_read(&event, 4, &task->pid);
    bpf_ringbuf_output(&rb, &event, 4, 0);
    """
    path = made("#include <bpf/bpf_core_read.h>\n" + more, send)
    _, said = ends(0, "-d", "0", path)
    assert "the events of rb are not shown" in said
    assert "task_struct" not in said
    assert "clang leaves out types that no map, global variable or function names" in said


def test_the_type_of_the_events_can_be_told(made):
    path = made(TWO_TYPES, SEND.format(type="a", name="rb"))
    out, said = shows("--events", "rb:struct b", "--json", path, calls=1)
    assert objects(out)[0]["number"] == 7
    assert "losses not counted" in said


def test_events_without_a_type_are_shown_as_bytes_if_that_is_asked_for(made):
    path = made(RING.format(name="rb"), "u32 event = 0x01020304; bpf_ringbuf_output(&rb, &event, 4, 0);")
    assert shows("--events", "rb:bytes", path, calls=1)[0].splitlines() == ["DATA", "04 03 02 01"]
    assert objects(shows("--events", "rb:bytes", "--json", path, calls=1)[0]) == [{"data": "04030201"}]


def test_events_may_be_plain_numbers(made):
    path = made(RING.format(name="rb"), "int event = 5; bpf_ringbuf_output(&rb, &event, 4, 0);")
    assert shows("--events", "rb:int", "--filter", "value=5", "--csv", path, calls=1)[0] == "value\n5\n"


TWO = (
    EVENT % "event"
    + "struct other { u32 pid; char word[8]; };\n"
    + "".join(
        f"struct {{ __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); __type(value, struct {kind}); }} "
        f'{name} SEC(".maps");\n'
        for name, kind in (("events", "event"), ("others", "other"))
    )
)
SEND_TWO = SEND.format(type="event", name="events") + (
    'struct other other = { pid, "word" }; bpf_ringbuf_output(&others, &other, sizeof(other), 0);'
)


def test_several_buffers_are_shown_together(made):
    out, _ = shows("--csv", "--columns", "number,word", made(TWO, SEND_TWO), calls=2)
    head, *rows = out.splitlines()
    assert head == "events,number,word"
    assert sorted(rows) == ["events,7,", "events,7,", "others,,word", "others,,word"]


def test_of_several_buffers_those_are_shown_that_have_a_struct_of_their_name(made):
    declarations = EVENT % "first" + "struct first *unused;" + RING.format(name="firsts") + RING.format(name="second")
    out, said = shows("--json", made(declarations, SEND.format(type="first", name="firsts")), calls=1)
    assert [each["number"] for each in objects(out)] == [7]
    assert "note: the events of second are not shown" in said


def test_only_the_buffers_that_are_asked_for_are_shown(made):
    out, said = shows("--json", "--events", "others", "--columns", "word", made(TWO, SEND_TWO), calls=2)
    assert objects(out) == [{"word": "word"}] * 2
    assert "events of events" not in said


def test_events_that_have_not_the_field_of_a_condition_are_not_shown(made):
    out, said = shows("--json", "--filter", "word=word", "--columns", "word", made(TWO, SEND_TWO), calls=1)
    assert objects(out) == [{"events": "others", "word": "word"}]
    assert "events of events: 1 received, 0 shown" in said


def test_buffers_of_several_objects_are_told_apart(path, made):
    declarations = RING.format(name="rb") + EVENT % "event" + "struct event *unused;"
    other = made(declarations, SEND.format(type="event", name="rb"))
    out, _ = shows("--json", "--columns", "number", path, other, calls=1)
    found = {each["events"]: each["number"] for each in objects(out)}
    assert found == {f"{path}: events": 0, f"{other}: rb": 7}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--events", "nothing"], "--events nothing: there is no such map; there are: events"),
        (["--events", "events_lost"], "a map of type percpu array has no events"),
        (["--events", "events:nothing"], "has no type 'nothing'"),
        (["--events", "events", "--events", "events:inner"], "--events events is given twice"),
        (["--columns", "numbr"], "--columns: events have no field 'numbr'; close names: number"),
        (["--filter", "nothing=1"], "--filter nothing=1: events have no field 'nothing'"),
        (["--filter", "mood=SAD"], "mood is one of CALM, ANGRY or a number, not 'SAD'"),
        (["--time", "comm"], "--time comm: comm is no number of nanoseconds"),
    ],
)
def test_what_cannot_be_shown_is_wrong_usage_before_the_load(path, arguments, message):
    out, said = ends(2, *arguments, path)
    assert message in said
    assert "loaded program" not in said
    assert not out


@pytest.mark.parametrize("option", [["--csv"], ["--columns", "a"], ["--filter", "a=1"]])
def test_events_of_an_object_without_buffers_are_wrong_usage(compiled, option):
    _, said = ends(2, *option, compiled("printing"))
    assert f"{option[0]} is about events, and there is no ring or perf buffer" in said


def test_without_a_trace_and_events_there_is_nothing_to_write(compiled):
    _, said = ends(2, "--no-trace", "--json", compiled("printing"))
    assert "--json is about the trace and events: --no-trace shows none, and there are none" in said


def test_events_are_not_shown_if_that_is_not_wanted(path):
    out, said = shows("--no-events", "--no-trace", path)
    assert not out
    assert "events of" not in said


def test_task_beside_events_is_told_to_be_about_the_trace(path):
    _, said = shows("--task", "sh", "-i", path)
    assert "--task chooses among the lines of the trace: --filter chooses among the events" in said


# Perf buffers


PERF = """
struct event {{ u32 pid; u32 number; char text[48]; }};
struct event *unused;
struct {{ __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __type(key, u32); __type(value, {}); }} events SEC(".maps");
u32 calls;
"""
SEND_PERF = """
    struct event event = {{ pid, __sync_fetch_and_add(&calls, 1), "sent" }};
    bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, {});
"""


@pytest.mark.parametrize(("value", "why"), [("u32", "by its name"), ("struct event", "declared")])
@pytest.mark.parametrize("size", ["sizeof(event)", "13"])
def test_events_of_a_perf_buffer_are_shown(made, value, why, size):
    """Also where only the part that is used of the last array is sent."""
    out, said = shows("--csv", "--columns", "number,text", made(PERF.format(value), SEND_PERF.format(size)))
    head, *rows = out.splitlines()
    assert head == "number,text"
    assert sorted(rows) == ["0,sent", "1,sent", "2,sent"]
    assert f"events of events: struct event, {why}\n" in said
    assert counts(said) == (3, 3, 0)


def test_every_event_of_a_perf_buffer_is_shown_or_counted_as_lost(made):
    path = made(PERF.format("u32"), "for (int i = 0; i < 500; i++) {" + SEND_PERF.format("sizeof(event)") + "}")
    settings = ("--set", f"target_pid={os.getpid()}", "--json", "--columns", "number", "--map", ".bss")
    process, _ = start(*settings, path)
    # Many more than find room on a CPU.
    process.send_signal(signal.SIGSTOP)
    for _ in range(40):
        os.getppid()
    process.send_signal(signal.SIGCONT)
    out, said = finish(process, signal.SIGINT)
    *events, variables = objects(out)
    received, shown, lost = counts(said)
    assert lost > 0
    assert received == shown == len(events)
    assert received + lost == variables["value"]["calls"] == 20_000
    assert f"warning: {lost} events of events were lost for want of room\n" in said


def test_ring_and_perf_buffers_are_shown_together(made):
    declarations = PERF.format("struct event") + RING.format(name="rb").replace("4096);", "4096); __type(value, u32);")
    body = SEND_PERF.format("sizeof(event)") + "u32 other = 9; bpf_ringbuf_output(&rb, &other, 4, 0);"
    out, _ = shows("--csv", "--columns", "text,value", made(declarations, body), calls=2)
    assert sorted(out.splitlines()) == ["events,sent,", "events,sent,", "events,text,value", "rb,,9", "rb,,9"]


def test_an_array_of_perf_events_that_nobody_writes_to_is_not_taken_for_a_buffer(made):
    _, said = ends(0, "-d", "0", made(PERF.format("u32"), "calls += bpf_perf_event_read(&events, 0) > 0;"))
    assert "events of events" not in said


# Beside the trace and maps


def test_the_trace_is_not_shown_where_no_program_prints(path):
    out, said = shows("--json", path)
    assert len(objects(out)) == 3
    assert "tracing" not in said


def test_the_trace_is_shown_as_well_where_a_program_prints(made):
    path = made(TWO, SEND_TWO + 'bpf_printk("printed");')
    found = objects(shows("--json", path, calls=1)[0])
    # What other programs of the machine print is in every instance.
    assert {each.get("events", "trace") for each in found} == {"events", "others", "trace"}
    assert "printed" in [each["message"] for each in found if "message" in each]


def test_csv_is_without_the_trace_of_programs_that_print(made):
    path = made(TWO, SEND_TWO + 'bpf_printk("printed");')
    assert "printed" not in shows("--csv", path, calls=1)[0]


def test_maps_are_shown_behind_the_events(path):
    found = objects(shows("--json", "--columns", "number", "--map", "events_lost", path)[0])
    assert [each.get("map", "") for each in found] == ["", "", "", "events_lost"]


# Whose events


@pytest.mark.unsanitized("LeakSanitizer calls getppid() itself where a process ends")
def test_only_events_of_the_command_and_what_it_starts_are_shown(path, tmp_path):
    """Children, their children, and threads; not those of this process."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = """
import os, subprocess, sys, threading
open(sys.argv[1]).close()
os.getppid()
threading.Thread(target=os.getppid).start()
child = "import os, subprocess, sys; os.getppid(); subprocess.run([sys.executable, '-c', 'import os; os.getppid()'])"
subprocess.run([sys.executable, "-c", child])
"""
    process, _ = start("--json", path, "--", sys.executable, "-c", code, fifo)
    for _ in range(10):
        os.getppid()
    fifo.open("w").close()
    out, said = finish(process)
    found = [each["pid"] for each in objects(out)]
    assert os.getpid() not in found
    assert len(found) == 4
    assert len(set(found)) == 3
    received, shown, lost = counts(said)
    assert received >= 14
    assert (shown, lost) == (4, 0)


def test_only_events_of_a_process_are_shown(path, flood):
    process, _ = start("--json", "--pid", os.getpid(), "--lines", 2, path)
    # Some find no room beside the flood.
    while process.poll() is None:
        os.getppid()
    out, _ = finish(process)
    assert [each["pid"] for each in objects(out)] == [os.getpid()] * 2


def test_events_that_do_not_say_whose_they_are_are_all_shown(made):
    event = "struct event { u32 number; };\nstruct event *unused;"
    path = made(RING.format(name="rb") + event, "struct event event = { 7 }; bpf_ringbuf_output(&rb, &event, 4, 0);")
    out, said = shows("--csv", "--pid", os.getppid(), path, calls=1)
    assert out == "number\n7\n"
    assert "the events of rb have no field tgid, pid or tid: those of all processes are shown" in said


# What they are not


def test_an_event_that_is_cut_short_in_its_last_array_is_filled_up(made):
    event = "struct event { u32 number; char text[60]; };\nstruct event *unused;"
    body = 'struct event event = { 7, "short" }; bpf_ringbuf_output(&rb, &event, 10, 0);'
    out, said = shows("--csv", made(RING.format(name="rb") + event, body), calls=1)
    assert out == "number,text\n7,short\n"
    assert "not of their type" not in said


def test_an_event_of_another_size_is_shown_as_bytes_and_told_of(made):
    event = "struct event { u32 number; u32 other; };\nstruct event *unused;"
    body = "u32 event = 1; bpf_ringbuf_output(&rb, &event, 4, 0);"
    out, said = shows("--json", made(RING.format(name="rb") + event, body), calls=1)
    assert objects(out) == [{"bytes": "01000000"}]
    assert "warning: an event of rb has 4 bytes and not the 8 of its type struct event" in said
    assert "1 received, 1 shown, losses not counted, 1 not of their type" in said


# How it ends


def test_it_ends_after_as_many_events_as_are_wanted(path, flood):
    out, said = ends(0, "--csv", "--columns", "number", "--lines", 5, path)
    assert len(out.splitlines()) == 1 + 5
    assert counts(said)[1] == 5


def test_as_many_events_as_are_wanted_are_those_of_all_buffers_together(made):
    process, _ = start("--csv", "--lines", 2, "--set", f"target_pid={os.getpid()}", made(TWO, SEND_TWO))
    # Both have some when it reads the next time.
    process.send_signal(signal.SIGSTOP)
    os.getppid()
    os.getppid()
    process.send_signal(signal.SIGCONT)
    out, _ = finish(process)
    assert process.returncode == 0
    assert len(out.splitlines()) == 1 + 2


def test_it_ends_after_the_duration_under_a_flood(path, flood):
    out, said = ends(0, "--csv", "--set", "burst=10", "--duration", 1, path)
    received, shown, _ = counts(said)
    assert received == shown > 1000
    # Strings of several lines are quoted, and others are not.
    assert sum(1 for _ in csv.reader(io.StringIO(out))) == shown + 1


def test_every_event_of_a_flood_is_shown_or_counted_as_lost(path, flood):
    settings = ("--set", f"target_pid={flood}", "--set", "burst=100")
    out, said = ends(0, "--json", "--columns", "number", "--map", ".bss", *settings, "--duration", 1, path)
    *events, variables = objects(out)
    received, shown, lost = counts(said)
    assert lost > 0
    assert received == shown == len(events)
    assert received + lost == variables["value"]["calls"]
    assert f"warning: {lost} events of events were lost for want of room" in said


def test_events_that_came_before_the_end_are_shown(path):
    process, _ = start("--json", "--columns", "number", "--set", f"target_pid={os.getpid()}", path)
    # It reads nothing any more, but for what is left in the end.
    process.send_signal(signal.SIGSTOP)
    for _ in range(100):
        os.getppid()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    out, _ = finish(process)
    assert [each["number"] for each in objects(out)] == list(range(100))
    assert process.returncode == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_it_under_a_flood(path, flood, number, status):
    process, _ = start("--set", "burst=10", path, stdout=subprocess.DEVNULL)
    _, said = finish(process, number)
    assert process.returncode == status
    assert "detached" in said


def test_a_signal_ends_it_while_nobody_reads_its_output(path, flood):
    process, _ = start("--set", "burst=10", path)
    assert process.stdout is not None
    process.stdout.readline()
    _, said = finish(process, signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM
    assert "detached" in said


def test_a_reader_that_is_gone_is_a_normal_end(path, flood):
    process, _ = start(path)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(DEADLINE) == 0
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    check_clean(said)
    assert "detached" in said


def test_a_full_disk_is_an_error(path, flood):
    with open("/dev/full", "w", encoding="utf-8") as full:
        _, said = ends(1, path, stdout=full.fileno())
    assert "cannot write to stdout: No space left on device" in said
    assert "detached" in said


def test_without_buffers_the_modules_for_events_are_not_imported(compiled, python):
    code = """
import sys
from libbpf_cffi.run import main
assert main(["-d", "0", "-q", sys.argv[1]]) == 0
print(*(name for name in sys.modules if name.startswith("libbpf_cffi._run_")))
"""
    modules = python(code, compiled("printing"), quiet=False).split()
    for name in ("buffers", "events", "fields", "rows", "table"):
        assert f"libbpf_cffi._run_{name}" not in modules
