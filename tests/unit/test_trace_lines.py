"""What the text of a trace pipe means. The samples are what Linux 6.18 printed, unless a test says otherwise."""

from __future__ import annotations

import copy
import pickle
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libbpf_cffi._trace_lines import LineParser, LostEvents, TraceLine, parse_trace

HELLO = "           <...>-4770    [001] ...1.  1112.175395: tracing_mark_write: hello\n"
OTHER = "            bash-300     [000] d.h1.  1112.175396: bpf_trace_printk: execve: pid=300\n"


def one(text: str | bytes) -> TraceLine:
    """Parse what must be one line."""
    (line,) = parse_trace(text)
    assert isinstance(line, TraceLine)
    return line


def header(task: str | bytes = "bash", pid: int = 300, rest: str = "[000] ...1.  1112.175396: ") -> bytes:
    """Make a header as the kernel does: 16 bytes for the task's name."""
    name = task.encode() if isinstance(task, str) else task
    return b" " * (16 - len(name)) + name + f"-{pid:<7} {rest}".encode()


def test_an_ordinary_line_has_all_its_parts() -> None:
    assert one(HELLO) == TraceLine("<...>", 4770, None, 1, "...1.", 1112.175395, "tracing_mark_write", "hello")


def test_a_record_prints_as_the_kernel_printed_it() -> None:
    assert f"{one(OTHER)}\n" == OTHER


def test_a_record_with_a_process_id_prints_as_the_kernel_printed_it() -> None:
    text = "          python-4771    (   4770) [000] ...1.  1113.679733: tracing_mark_write: x y\n"
    assert f"{one(text)}\n" == text


def test_a_record_without_flags_prints_as_the_kernel_printed_it() -> None:
    text = "           <...>-4770    [000]   1113.177781: tracing_mark_write: x y\n"
    assert f"{one(text)}\n" == text


def test_a_record_of_a_clock_that_counts_prints_as_the_kernel_printed_it() -> None:
    text = "           <...>-4770    [000] ...1.            2: tracing_mark_write: clock counter\n"
    assert f"{one(text)}\n" == text


def test_a_loss_prints_as_the_kernel_printed_it() -> None:
    assert str(LostEvents(1, 17641)) == "CPU:1 [LOST 17641 EVENTS]"


def test_a_loss_of_unknown_size_prints_as_the_kernel_printed_it() -> None:
    assert str(LostEvents(1, None)) == "CPU:1 [LOST EVENTS]"


def test_a_record_is_immutable() -> None:
    with pytest.raises(AttributeError):
        one(HELLO).pid = 1  # type: ignore[misc]


def test_a_record_can_be_pickled_and_copied() -> None:
    line = one(HELLO)
    assert pickle.loads(pickle.dumps(line)) == copy.deepcopy(line) == line
    assert type(pickle.loads(pickle.dumps(line))) is TraceLine


@pytest.mark.parametrize(
    "task",
    ["kworker/u4:1", "a b c", "ab  ", "ü  ", "my-task-1", "[x] (y)", "<idle>", "-", "a-1 [000] ...1.", "x: y: z", "",
     "ünï", "…"],
)  # fmt: skip
def test_a_task_may_have_any_name(task: str) -> None:
    assert one(header(task) + b"ev: m\n")[:4] == (task, 300, None, 0)


def test_a_task_may_have_a_newline_in_its_name() -> None:
    first, second = parse_trace(HELLO.encode() + header("a\nb") + b"ev: m\n")
    assert (first.message, second.task, second.message) == ("hello", "a\nb", "m")


def test_bytes_that_are_not_utf_8_are_shown_in_a_task_name_and_a_message() -> None:
    line = one(header(b"\xff\xfe") + b"ev: \x80abc\n")
    assert (line.task, line.message) == (r"\xff\xfe", r"\x80abc")


def test_blanks_at_the_ends_of_a_message_are_kept() -> None:
    assert one(header() + b"ev:  \t m \n").message == " \t m "


def test_no_byte_but_newline_ends_a_line() -> None:
    message = "a\rb\x0bc\x0cd\x1ce\x85f\u2028g\0h"
    assert one(header() + b"ev: " + message.encode() + b"\n").message == message


def test_a_message_may_be_empty() -> None:
    assert one(header() + b"ev: \n")[-2:] == ("ev", "")


def test_a_message_may_have_colons() -> None:
    assert one(OTHER)[-2:] == ("bpf_trace_printk", "execve: pid=300")


def test_a_message_may_be_a_number_and_a_colon() -> None:
    assert one(header() + b"ev: 12.345678: x: y\n")[-2:] == ("ev", "12.345678: x: y")


def test_a_message_keeps_its_newlines() -> None:
    first, second = parse_trace(header() + b"ev: a\n\nb\nc\n" + OTHER.encode())
    assert (first.message, second.message) == ("a\n\nb\nc", "execve: pid=300")


