"""The command line of ``python -m libbpf_cffi.run``: what it says, and what it refuses."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from libbpf_cffi import _run_options, _run_parser, run
from libbpf_cffi._run_io import printable
from libbpf_cffi._run_options import Options, parse


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        parse(arguments)
    assert end.value.code == 2
    said = capsys.readouterr()
    assert not said.out
    return said.err


def test_objects_alone_are_taken_without_argparse():
    options = parse(["a.o", "b.o"])
    assert options.objects == ["a.o", "b.o"]


def test_an_option_changes_nothing_else():
    plain, with_option = vars(parse(["a.o"])), vars(parse(["-q", "a.o"]))
    assert {**plain, "quiet": True} == with_option


def test_long_and_short_options_are_the_same():
    short = (
        "-e r:t -c x,y -f x=1 -T x "
        "-s v=1 -M m -H h=2 -P x -m a=1 -I d -D N=1 -p 1 -t sh -i -r -d 2 -n 3 -j -o f -q -v a.o"
    )
    long = (
        "--events r:t --columns x,y --filter x=1 --time x "
        "--set v=1 --map m --hist h=2 --program x --max-entries a=1 --include d --define N=1 --pid 1 --task sh "
        "--instance --raw --duration 2 "
        "--lines 3 --json --output f --quiet --verbose a.o"
    )
    assert vars(parse(short.split())) == vars(parse(long.split()))


def test_each_option_says_what_it_does():
    options = parse(
        [
            "-P",
            "x",
            "-P",
            "y*",
            "-m",
            "a.b=0x10",
            "-p",
            "1",
            "-p",
            "2",
            "-t",
            "sh",
            "-d",
            "1.5s",
            "-n",
            "3",
            "-j",
            "a.o",
        ]
    )
    assert options.program == ["x", "y*"]
    assert options.max_entries == [("a.b", 16)]
    assert options.pid == [1, 2]
    assert options.task == ["sh"]
    assert options.duration == 1.5
    assert options.lines == 3
    assert options.json


def test_a_command_takes_all_that_follows_two_dashes():
    options = parse(["a.o", "--", "ls", "--json", "--", "x"])
    assert options.command == ["ls", "--json", "--", "x"]
    assert not options.json
    assert options.objects == ["a.o"]


def test_a_list_is_not_shared_between_two_command_lines():
    parse(["-P", "x", "a.o"])
    assert parse(["-q", "a.o"]).program == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10),
        ("1.5", 1.5),
        ("10s", 10),
        ("500ms", 0.5),
        ("2m", 120),
        ("1h", 3600),
        ("1d", 86400),
        (".5s", 0.5),
        ("0", 0),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text, seconds):
    assert parse(["-d", text, "a.o"]).duration == seconds


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1x", "s", "nan", "inf", "1e400", "1 m", "1m2s", "1sm", "0x10"]
)
def test_what_is_no_duration_is_refused(capsys, text):
    assert "is not a time" in refused(capsys, f"--duration={text}", "a.o")


@pytest.mark.parametrize(
    "text", ["events", "=4", "events=", "events=0", "events=-1", "events=4294967296", "events=x"]
)
def test_a_size_without_a_map_or_a_number_is_refused(capsys, text):
    assert "MAP=N" in refused(capsys, "-m", text, "a.o")


@pytest.mark.parametrize("option", ["-n", "-p", "--log-level"])
@pytest.mark.parametrize("text", ["0", "x", "1.5", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_no_positive_number_is_refused(capsys, option, text):
    assert repr(text) in refused(capsys, option, text, "a.o")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--load-only", "--no-trace"],
        ["--load-only", "--lines", "3"],
        ["--load-only", "--duration", "3"],
        ["--load-only", "--pid", "1"],
        ["--no-trace", "--no-events", "--json"],
        ["--no-trace", "--task", "sh"],
        ["--no-trace", "--no-events", "--output", "f"],
        ["--no-events", "--events", "a"],
        ["--load-only", "--columns", "a"],
        ["--variables", "--csv"],
        ["--csv", "--json"],
        ["--csv", "--map", "a"],
        ["--csv", "--hist", "a"],
        ["--csv", "--task", "a"],
        ["--backlog", "--instance"],
        ["--backlog", "--pid", "1"],
        ["--backlog", "--raw"],
    ],
)
def test_options_that_contradict_each_other_are_refused(capsys, arguments):
    said = refused(capsys, *arguments, "a.o")
    assert "error: " in said
    assert "required" not in said


def test_a_command_is_not_run_for_an_object_that_is_only_loaded(capsys):
    assert "COMMAND" in refused(capsys, "--load-only", "a.o", "--", "ls")


def test_two_dashes_without_a_command_are_refused(capsys):
    assert "COMMAND" in refused(capsys, "a.o", "--")


def test_a_command_without_an_object_is_refused(capsys):
    assert "OBJECT" in refused(capsys, "--", "ls")


def test_no_arguments_are_refused(capsys):
    assert "OBJECT" in refused(capsys)


def test_abbreviated_options_are_refused(capsys):
    refused(capsys, "--js", "a.o")


def test_asking_for_the_verifiers_log_asks_for_level_one():
    options = parse(["--verifier-log", "a.o"])
    assert (options.verifier_log, options.log_level) == (True, 1)


def test_a_log_level_asks_for_the_verifiers_log():
    options = parse(["--log-level", "2", "a.o"])
    assert (options.verifier_log, options.log_level) == (True, 2)


def test_the_help_fits_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        parse(["--help"])
    assert end.value.code == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_help_shows_a_value_that_may_be_left_out_as_it_must_be_written(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    out = capsys.readouterr().out
    assert "  --syscalls[=short]  " in out
    assert "--syscalls [" not in out
    assert parse(["--syscalls=short", "a.o"]).syscalls == "short"


def test_the_helps_examples_can_be_parsed():
    examples = re.findall(r"^  bpf-run (.*?)(?: \||  +|$)", _run_parser.EPILOG, re.MULTILINE)
    assert len(examples) >= 6
    for example in examples:
        options = parse([word.strip("'") for word in example.split()])
        assert options.objects


def test_the_version_names_the_package_and_libbpf(capsys):
    with pytest.raises(SystemExit) as end:
        parse(["--version"])
    assert end.value.code == 0
    assert re.fullmatch(r"libbpf_cffi \S.*, libbpf 1\.\d+\n", capsys.readouterr().out)


def test_the_defaults_are_what_the_options_say():
    assert vars(parse(["a.o"])) == {**vars(Options()), "objects": ["a.o"]}


def test_the_object_of_a_source_is_named_as_libbpf_would():
    assert _run_options.object_name("/x/execve.bpf.c") == "execve"


def test_control_characters_are_shown_and_not_sent():
    assert (
        printable("a\x1b]0;owned\x07\x7f\x9b31m\tb\nc\u2028é")
        == "a\\x1b]0;owned\\x07\\x7f\\x9b31m\tb\nc\u2028é"
    )


def test_importing_the_command_imports_neither_argparse_nor_what_the_trace_needs():
    program = "import sys, libbpf_cffi.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "libbpf_cffi.run" in modules
    for name in (
        "argparse",
        "libbpf_cffi._run_trace",
        "libbpf_cffi.infos",
        "json",
        "subprocess",
        "logging",
        "typing",
    ):
        assert name not in modules


def test_help_for_a_reader_that_is_gone_is_no_error():
    read, write = os.pipe()
    os.close(read)
    # Only what is buffered is a trouble at Python's end.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "libbpf_cffi.run", "--help"]
    done = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, text=True, env=environment, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_is_as_wide_as_the_terminal():
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 132, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "libbpf_cffi.run", "--help"]
    process = subprocess.Popen(command, stdout=follower, env=environment)
    os.close(follower)
    text = b""
    while True:
        try:
            text += os.read(leader, 4096)
        except OSError:
            break
    os.close(leader)
    assert process.wait() == 0
    assert 100 < max(map(len, text.splitlines())) <= 132


def test_main_gives_the_status_of_a_usage_error(capsys):
    program = "import sys; from libbpf_cffi.run import main; sys.exit(main(['--nonsense']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert run.main.__doc__


def test_a_setting_is_a_name_and_all_behind_the_first_equals_sign():
    options = parse(["-s", "a=1", "--set", "b.c[2]=x=y", "-s", "empty=", "a.o"])
    assert options.set == [("a", "1"), ("b.c[2]", "x=y"), ("empty", "")]


@pytest.mark.parametrize("text", ["a", "=1", ""])
def test_a_setting_without_a_name_or_a_value_is_refused(capsys, text):
    assert "is not NAME=VALUE" in refused(capsys, "--set", text, "a.o")


def test_a_map_is_shown_in_the_end_or_every_so_often():
    options = parse(["--map", "a", "-M", "b=2", "-M", ".bss=500ms", "--hist", "c=1m", "a.o"])
    assert options.map == [("a", None), ("b", 2.0), (".bss", 0.5)]
    assert options.hist == [("c", 60.0, "value")]


@pytest.mark.parametrize(
    ("text", "taken"),
    [("a", ("a", None, "value")), ("a:usecs", ("a", None, "usecs")), ("a:usecs=1", ("a", 1.0, "usecs"))],
)
def test_a_histogram_may_have_a_unit(text, taken):
    assert parse(["--hist", text, "a.o"]).hist == [taken]


@pytest.mark.parametrize("text", ["", ":", "a:", ":usecs", "a:=1"])
def test_what_is_no_histogram_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        parse(["--hist", text, "a.o"])
    assert "is not NAME" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["=1", "a=", "a=x", "a=0", "a=-1", "a=1us"])
def test_a_map_with_no_name_or_no_time_is_refused(capsys, text):
    assert "argument -M/--map" in refused(capsys, "--map", text, "a.o")


def test_variables_are_listed_instead_of_attaching():
    options = parse(["--variables", "--json", "-o", "f", "a.o"])
    assert options.load_only
    assert options.variables


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--variables", "--lines", "1"], "--lines is about the trace, which --variables does not show"),
        (["--variables", "--duration", "1"], "--duration does not go with --variables, which ends at once"),
        (["--variables", "-N"], "--no-trace does not go with --variables, which attaches nothing"),
        (["-N", "--no-events", "--map", "a", "-n", "1"], "--lines is about the trace, which --no-trace does not show"),
        (["--top", "3"], "--top is about maps: --map or --hist shows one"),
        (["-L", "--json"], "--json is about the trace, which --load-only does not show"),
        (["-L", "--pid", "1"], "--pid does not go with --load-only, which attaches nothing"),
    ],
)
def test_what_does_not_go_with_maps_and_variables_is_refused(capsys, arguments, said):
    assert said in refused(capsys, *arguments, "a.o")


@pytest.mark.parametrize("option", [["--json"], ["--output", "f"], ["--lines", "1"], ["--pid", "1"]])
def test_without_a_trace_there_may_be_events(option):
    assert parse(["--no-trace", *option, "a.o"]).no_trace


@pytest.mark.parametrize(
    ("text", "taken"), [("rb", ("rb", None)), ("rb:event", ("rb", "event")), ("rb: struct x", ("rb", "struct x"))]
)
def test_a_buffer_has_a_name_and_perhaps_a_type(text, taken):
    assert parse(["--events", text, "a.o"]).events == [taken]


@pytest.mark.parametrize("text", ["", ":event", "rb:"])
def test_a_buffer_without_a_name_or_with_an_empty_type_is_refused(capsys, text):
    assert "is not MAP or MAP:TYPE" in refused(capsys, "--events", text, "a.o")


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("pid=1", ("pid", "=", "1")),
        ("pid == 1", ("pid", "=", "1")),
        ("a.b[2]!=x=y", ("a.b[2]", "!=", "x=y")),
        ("n<=-3", ("n", "<=", "-3")),
        ("n<3", ("n", "<", "3")),
        ("n>=3", ("n", ">=", "3")),
        ("n>3", ("n", ">", "3")),
        ("comm~ssh*", ("comm", "~", "ssh*")),
        ("comm!~", ("comm", "!~", "")),
    ],
)
def test_a_condition_is_a_field_a_comparison_and_a_value(text, taken):
    assert parse(["--filter", text, "a.o"]).filter == [taken]


@pytest.mark.parametrize("text", ["", "pid", "=1", "pid!1"])
def test_a_condition_without_a_field_or_a_comparison_is_refused(capsys, text):
    assert "is not FIELD=VALUE" in refused(capsys, "--filter", text, "a.o")


def test_columns_are_a_list():
    assert parse(["--columns", "a, b.c,d[1]", "a.o"]).columns == ["a", "b.c", "d[1]"]


@pytest.mark.parametrize("text", ["", "a,", ",a"])
def test_a_column_without_a_name_is_refused(capsys, text):
    assert "is not FIELD,FIELD" in refused(capsys, "--columns", text, "a.o")


@pytest.mark.parametrize("mode", ["--no-trace", "--load-only"])
def test_maps_without_a_trace_may_be_json_and_go_to_a_file(mode):
    assert parse([mode, "--map", "a", "--json", "-o", "f", "a.o"]).json


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("eth0:egress", (None, "eth0:egress")),
        ("on_*=eth0", ("on_*", "eth0")),
        ("/a=b", (None, "/a=b")),
        ("p=/a=b", ("p", "/a=b")),
    ],
)
def test_a_target_may_name_its_program(text, meant):
    assert parse(["--ifindex", text, "a.o"]).ifindex == [meant]


@pytest.mark.parametrize(
    "option",
    [
        "--ifindex==x", "--cgroup=p=", "--uprobe=libc", "--uprobe=libc:0x", "--uprobe=libc:0x0", "--uprobe=libc:0x1_0",
        "--uprobe=libc:+0x1", "--usdt=a:b", "--perf-event=cpu-clock:x", "--syscalls=long",
    ],
)  # fmt: skip
def test_a_target_that_is_none_is_refused(capsys, option):
    assert "is not" in refused(capsys, option, "a.o")


def test_a_target_is_not_for_what_is_only_loaded(capsys):
    assert "attaches nothing" in refused(capsys, "-L", "--ifindex", "eth0", "a.o")


def test_a_program_that_calls_the_command_has_its_handlers_of_signals_back():
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = [signal.getsignal(each) for each in kinds]
    assert run.main(["--version"]) == 0
    assert [signal.getsignal(each) for each in kinds] == before
    assert signal.set_wakeup_fd(-1) == -1
