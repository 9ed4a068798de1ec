"""Events of the command: their fields, conditions, and rows as a table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from libbpf_cffi._record import enum_class, record_class, union_class
from libbpf_cffi._run_fields import Fields, keeper, missing
from libbpf_cffi._run_options import UsageError
from libbpf_cffi._run_rows import Csv, Json, names_of
from libbpf_cffi._run_table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

MOOD = enum_class("mood", (("CALM", 0), ("ANGRY", 7)))
INNER = record_class("inner", ("low", "high"))
EVENT = record_class("event", ("pid", "even", "mood", "comm", "inner", "list", "ratio", "count"))
ZERO = EVENT(0, False, MOOD(0), "", INNER(0, 0), (0, 0), 0.0, 0)
FIELDS = Fields(ZERO, None, "value")
OTHER = record_class("other", ("pid", "size"))
OTHERS = Fields(OTHER(0, 0), None, "value")


def event(pid: int = 1, comm: str = "sh", **more: Any) -> Any:
    rest = {"even": True, "mood": MOOD(7), "inner": INNER(2, -3), "list": (4, 5), "ratio": 0.5, "count": 6, **more}
    return EVENT(pid=pid, even=rest["even"], mood=rest["mood"], comm=comm, inner=rest["inner"], list=rest["list"],
                 ratio=rest["ratio"], count=rest["count"])  # fmt: skip


def table(columns: Sequence[str] | None, width: int | None, *events: Any, **more: Any) -> list[str]:
    chosen = [FIELDS.chosen(columns)]
    return Table(names_of(chosen, columns), chosen, ["events"], width, **more).rows(0, events).splitlines()


# Fields


def test_the_fields_of_a_struct_are_its_members_and_those_of_structs_in_it():
    paths = [field.path for field in FIELDS.leaves]
    assert paths == ["pid", "even", "mood", "comm", "inner.low", "inner.high", "list", "ratio", "count"]
    assert [field.get(event()) for field in FIELDS.leaves] == [1, True, 7, "sh", 2, -3, (4, 5), 0.5, 6]


def test_an_event_that_is_no_struct_is_its_only_field():
    fields = Fields(0, None, "value")
    assert [field.path for field in fields.leaves] == ["value"]
    assert fields["value"].get(5) == 5
    with pytest.raises(KeyError):
        fields["other"]


def test_a_path_leads_to_elements_of_arrays():
    assert FIELDS["list[1]"].get(event()) == 5


NOWHERE = ["x", "inner.x", "pid.x", "list[2]", "list[-1]", "list[x]", "comm[0]", "", ".", "list["]


@pytest.mark.parametrize("path", NOWHERE)
def test_a_path_that_leads_nowhere_is_none(path):
    with pytest.raises(KeyError):
        FIELDS[path]
    assert FIELDS.chosen([path]) == []


def test_a_chosen_struct_stands_for_its_members():
    assert [field.path for field in FIELDS.chosen(["inner", "pid"])] == ["inner.low", "inner.high", "pid"]


def test_a_union_is_one_field_whose_members_can_be_chosen():
    kind = union_class("either", ("whole", "parts"), (lambda data: data[0], tuple), lambda data, _: data)
    record = record_class("event", ("pid", "u"))
    fields = Fields(record(0, kind(b"\0\0")), None, "value")
    assert [field.path for field in fields.leaves] == ["pid", "u"]
    assert fields["u.whole"].get(record(1, kind(b"\5\6"))) == 5


def test_a_member_whose_name_records_need_for_themselves_is_a_field():
    record = record_class("event", ("_asdict", "_fields"))
    fields = Fields(record(0, 0), None, "value")
    assert [field.get(record(3, 4)) for field in fields.leaves] == [3, 4]


@pytest.mark.parametrize(
    ("members", "found"),
    [(("pid", "tgid"), "tgid"), (("tid", "pid"), "pid"), (("tid",), "tid"), (("prev_pid", "comm"), None)],
)
def test_whose_an_event_is_says_the_process_s_number(members, found):
    record = record_class("event", members)
    field = Fields(record(*(0 for _ in members)), None, "value").process()
    assert (field and field.path) == found


def test_a_field_that_is_missing_is_told_of_with_close_names():
    assert "events have no field 'conm'; close names: comm" in str(missing("--columns", "conm", [FIELDS]))


# Conditions


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        (("pid", "=", "2"), [2]),
        (("pid", "=", "0x2"), [2]),
        (("pid", "!=", "2"), [1, 3]),
        (("pid", "<", "2"), [1]),
        (("pid", "<=", "2"), [1, 2]),
        (("pid", ">", "2"), [3]),
        (("pid", ">=", "2"), [2, 3]),
        (("pid", "~", "[12]"), [1, 2]),
        (("comm", "=", "b"), [2]),
        (("comm", "=", "'b'"), [2]),
        (("comm", "~", "b*"), [2, 3]),
        (("comm", "~", "b"), [2]),
        (("comm", "!~", "b*"), [1]),
        (("comm", "<", "b"), [1]),
        (("even", "=", "yes"), [1, 3]),
        (("mood", "=", "CALM"), [2]),
        (("mood", "=", "7"), [1, 3]),
        (("mood", "~", "A*"), [1, 3]),
        (("inner.high", "<", "-2"), [3]),
        (("list[0]", "=", "2"), [2]),
        (("list", "=", "[2, 0]"), [2]),
        (("list", "!=", "[2, 0]"), [1, 3]),
        (("ratio", ">", "1.5"), [2, 3]),
    ],
)
def test_a_condition_keeps_what_it_holds_for(condition, kept):
    names = {1: "a", 2: "b", 3: "bc"}
    events = [
        event(pid, name, even=pid != 2, mood=MOOD(7 * (pid != 2)), inner=INNER(0, -pid), list=(pid, 0), ratio=pid + 0.0)
        for pid, name in names.items()
    ]
    keep = keeper(FIELDS, condition)
    assert keep is not None
    assert [each.pid for each in keep(events)] == kept


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (("pid", "=", "x"), "--filter pid=x: pid is a number, not 'x'"),
        (("even", "=", "maybe"), "even is true or false, not 'maybe'"),
        (("mood", "=", "SAD"), "mood is one of CALM, ANGRY or a number, not 'SAD'"),
        (("ratio", "<", ""), "ratio is a number, not ''"),
        (("list", "<", "3"), "list has no order"),
    ],
)
def test_a_value_that_does_not_suit_is_wrong_usage(condition, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        keeper(FIELDS, condition)


def test_a_condition_on_a_field_that_is_not_there_is_none():
    assert keeper(FIELDS, ("x", "=", "1")) is None


# Tables


def test_a_table_has_a_header_and_numbers_to_the_right():
    lines = table(["pid", "comm", "mood", "even", "inner", "list"], None, event(), event(20, "bash", even=False))
    assert lines == [
        "PID  COMM  MOOD   EVEN   INNER.LOW  INNER.HIGH  LIST",
        "  1  sh    ANGRY  true           2          -3  [4, 5]",
        " 20  bash  ANGRY  false          2          -3  [4, 5]",
    ]


def test_the_header_is_written_once_and_columns_grow_with_their_numbers():
    chosen = [FIELDS.chosen(["pid", "comm"])]
    rows = Table(["pid", "comm"], chosen, ["events"], None)
    assert rows.rows(0, [event()]) == "PID  COMM\n  1  sh\n"
    assert rows.rows(0, [event(12345)]) == "12345  sh\n"
    assert rows.rows(0, [event(1)]) == "    1  sh\n"


@pytest.mark.parametrize("width", [20, 40, 60, 100])
def test_no_row_is_wider_than_the_terminal(width):
    lines = table(["pid", "comm", "mood"], width, event(123456, "x" * 200), event())
    assert max(map(len, lines)) <= width
    assert "123456" in lines[1]


def test_text_that_is_cut_says_so():
    assert table(["comm", "pid"], 12, event(1, "abcdefghijkl"))[1] == "abcdef…    1"


def test_text_that_comes_later_is_cut_to_its_column_on_a_terminal():
    rows = Table(["comm", "pid"], [FIELDS.chosen(["comm", "pid"])], ["events"], 80)
    rows.rows(0, [event(1, "abcdef")])
    assert rows.rows(0, [event(1, "abcdefgh")]) == "abcde…    1\n"


def test_the_last_column_has_what_is_left_of_the_terminal():
    rows = Table(["pid", "comm"], [FIELDS.chosen(["pid", "comm"])], ["events"], 20)
    rows.rows(0, [event()])
    assert rows.rows(0, [event(1, "x" * 30)]) == f"  1  {'x' * 14}…\n"


def test_nothing_is_cut_where_there_is_no_terminal():
    assert "x" * 300 in table(["comm", "pid"], None, event(1, "x" * 300))[1]


def test_control_characters_do_not_reach_the_terminal_and_a_row_is_a_line():
    assert table(["comm"], None, event(1, "a\n\x1b[1m%s"))[1:] == ["a\\n\\x1b[1m%s"]


def test_what_is_not_of_its_type_is_shown_in_hexadecimal():
    rows = Table(["pid"], [FIELDS.chosen(["pid"])], ["events"], None)
    assert rows.odd(0, b"\x01\xff") == "2 bytes: 01 ff\n"


def test_events_of_several_buffers_share_the_columns_of_the_same_name():
    chosen = [FIELDS.chosen(["pid", "comm"]), OTHERS.chosen(None)]
    rows = Table(names_of(chosen), chosen, ["events", "others"], None)
    text = rows.rows(0, [event(3)]) + rows.rows(1, [OTHER(4, 5)])
    assert text.splitlines() == [
        "EVENTS  PID  COMM  SIZE",
        "events    3  sh",
        "others    4           5",
    ]


def test_columns_of_several_buffers_are_in_the_order_that_is_asked_for():
    wanted = ["size", "inner", "pid"]
    chosen = [FIELDS.chosen(wanted), OTHERS.chosen(wanted)]
    assert names_of(chosen, wanted) == ["size", "inner.low", "inner.high", "pid"]


# CSV


def of_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_is_read_back_as_it_was():
    chosen = [FIELDS.chosen(None)]
    rows = Csv(names_of(chosen), chosen, ["events"])
    text = rows.head() + rows.rows(0, [event(1, 'a,"b"\n'), event(2, "%s")])
    assert of_csv(text) == [
        ["pid", "even", "mood", "comm", "inner.low", "inner.high", "list", "ratio", "count"],
        ["1", "true", "ANGRY", 'a,"b"\n', "2", "-3", "[4, 5]", "0.5", "6"],
        ["2", "true", "ANGRY", "%s", "2", "-3", "[4, 5]", "0.5", "6"],
    ]


def test_csv_of_several_buffers_leaves_empty_what_a_buffer_has_not():
    chosen = [FIELDS.chosen(["pid", "comm"]), OTHERS.chosen(None)]
    rows = Csv(names_of(chosen), chosen, ["events", "others"])
    text = rows.head() + rows.rows(0, [event()]) + rows.rows(1, [OTHER(4, 5)])
    assert of_csv(text) == [["events", "pid", "comm", "size"], ["events", "1", "sh", ""], ["others", "4", "", "5"]]


# JSON


def of_json(fields: Fields, columns: Sequence[str] | None, *events: Any, sources: Sequence[str] = ("events",)) -> Any:
    rows = Json([fields], [fields.chosen(columns)], sources, flat=columns is not None)
    return [json.loads(line) for line in rows.rows(0, events).splitlines()]


def test_json_is_nested_as_the_struct_is():
    assert of_json(FIELDS, None, event(1, 'a"\n\x1b%')) == [
        {
            "pid": 1, "even": True, "mood": "ANGRY", "comm": 'a"\n\x1b%', "inner": {"low": 2, "high": -3},
            "list": [4, 5], "ratio": 0.5, "count": 6,
        }
    ]  # fmt: skip


def test_json_of_chosen_fields_is_flat():
    assert of_json(FIELDS, ["list[0]", "inner"], event()) == [{"list[0]": 4, "inner.low": 2, "inner.high": -3}]


def test_json_of_what_is_no_struct_has_one_member():
    assert of_json(Fields(0, None, "value"), None, 5) == [{"value": 5}]


def test_json_of_several_buffers_says_which():
    rows = Json([FIELDS, OTHERS], [FIELDS.chosen(["pid"]), OTHERS.chosen(["pid"])], ["a%", "b"], flat=True)
    assert [json.loads(rows.rows(at, [each])) for at, each in enumerate((event(), OTHER(4, 5)))] == [
        {"events": "a%", "pid": 1},
        {"events": "b", "pid": 4},
    ]
    assert json.loads(rows.odd(0, b"\xff")) == {"events": "a%", "bytes": "ff"}


# Times


@pytest.mark.parametrize("kind", ["table", "csv", "json"])
def test_nanoseconds_since_the_start_become_the_time_of_day(kind, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    chosen = [FIELDS.chosen(["count"])]
    made = {
        "table": lambda: Table(["count"], chosen, ["events"], None, ["count"]),
        "csv": lambda: Csv(["count"], chosen, ["events"], ["count"]),
        "json": lambda: Json([FIELDS], chosen, ["events"], ["count"], flat=True),
    }
    before = time.time()
    text = made[kind]().rows(0, [event(count=time.monotonic_ns())])
    found = re.search(r"(\d\d):(\d\d):(\d\d\.\d{6})", text)
    assert found is not None
    hours, minutes, seconds = map(float, found.groups())
    assert (hours * 3600 + minutes * 60 + seconds - before) % 86400 < 5