def test_a_newline_that_the_programmer_put_at_the_end_is_taken_off() -> None:
    first, second = parse_trace(header() + b"ev: a\n\n" + OTHER.encode())
    assert (first.message, second.message) == ("a", "execve: pid=300")


def test_only_one_newline_at_the_end_is_taken_off() -> None:
    assert one(header() + b"ev: a\n\n\n").message == "a\n"


def test_a_message_of_one_newline_is_empty() -> None:
    assert one(header() + b"ev: \n\n").message == ""


def test_a_line_of_a_message_that_looks_like_a_header_without_its_padding_is_the_messages() -> None:
    assert one(header() + b"ev: a\nbash-300 [000] ...1. 12.123456: ev: b\n").message.count("\n") == 1


def test_a_header_quoted_within_a_line_is_the_messages() -> None:
    assert one(header() + b"ev: see " + OTHER.encode()).message == "see " + OTHER[:-1]


@pytest.mark.parametrize("flags", ["....", ".....", "dNh2.", "DBZfff", "bnHs13"])
def test_flags_may_be_any_letters_of_any_number_from_four(flags: str) -> None:
    # Four before Linux 5.12, five since.
    line = one(header(rest=f"[000] {flags}  1112.175396: ") + b"ev: m\n")
    assert (line.flags, line.timestamp) == (flags, 1112.175396)


def test_flags_are_empty_with_irq_info_off() -> None:
    line = one("           <...>-4770    [000]   1113.177781: tracing_mark_write: x y\n")
    assert (line.flags, line.timestamp, line.message) == ("", 1113.177781, "x y")


def test_the_process_id_is_shown_with_record_tgid() -> None:
    line = one("          python-4771    (   4770) [000] ...1.  1113.679733: tracing_mark_write: x y\n")
    assert (line.pid, line.tgid) == (4771, 4770)


@pytest.mark.parametrize("unknown", ["(-------)", "(-----)"])
def test_a_process_id_that_the_kernel_does_not_know_is_none(unknown: str) -> None:
    line = one(f"           <...>-4770    {unknown} [000] ...1.  1113.679733: tracing_mark_write: x y\n")
    assert (line.pid, line.tgid, line.cpu) == (4770, None, 0)


def test_the_columns_of_old_kernels_are_narrower() -> None:
    # "%-5d" for the pid and four flags, Linux 5.4.
    line = one("            bash-12    [001] .... 10.000001: 0: hello\n")
    assert line == TraceLine("bash", 12, None, 1, "....", 10.000001, "0", "hello")


@pytest.mark.parametrize("pid", [1, 9999999, 4194304, 12345678])
@pytest.mark.parametrize("cpu", [0, 999, 1000, 4095])
@pytest.mark.parametrize("time", ["    1.000000", "99999.999999", "100000.000000", "1795386129.390091"])
def test_wide_numbers_shift_the_columns(pid: int, cpu: int, time: str) -> None:
    line = one(header(pid=pid, rest=f"[{cpu:03}] ...1. {time}: ") + b"ev: m\n")
    assert (line.pid, line.cpu, line.timestamp, line.message) == (pid, cpu, float(time), "m")


def test_the_number_of_a_clock_that_does_not_count_seconds_is_whole() -> None:
    line = one("           <...>-4770    [000] ...1. 92233720368547758: tracing_mark_write: tsc\n")
    assert (line.timestamp, type(line.timestamp)) == (92233720368547758, int)


def test_seconds_are_a_float_to_the_microsecond() -> None:
    assert one(HELLO).timestamp == 1112.175395


def test_a_clock_may_be_changed_in_between() -> None:
    text = "           <...>-1       [000] ...1.            2: ev: a\n"
    assert [line.timestamp for line in parse_trace(HELLO + text + HELLO + text)] == [1112.175395, 2, 1112.175395, 2]


def test_an_entry_of_the_function_tracer_has_no_event() -> None:
    line = one(header() + b"do_sys_open <-__x64_sys_openat\n")
    assert line[-2:] == ("", "do_sys_open <-__x64_sys_openat")


def test_an_entry_of_a_system_call_has_no_event() -> None:
    line = one(header() + b"sys_read(fd: 3, buf: 7f0, count: 2)\n")
    assert line[-2:] == ("", "sys_read(fd: 3, buf: 7f0, count: 2)")


def test_an_entry_without_an_event_does_not_take_that_of_the_next() -> None:
    first, second = parse_trace(header() + b"do_sys_open\n" + OTHER.encode())
    assert (first.event, second.event) == ("", "bpf_trace_printk")


