"""``python -m libbpf_cffi.run`` with variables, maps and histograms."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE = 60.0
"""Seconds until what has not come will not come."""

STRICT = [sys.executable, "-bb", "-X", "dev", "-W", "error", "-m", "libbpf_cffi.run"]
PACKAGE = os.path.dirname(os.path.dirname(bpf.__file__))
KEPT = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
ENVIRONMENT = {**KEPT, "PYTHONPATH": PACKAGE, "TERM": "xterm"}

SLOTS = """
unsigned int slots[20];
unsigned int calls;
"""

pytestmark = pytest.mark.usefixtures("root", "tracefs")


@pytest.fixture
def path(compiled: Callable[[str], Path]) -> str:
    """The object whose program counts calls of getppid()."""
    return str(compiled("values"))


def ends(status: int, *arguments: object) -> tuple[str, str]:
    """Run the command to its end, check the status, and give what it wrote to stdout and stderr."""
    done = subprocess.run(
        [*STRICT, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=ENVIRONMENT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == status, done.stderr
    for word in ("Traceback", "Exception ignored", "fault of bpf-run"):
        assert word not in done.stderr
    return done.stdout, done.stderr


def counts(path: str, *arguments: object, calls: int = 10) -> tuple[str, str]:
    """Run the command while this process calls getppid(), end it by Ctrl-C, and give what it wrote."""
    process = subprocess.Popen(
        [*STRICT, "--set", f"target_pid={os.getpid()}", *map(str, arguments), path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if " until Ctrl-C" in line:
            break
    for _ in range(calls):
        os.getppid()
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said + rest
    assert "Traceback" not in rest
    return out, said + rest


def variables(*arguments: object) -> dict[str, object]:
    """The values that ``--variables --json`` tells."""
    out, _ = ends(0, "--variables", "--json", *arguments)
    return {each["variable"]: each["value"] for each in map(json.loads, out.splitlines())}


def objects(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


# --set


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("target_pid=4711", "target_pid", 4711),
        ("target_pid=0x10", "target_pid", 16),
        ("target_pid=-0b11", "target_pid", -3),
        ("talking=true", "talking", True),
        ("talking=ON", "talking", True),
        ("talking=0", "talking", False),
        ("ratio=1.25e3", "ratio", 1250.0),
        ("verbosity=LOUD", "verbosity", "LOUD"),
        ("verbosity=0x1", "verbosity", "LOUD"),
        ("prefix=hello", "prefix", "hello"),
        ("prefix='it is'", "prefix", "it is"),
        (r'prefix="a\tb"', "prefix", "a\tb"),
        ("prefix=", "prefix", ""),
        ("prefix=a=b", "prefix", "a=b"),
        ("calls=18446744073709551615", "calls", 2**64 - 1),
        ("latency=" + str([1] * 24), "latency", [1] * 24),
        ("latency[3]=7", "latency", [0, 0, 0, 7] + [0] * 20),
        (
            'settings={"limit": "0xff", "weights": [1, "0x2", 3], "verbosity": "LOUD", "label": "x"}',
            "settings",
            {"limit": 255, "weights": [1, 2, 3], "verbosity": "LOUD", "label": "x"},
        ),
        ("settings.limit=3", "settings", {"limit": 3, "weights": [0, 0, 0], "verbosity": "QUIET", "label": ""}),
        ("settings.weights[1]=5", "settings", {"limit": 100, "weights": [0, 5, 0], "verbosity": "QUIET", "label": ""}),
        ("settings.label=abc", "settings", {"limit": 100, "weights": [0, 0, 0], "verbosity": "QUIET", "label": "abc"}),
    ],
)
def test_a_variable_is_set_as_its_type_says(path, setting, name, value):
    assert variables("--set", setting, path)[name] == value


def test_several_variables_are_set_and_told_of(path):
    _, said = ends(0, "-L", "-s", "target_pid=1", "-s", "prefix=x", path)
    assert "set target_pid to 1\n" in said
    assert "set prefix to x\n" in said


def test_a_variable_is_set_in_every_object_that_has_it(path, compiled):
    other = str(compiled("variables"))
    out, said = ends(0, "--variables", "--json", "--set", "target_pid=77", "--set", "answer=5", path, other)
    assert f"set target_pid to 77 in {path} and {other}" in said
    assert f"set answer to 5 in {other}" in said
    values = {(each["object"], each["variable"]): each["value"] for each in objects(out)}
    assert values[path, "target_pid"] == values[other, "target_pid"] == 77
    assert values[other, "answer"] == 5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("target_pit=1", "has no variable 'target_pit'; close names: 'target_pid'"),
        ("settings.limits=1", "settings has no member 'limits'; close names: limit"),
        ("latency[24]=1", "latency has 24 elements: there is no [24]"),
        ("target_pid=x", "'x' is not a number such as 10, -10, 0x1f or 0b11: the type is pid_t"),
        ("calls=-1", "unsigned long long must be from 0 to 18446744073709551615, not -1"),
        ("talking=maybe", "'maybe' is neither true nor false: the type is bool"),
        ("ratio=half", "'half' is no number, and the type is double"),
        ("verbosity=SHY", "enum verbosity has no enumerator 'SHY'; it has QUIET, LOUD"),
        ("prefix=" + "x" * 17, "char[16] has room for 16 bytes, not 17"),
        ("latency=1,2", "for the type u32[24] give an array such as [1, 2]"),
        ("latency=[1]", "unsigned int[24] has 24 elements, not 1"),
        ("settings=5", "struct settings must be a record, a mapping, a tuple or bytes, not int"),
        ("settings={limit: 5}", 'for the type struct settings give an object such as {"member": 1}'),
        ('settings={"limit": "many"}', "'many' is not a number"),
    ],
)
def test_what_cannot_be_set_is_wrong_usage(path, setting, message):
    _, said = ends(2, "-L", "--set", setting, path)
    assert message in said
    assert "created" not in said


def test_a_name_that_none_of_several_objects_has_lists_close_ones_of_all(path, compiled):
    _, said = ends(2, "-L", "--set", "target_pit=1", path, compiled("variables"))
    assert "none of the objects has such a variable; close names: target_pid" in said


def test_a_setting_of_the_kernel_cannot_be_set(compiled):
    _, said = ends(2, "-L", "--set", "CONFIG_HZ=1", compiled("variables"))
    assert "it is a setting of the kernel" in said


# --variables


def test_variables_are_listed_with_type_section_and_value(path):
    out, said = ends(0, "--variables", path)
    rows = [re.split(r" {2,}", line, maxsplit=3) for line in out.splitlines()]
    assert rows[0] == ["VARIABLE", "TYPE", "SECTION", "VALUE"]
    listed = {name: rest for name, *rest in rows[1:]}
    assert listed["target_pid"] == ["pid_t", ".rodata", "0"]
    assert listed["prefix"] == ["char[16]", ".data", '"none"']
    assert listed["latency"][:2] == ["u32[24]", ".bss"]
    assert listed["verbosity"] == ["enum verbosity", ".bss", "QUIET"]
    assert listed["settings"][0] == "struct settings"
    assert not any("____fmt" in name for name in listed)
    assert "attached" not in said


def test_the_kernels_settings_are_listed(compiled):
    values = variables(compiled("variables"))
    assert values["CONFIG_BPF_SYSCALL"] is True
    assert values["LINUX_KERNEL_VERSION"]


def test_an_object_without_variables_says_so(compiled):
    out, _ = ends(0, "--variables", compiled("basic"))
    assert "no global variables" in out or out.startswith("VARIABLE")


def test_the_list_goes_to_a_file(path, tmp_path):
    out, _ = ends(0, "--variables", "-o", tmp_path / "list", path)
    assert not out
    assert "target_pid" in (tmp_path / "list").read_text()


# --map


def test_a_map_is_shown_in_the_end_as_a_table(path):
    out, said = counts(path, "--map", "by_pid")
    assert out.splitlines() == ["by_pid: 1 entry", f"{'KEY':>{len(str(os.getpid()))}}  VALUE", f"{os.getpid()}     10"]
    assert "detached" in said


def test_the_members_of_keys_and_values_are_columns(path):
    out, _ = counts(path, "--map", "by_who")
    title, head, row = out.splitlines()
    assert title == "by_who: 1 entry"
    assert head.split() == ["PID", "COMM", "CALLS", "PARITY.EVEN", "PARITY.ODD", "VERBOSITY", "SEEN"]
    pid, *_, calls, even, odd, verbosity, seen = row.split()
    assert (int(pid), calls, even, odd, verbosity, seen) == (os.getpid(), "10", "5", "5", "LOUD", "true")


def test_networks_are_shown_as_networks(path):
    out, _ = counts(path, "--map", "networks")
    assert out.splitlines() == ["networks: 1 entry", "KEY           VALUE", "192.0.2.0/24     10"]
    out, _ = counts(path, "--map", "networks", "--json")
    assert objects(out)[0]["key"] == "192.0.2.0/24"


def test_maps_in_a_map_are_shown_by_their_ids(path):
    out, said = counts(path, "--map", "outer", "-v")
    title, head, row = out.splitlines()
    assert title == "outer: 1 entry"
    assert head.split() == ["KEY", "VALUE"]
    index, number = row.split()
    assert index == "2"
    assert re.search(rf"map by_pid: .*id {number}\b", said)


def test_a_map_that_the_kernel_does_not_let_be_read_is_told_of(path):
    out, said = counts(path, "--map", "sockets", "--map", "unused")
    assert out == "unused: empty\n"
    assert re.search(r"warning: cannot read map 'sockets'", said)


def test_an_empty_map_says_so(path):
    out, _ = counts(path, "--map", "unused")
    assert out == "unused: empty\n"


def test_the_zeroes_of_an_array_are_left_out(path):
    out, _ = counts(path, "--map", "counts", calls=6)
    assert out.splitlines() == [
        "counts: 32 entries, 4 of them not zero",
        "INDEX  VALUE",
        "    0      2",
        "    1      2",
        "    2      1",
        "    3      1",
    ]


def test_the_largest_entries_are_shown_the_largest_first(path):
    out, _ = counts(path, "--map", "counts", "--top", "2", calls=5)
    title, _, first, _ = out.splitlines()
    assert title == "counts: 32 entries, 4 of them not zero; the 2 largest"
    assert first.split() == ["0", "2"]


def test_the_largest_entries_are_said_as_json(path):
    out, _ = counts(path, "--map", "counts", "--top", "1", "--json", calls=5)
    assert [(each["key"], each["value"]) for each in map(json.loads, out.splitlines())] == [(0, 2)]


def test_the_numbers_of_the_cpus_are_added_up(path):
    out, _ = counts(path, "--map", "per_cpu")
    title, head, row = out.splitlines()
    assert title.startswith("per_cpu: 1 entry; sums of ")
    assert head.split()[:2] == ["KEY", "SUM"]
    pid, total, *each = map(int, row.split())
    assert (pid, total, sum(each)) == (os.getpid(), 10, 10)


def test_the_members_of_the_cpus_structs_are_added_up(path):
    out, _ = counts(path, "--map", "per_cpu_tally")
    _, head, row = out.splitlines()
    assert head.split() == ["INDEX", "CALLS", "PARITY.EVEN", "PARITY.ODD", "VERBOSITY", "SEEN"]
    assert row.split() == ["0", "10", "5", "5", "LOUD", "true"]


def test_a_data_section_is_shown_as_its_variables(path):
    out, _ = counts(path, "--map", ".bss")
    lines = out.splitlines()
    assert lines[:2] == [".bss:", "NAME       VALUE"]
    assert "calls      10" in lines


def test_a_data_section_with_a_variable_of_that_name_is_no_histogram(compiled, tmp_path):
    source = tmp_path / "own.bpf.c"
    source.write_text(SLOTS)
    out, _ = ends(0, "--load-only", "--map", ".bss", source)
    assert out.splitlines() == [".bss:", "NAME   VALUE", f"slots  [{', '.join('0' * 20)}]", "calls  0"]


def test_the_formats_of_printk_are_not_shown_with_their_section(path):
    out, _ = ends(0, "--load-only", "--map", ".rodata", path)
    assert "target_pid" in out
    assert "____fmt" not in out
    out, _ = ends(0, "--load-only", "--map", ".rodata", "--json", path)
    assert objects(out)[0]["value"] == {"target_pid": 0, "talking": False, "ratio": 0.5, "on_getppid.nothing": ANY}


def test_the_type_of_a_struct_without_a_name_is_plain_ascii(tmp_path):
    source = tmp_path / "own.bpf.c"
    source.write_text("struct { int a; } nameless = { 1 };\n")
    out, _ = ends(0, "--variables", "--json", source)
    assert [each["type"] for each in objects(out)] == ["struct {...}"]


def test_list_and_load_only_mean_the_same(path):
    assert ends(0, "--variables", "--load-only", path)[0] == ends(0, "--variables", path)[0]


def test_a_reader_of_the_trace_in_the_way_is_told_of_with_the_commands_options(compiled):
    with bpf.TracePipe():
        _, said = ends(1, "--map", "callers", compiled("printing"))
    assert "--instance makes a private trace buffer, --no-trace does without the trace" in said
    assert f"in use by process {os.getpid()} " in said
    assert "TracePipe" not in said


def test_a_map_is_said_as_json(path):
    out, _ = counts(path, "--map", "by_who", "--map", "per_cpu", "--map", "unused", "--json")
    who, per_cpu = objects(out)
    assert who["map"] == "by_who"
    assert who["time"] > 1e9
    assert who["key"]["pid"] == os.getpid()
    tally = {"calls": 10, "parity": {"even": 5, "odd": 5}, "verbosity": "LOUD", "seen": True}
    assert who["value"] == tally
    assert (per_cpu["key"], per_cpu["sum"], sum(per_cpu["value"])) == (os.getpid(), 10, 10)


def test_a_table_fits_the_terminal(path):
    reading, terminal = pty.openpty()
    try:
        command = [*STRICT, "-q", "--variables", path]
        subprocess.run(command, stdout=terminal, env={**ENVIRONMENT, "COLUMNS": "60"}, timeout=DEADLINE, check=True)
        shown = os.read(reading, 1 << 16).decode()
    finally:
        os.close(terminal)
        os.close(reading)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 60
    assert any("…" in line for line in lines)


def test_a_map_is_shown_every_so_often_and_in_the_end(path):
    out, _ = ends(0, "--map", "unused=100ms", "--duration", "1", "-q", path)
    times = [re.fullmatch(r"\d\d:\d\d:\d\d unused: empty", line) for line in out.splitlines()]
    assert all(times)
    assert 3 <= len(times) <= 11


def test_a_map_is_shown_with_json_every_so_often(path):
    out, _ = ends(0, "--map", ".bss=200ms", "--duration", "0.9", "-q", "--json", path)
    assert [each["map"] for each in objects(out)][:2] == [".bss", ".bss"]


def test_the_trace_is_not_shown_where_no_program_prints(path):
    _, said = counts(path, "--map", "by_pid")
    assert "attached until Ctrl-C" in said
    assert "tracing" not in said


def test_the_trace_is_shown_as_well_where_a_program_prints(path):
    out, said = counts(path, "--map", "by_pid", "-P", "*", "-s", "talking=yes", "-s", "prefix=it says", "-i", calls=2)
    assert "tracing" in said
    lines = out.splitlines()
    assert [line.partition("bpf_trace_printk: ")[2] for line in lines[:2]] == ["it says 100", "it says 100"]
    assert lines[2] == "by_pid: 1 entry"


def test_with_a_command_the_map_shows_what_it_did(path):
    code = "import os; [os.getppid() for _ in range(7)]; print(os.getpid(), flush=True)"
    out, _ = ends(0, "-q", "--map", "by_pid", "--json", path, "--", sys.executable, "-c", code)
    pid, *lines = out.splitlines()
    assert {each["key"]: each["value"] for each in map(json.loads, lines)}[int(pid)] == 7


def test_a_map_goes_to_the_output_file(path, tmp_path):
    out, _ = ends(0, "-q", "--map", "unused", "--duration", "0", "-o", tmp_path / "maps", path)
    assert not out
    assert (tmp_path / "maps").read_text() == "unused: empty\n"


def test_a_map_is_shown_after_load_alone(path):
    out, _ = ends(0, "-L", "--map", "unused", path)
    assert out == "unused: empty\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map", "by_pit"], "--map by_pit: there is no such map; close names: by_pid"),
        (["--map", "events"], "--map events: a map of type ringbuf has no entries that could be shown"),
        (["--map", "queue"], "a map of type queue has no entries"),
        (
            ["--map", "latency"],
            "latency is a variable, not a map; --map .bss shows all variables of its section, --hist latency draws it",
        ),
        (["--hist", "latenci"], "--hist latenci: there is no such map or variable; close names: latency"),
    ],
)
def test_what_cannot_be_shown_is_wrong_usage(path, arguments, message):
    _, said = ends(2, *arguments, path)
    assert message in said
    assert "loaded" not in said.replace("loaded no", "")


def test_a_reader_that_goes_away_ends_the_command(path):
    command = [*STRICT, "-q", "--map", "unused=10ms", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(DEADLINE) == 0
        assert process.stderr is not None
        assert not process.stderr.read()


def test_a_map_is_shown_when_a_signal_ends_the_command(path):
    command = [*STRICT, "--map", "unused", path]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stderr is not None
        assert any(" until Ctrl-C" in line for line in process.stderr)
        process.terminate()
        out, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == -signal.SIGTERM
    assert out == "unused: empty\n"


@pytest.mark.needs("perf_link")
def test_what_was_pinned_stays_attached_when_the_maps_have_been_shown(path, pins):
    out, said = ends(0, "--pin", pins / "tool", "-d", "0", "--map", "unused", path)
    assert out == "unused: empty\n"
    assert "left attached" in said
    with bpf.Map.from_pin(pins / "tool" / "maps" / "by_pid") as by_pid:
        before = by_pid.get(os.getpid(), 0)
        os.getppid()
        assert by_pid[os.getpid()] == before + 1


def test_maps_of_several_objects_are_told_apart(path, compiled, tmp_path):
    other = tmp_path / "other.bpf.o"
    other.write_bytes(compiled("values").read_bytes())
    out, _ = ends(0, "-q", "-L", "--map", "unused", path, other)
    assert out.splitlines() == [f"{path}: unused: empty", f"{other}: unused: empty"]


# --hist


HEAD = "         value           : count    distribution"


def bars(*counts: int) -> list[str]:
    """The lines of a histogram."""
    most = max(counts)
    spans = ["0 -> 1", "2 -> 3", "4 -> 7", "8 -> 15"]
    return [
        f"{span.split()[0]:>10} -> {span.split()[2]:<10} : {count:<8} |{'*' * (count * 40 // most):<40}|"
        for span, count in zip(spans, counts, strict=False)
    ]


@pytest.mark.parametrize("name", ["counts", "latency"])
def test_counts_are_drawn_of_an_array_map_and_of_a_variable(path, name):
    out, _ = counts(path, "--hist", name, calls=6)
    assert out.splitlines() == [f"{name}:", HEAD, *bars(2, 2, 1, 1)]


def test_a_histogram_has_the_unit_that_is_given(path):
    out, _ = counts(path, "--hist", "counts:usecs", calls=6)
    assert out.splitlines()[1].split() == ["usecs", ":", "count", "distribution"]


def test_a_histogram_is_drawn_for_each_element_of_a_variable_that_counted(path):
    out, _ = counts(path, "--hist", "by_parity", calls=7)
    even, odd = bars(2, 0, 2), bars(0, 2, 0, 1)
    assert out.splitlines() == [
        "by_parity:", "", "index = 0, comm =", HEAD, *even, "", "index = 1, comm =", HEAD, *odd,
    ]  # fmt: skip


def test_where_nothing_has_been_counted_it_says_so(path):
    out, _ = counts(path, "--hist", "latency", calls=0)
    assert out.splitlines() == ["latency:", "  nothing counted"]


def test_a_histogram_is_drawn_for_each_key_beside_its_slots(path):
    out, _ = counts(path, "--hist", "slotted", calls=5)
    assert out.splitlines() == ["slotted:", "", f"pid = {os.getpid()}", HEAD, *bars(2, 1, 1, 1)]


def test_values_with_slots_are_drawn_under_their_keys(path):
    out, _ = counts(path, "--hist", "histograms", calls=4)
    title, empty, names, *rest = out.splitlines()
    assert title == "histograms:"
    assert not empty
    assert re.fullmatch(rf"key = {os.getpid()}, comm = \S.*", names)
    assert rest == [HEAD, *bars(1, 1, 1, 1)]


def test_values_with_slots_are_a_table_with_map(path):
    out, _ = counts(path, "--map", "histograms", calls=4)
    title, head, row = out.splitlines()
    assert title == "histograms: 1 entry"
    assert head.split() == ["KEY", "SLOTS", "COMM"]
    assert f"{os.getpid()}  [1, 1, 1, 1, 0" in row


@pytest.mark.parametrize("name", ["by_who", "per_cpu_tally", "calls", "prefix", "ratio", "settings.label"])
def test_what_is_no_histogram_is_wrong_usage(path, name):
    _, said = ends(2, "--hist", name, path)
    assert f"--hist {name}: {name} is no histogram: neither are the keys slots and the values counts" in said


@pytest.mark.parametrize("name", ["by_pid", "per_cpu", "histograms", "slotted", "counts", "settings", ".bss"])
def test_what_may_be_a_histogram_by_its_types_is_taken(path, name):
    ends(0, "--load-only", "--hist", name, path)


def test_keys_that_are_no_slots_draw_nothing(path):
    out, _ = counts(path, "--hist", "by_pid", "--hist", "unused")
    assert out.splitlines() == [
        "by_pid:",
        "  no histogram: neither are the keys slots and the values counts, nor is a member of the values",
        "unused: empty",
    ]


def test_without_these_options_their_modules_are_not_imported(path, python):
    code = (
        "import sys; from libbpf_cffi.run import main; status = main(sys.argv[1:]); "
        "print(status, *sorted(name for name in sys.modules if name.startswith('libbpf_cffi.')))"
    )
    out = python(code, "-q", "-L", path, quiet=False)
    status, *names = out.split()
    assert status == "0"
    dear = {"hist", "variables", "_sections", "_run_values", "_run_maps", "btf", "_btf_type", "enums"}
    dear |= {"_command_entries", "_command_text"}
    assert not {name.rpartition(".")[2] for name in names} & dear


def test_variables_that_nobody_reads_are_no_failure(path):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*STRICT, "--variables", path],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE,
        env=ENVIRONMENT,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, "fault of bpf-run" in done.stderr) == (0, False), done.stderr


def test_a_value_that_is_nested_too_deeply_is_a_wrong_value(path):
    _, said = ends(2, "--variables", "--set", f"settings={'[' * 50_000}", path)
    assert "is not JSON" in said