def test_an_entry_without_an_event_may_have_newlines_and_colons() -> None:
    assert one(header() + b"foo\nbar: baz\n")[-2:] == ("", "foo\nbar: baz")


def test_a_stack_is_one_message() -> None:
    assert one(header() + b"<stack trace>\n => a\n => b\n").message == "<stack trace>\n => a\n => b"


def test_the_event_of_a_kernel_module_has_the_modules_name() -> None:
    assert one(header() + b"hello_init [hello]: text\n")[-2:] == ("hello_init [hello]", "text")


def test_a_loss_is_a_record_before_the_line_that_follows_it() -> None:
    assert parse_trace(HELLO + "CPU:0 [LOST 17641 EVENTS]\n" + OTHER) == [one(HELLO), LostEvents(0, 17641), one(OTHER)]


def test_a_loss_may_come_first() -> None:
    assert parse_trace("CPU:1 [LOST 2795 EVENTS]\n" + HELLO) == [LostEvents(1, 2795), one(HELLO)]


def test_a_loss_of_unknown_size_has_no_number() -> None:
    assert parse_trace("CPU:1 [LOST EVENTS]\n" + HELLO) == [LostEvents(1, None), one(HELLO)]


def test_a_loss_may_follow_a_message_with_newlines() -> None:
    text = header() + b"ev: a\nb\nCPU:0 [LOST 3 EVENTS]\n" + OTHER.encode()
    first, loss, last = parse_trace(text)
    assert (first.message, loss, last) == ("a\nb", LostEvents(0, 3), one(OTHER))


def test_a_loss_may_follow_a_message_with_a_newline_at_its_end() -> None:
    text = header() + b"ev: a\n\nCPU:0 [LOST 3 EVENTS]\n" + OTHER.encode()
    first, loss, last = parse_trace(text)
    assert (first.message, loss, last) == ("a", LostEvents(0, 3), one(OTHER))


def test_words_of_a_loss_in_a_message_are_the_messages() -> None:
    # The kernel speaks of a loss before an entry of the same CPU.
    first, second = parse_trace(header() + b"ev: a\nCPU:7 [LOST 99 EVENTS]\n" + OTHER.encode())
    assert (first.message, second) == ("a\nCPU:7 [LOST 99 EVENTS]", one(OTHER))


def test_words_of_a_loss_in_a_message_are_the_messages_in_the_exact_way_too() -> None:
    text = header("ünï") + b"ev: a\nCPU:7 [LOST 99 EVENTS]\n" + header("ünï") + b"ev: b\n"
    assert [line.message for line in parse_trace(text)] == ["a\nCPU:7 [LOST 99 EVENTS]", "b"]


def test_words_of_a_loss_at_the_very_end_are_the_messages() -> None:
    assert one(header() + b"ev: a\nCPU:0 [LOST 99 EVENTS]\n").message == "a\nCPU:0 [LOST 99 EVENTS]"


def test_words_of_a_loss_within_a_line_are_the_messages() -> None:
    assert one(header() + b"ev: CPU:0 [LOST 99 EVENTS]\n").message == "CPU:0 [LOST 99 EVENTS]"


def test_a_text_without_headers_is_a_record_a_line() -> None:
    text = "tracing_mark_write: hello\nsched_wakeup: comm=x\n"
    assert parse_trace(text) == [
        TraceLine("", -1, None, -1, "", 0.0, "tracing_mark_write", "hello"),
        TraceLine("", -1, None, -1, "", 0.0, "sched_wakeup", "comm=x"),
    ]


def test_a_record_without_a_header_prints_as_its_text() -> None:
    assert [str(line) for line in parse_trace("ev: a\nfoo\n")] == ["ev: a", "foo"]


def test_a_loss_among_lines_without_headers_is_a_record() -> None:
    assert parse_trace("CPU:1 [LOST 5 EVENTS]\nev: a\n")[0] == LostEvents(1, 5)


def test_an_entry_without_a_newline_is_complete_at_the_end() -> None:
    assert one(header() + b"ev: a").message == "a"


def test_entries_without_newlines_are_told_apart_once_there_are_such() -> None:
    # trace_printk("a") in the kernel, and bpf_trace_printk("a") before Linux 5.9.
    parser = LineParser()
    parser.glued = True
    text = header() + b"ev: a" + header("b c") + b"ev: b\n" + header() + b"ev: c" + header() + b"ev: d"
    assert [line.message for line in parser.parse(text)] == ["a", "b", "c", "d"]


def test_a_loss_after_an_entry_without_a_newline_is_a_record() -> None:
    parser = LineParser()
    parser.glued = True
    first, loss, last = parser.parse(header() + b"ev: aCPU:0 [LOST 3 EVENTS]\n" + header() + b"ev: b")
    assert (first.message, loss, last.message) == ("a", LostEvents(0, 3), "b")


def test_the_head_of_the_file_trace_is_left_out() -> None:
    head = "# tracer: nop\n#\n# entries-in-buffer/entries-written: 2/2   #P:2\n#\n#              | | |\n"
    assert parse_trace(head + HELLO) == [one(HELLO)]


def test_the_remark_of_the_file_trace_on_a_cpu_is_left_out() -> None:
    assert parse_trace(HELLO + "##### CPU 0 buffer started ####\n" + OTHER) == [one(HELLO), one(OTHER)]


def test_no_text_is_no_records() -> None:
    assert parse_trace("") == parse_trace(b"\n") == parse_trace("# tracer: nop\n") == []


def test_a_parser_gets_used_to_another_width_of_the_header() -> None:
    parser = LineParser()
    text = b"".join(header(rest="[000]   1113.177781: ") + b"ev: m\n" for _ in range(3))
    assert parser.parse(text) == parser.parse(text) == [one(text[: len(text) // 3])] * 3
    assert parser._width == 30


def test_the_first_columns_that_are_remembered_are_limited() -> None:
    parser = LineParser()
    for pid in range(5000):
        parser.parse(header(pid=pid) + b"ev: m\n")
    assert len(parser._columns) <= parser._columns.LIMIT


names = st.binary(max_size=15).filter(lambda name: b"\0" not in name)
events = st.from_regex(rb"[a-z_][a-z0-9_]{0,20}", fullmatch=True)
messages = st.one_of(
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "backslashreplace")),
    st.binary(max_size=60),
    st.sampled_from([b"", b"\n", b"a\nb", b"a\n", b"x: y", b"-1 [000] ", b"CPU:0 [LOST 1 EVENTS]"]),
)
Entry: TypeAlias = "tuple[bytes, int, int, str, bytes, bytes]"
lines: st.SearchStrategy[Entry] = st.tuples(
    names, st.integers(0, 4194304), st.integers(0, 2000), st.sampled_from(["", "....", "d.h2."]), events, messages
)


def shown(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


@settings(deadline=None)
@given(st.lists(lines, max_size=8), st.booleans())
def test_what_the_kernel_prints_is_read_back(entries: list[Entry], tgid: bool) -> None:
    text = b""
    expected = []
    for name, pid, cpu, flags, event, message in entries:
        columns = f"{'(-------) ' if tgid else ''}[{cpu:03}] {flags}  {pid:5}.000001: "
        text += header(name, pid, columns) + event + b": " + message + b"\n"
        number = pid + 0.000001
        task = shown(name.lstrip(b" "))
        said = shown(message.removesuffix(b"\n"))
        expected.append(TraceLine(task, pid, None, cpu, flags, round(number, 6), shown(event), said))
    parser = LineParser()
    assert parser.parse(text) == expected
    # Having learned, it reads the same.
    assert parser.parse(text) == expected


@settings(deadline=None)
@given(st.lists(lines, max_size=8))
def test_the_quick_way_and_the_exact_way_agree(entries: list[Entry]) -> None:
    text = b"".join(
        header(name, pid, f"[{cpu:03}] {flags or '....'}  {pid:5}.000001: ") + event + b": " + message + b"\n"
        for name, pid, cpu, flags, event, message in entries
    )
    parser = LineParser()
    assert parser.parse(text) == [record for _, record in parser.entries(text)]


@settings(deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_without_an_exception(text: bytes, glued: bool) -> None:
    parser = LineParser()
    parser.glued = glued
    parser.parse(text)


@settings(deadline=None)
@given(st.lists(lines, max_size=6))
def test_the_offsets_of_records_are_where_to_go_on(entries: list[Entry]) -> None:
    text = b"".join(
        header(name, pid, f"[{cpu:03}] ...1.  {pid:5}.000001: ") + event + b": " + message + b"\n"
        for name, pid, cpu, _, event, message in entries
    )
    parser = LineParser()
    records = parser.parse(text)
    for number, (offset, _) in enumerate(parser.entries(text)):
        assert parser.parse(text[offset:]) == records[number:]


@pytest.mark.parametrize(
    "part", ["#\n", "CPU:1 [LOST 1 EVENTS]\n", "##### CPU 0 buffer started ####\n", "-1 ", "-1 [000"]
)
@pytest.mark.parametrize("before", ["", HELLO])
def test_a_text_that_was_made_to_take_long_comes_to_an_end(part: str, before: str) -> None:
    # In the square of its length it would take an hour.
    assert parse_trace(f"{before}{part * 100_000}x\n{OTHER}")


def test_a_number_of_more_digits_than_python_takes_is_none() -> None:
    assert [line.pid for line in parse_trace(f"{HELLO}{'x' * 16}-{'1' * 5000} [000] ...1.  1.000000: a: b\n")] == [4770]
