"""The classes of typed values: records, unions, enumerations; in pickles, in threads, with hostile names."""

from __future__ import annotations

import copy
import gc
import ipaddress
import json
import os
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from made_btf import Made

from libbpf_cffi import _record
from libbpf_cffi._record import Record, UnionValue, enum_class, plain, record_class


class Types:
    """A struct with everything that has a class of its own."""

    def __init__(self) -> None:
        made = self.made = Made()
        u32, u8 = made.int("u32", 4, 0), made.int("u8", 1, 0)
        number = made.struct("number", 4, ("whole", u32, 0), ("bytes", made.array(u8, 4), 0), union=True)
        anonymous = made.struct("", 4, ("id", u32, 0), ("low", u8, 0), union=True)
        state = made.enum("state", 4, ("IDLE", 0), ("BUSY", 1))
        inner = made.struct("inner", 8, ("a", u32, 0), ("b", u32, 32))
        members = ("pid", u32, 0), ("number", number, 32), ("", anonymous, 64), ("state", state, 96), ("in", inner, 128)
        self.event = made[made.struct("event", 24, *members)]
        self.value = self.event(pid=7, number={"whole": 258}, id=513, state="BUSY", **{"in": (1, 2)})


@pytest.fixture
def types() -> Types:
    return Types()


def struct_of(*names: str):
    """Make the type of a struct with a u8 for each name."""
    made = Made()
    u8 = made.int("u8", 1, 0)
    return made[made.struct("s", len(names), *((name, u8, index * 8) for index, name in enumerate(names)))]


# Records


def test_members_are_attributes(types):
    value = types.value
    assert (value.pid, value.number.whole, value.id, value.low, value.state) == (7, 258, 513, 1, 1)
    assert getattr(value, "in").b == 2


def test_the_record_class_is_what_decode_gives(types):
    assert type(types.event.decode(bytes(24))) is types.event.record
    assert issubclass(types.event.record, Record)
    assert types.event.record.__name__ == "event"


def test_fields_are_the_names_of_the_members_anonymous_ones_included(types):
    assert types.event.record._fields == ("pid", "number", "id", "low", "state", "in")


def test_asdict_has_every_member_and_leaves_records_as_they_are(types):
    found = types.value._asdict()
    assert list(found) == list(types.event.record._fields)
    assert found["id"] == 513
    assert found["in"] is types.value[4]


def test_replace_gives_a_changed_copy(types):
    changed = types.value._replace(pid=8, id=1)
    assert (changed.pid, changed.id, changed.low, types.value.pid, types.value.id) == (8, 1, 1, 7, 513)


def test_replace_of_a_member_that_there_is_not_is_refused(types):
    with pytest.raises(ValueError, match="event has no member 'nope'"):
        types.value._replace(nope=1)


def test_a_record_is_its_tuple(types):
    assert types.value == tuple(types.value)
    assert hash(types.value) == hash(tuple(types.value))
    assert len(types.value) == 5


def test_records_of_the_same_bytes_are_equal_and_hash_equally(types):
    again = types.event.decode(types.event.encode(types.value))
    assert again == types.value
    assert hash(again) == hash(types.value)
    assert again != types.value._replace(pid=8)


def test_a_record_cannot_be_changed(types):
    with pytest.raises(AttributeError):
        types.value.pid = 8
    with pytest.raises(AttributeError):
        types.value.other = 8


def test_repr_names_the_struct_and_its_members(types):
    assert repr(types.value) == (
        "event(pid=7, number=number(whole=258, bytes=(2, 1, 0, 0)), id=513, low=1, state=<state.BUSY: 1>, "
        "in=inner(a=1, b=2))"
    )


def test_calling_the_class_takes_all_values_by_place_or_name():
    record = struct_of("a", "b").record
    assert record(1, 2) == record(1, b=2) == record(a=1, b=2) == (1, 2)
    for wrong in (lambda: record(1), lambda: record(1, 2, 3), lambda: record(1, 2, b=3), lambda: record(1, c=2)):
        with pytest.raises(TypeError, match="s takes the values of its members: a, b"):
            wrong()


def test_the_same_description_is_the_same_class():
    assert struct_of("a", "b").record is struct_of("a", "b").record
    assert struct_of("a", "b").record is not struct_of("a", "c").record


def test_a_typedef_of_a_nameless_struct_names_its_class():
    made = Made()
    nameless = made.struct("", 4, ("a", made.int(), 0))
    kind = made[made.const(made.typedef("again_t", made.const(made.typedef("event_t", nameless))))]
    assert kind.record._name == "event_t"
    assert repr(made[nameless].decode(bytes(4))) == "struct(a=0)"


# Names that Python uses itself

NAMES = [
    "self", "cls", "class", "def", "None", "in", "lambda", "count", "index", "_fields", "_elements", "_name", "_asdict",
    "_replace", "_make", "__slots__", "__class__", "__dict__", "__new__", "__init__", "__reduce__", "__eq__",
    "__hash__", "__len__", "__getattribute__", "__doc__", "__module__", "__qualname__", "__weakref__", "mro",
    "__private", "_", "__", "____", "data", "values", "members", "new", "v0", "c0", "_bytes", "_values", "_decoders",
    "_overlay", "__bytes__", "__set_name__", "__init_subclass__", "__classcell__", "__match_args__", "a b", "a.b",
    "1", "a-b", "\N{GREEK SMALL LETTER MU}", "\udcff\udcfe", "x); import os; (", "'", '"', "\\", "\n", "{0}", "%s",
    "a" * 5000,
]  # fmt: skip


def test_members_of_any_name_are_in_the_dict_and_encode_again():
    kind = struct_of(*NAMES)
    value = kind.decode(bytes(range(len(NAMES))))
    assert value._asdict() == {name: index for index, name in enumerate(NAMES)}
    assert kind.encode(value._asdict()) == kind.encode(value) == bytes(range(len(NAMES)))
    assert pickle.loads(pickle.dumps(value)) == value
    assert len(repr(value)) > 5000


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("_")])
def test_a_member_whose_name_python_does_not_use_is_an_attribute(name):
    value = struct_of("first", name).decode(b"\1\2")
    assert getattr(value, name) == 2


def test_members_may_be_named_as_pythons_own_arguments():
    kind = struct_of("self", "cls", "values", "members")
    value = kind.record(self=1, cls=2, values=3, members=4)
    assert value._replace(self=5, cls=6) == kind.codec().make(5, 6, members=4, values=3) == (5, 6, 3, 4)
    assert kind.codec().make(self=5, cls=6, values=3, members=4).self == 5


@pytest.mark.parametrize("name", ["_fields", "__class__", "__slots__", "_asdict", "__reduce__", "__len__"])
def test_a_member_whose_name_the_class_needs_leaves_the_class_as_it_is(name):
    kind = struct_of("first", name)
    value = kind.decode(b"\1\2")
    assert value._fields == ("first", name)
    assert value.__class__ is kind.record
    assert value._replace(**{name: 3}) == (1, 3)


@pytest.mark.parametrize("name", [*NAMES, ""])
def test_a_struct_of_any_name_has_a_class(name):
    record = record_class(name, ("a",))
    assert record._name == name
    value = record(1)
    assert copy.copy(value) == value
    repr(record)


@pytest.mark.parametrize("name", NAMES)
def test_an_enumerator_of_any_name_leaves_the_others_as_they_are(name):
    kind = enum_class("e", ((name, 1), ("OTHER", 2)))
    assert kind(2).name == "OTHER"
    assert kind(1) == 1
    assert isinstance(kind(1).name, str)
    assert pickle.loads(pickle.dumps(kind(1))) is kind(1) or kind(1).name == "UNKNOWN_1"


def test_of_two_members_of_one_name_the_first_is_the_attribute():
    value = struct_of("a", "a").decode(b"\1\2")
    assert value == (1, 2)
    assert value.a == 1
    assert value._asdict() == {"a": 1}


# Unions


def test_a_union_has_each_member(types):
    number = types.value.number
    assert (number.whole, number.bytes) == (258, (2, 1, 0, 0))
    assert number._asdict() == {"whole": 258, "bytes": (2, 1, 0, 0)}
    assert number._fields == ("whole", "bytes")


def test_unions_are_equal_if_their_bytes_are(types):
    other = types.event(number={"bytes": [2, 1, 0, 0]}).number
    assert other == types.value.number
    assert hash(other) == hash(types.value.number)
    assert other != types.event().number
    assert other != b"\2\1\0\0"
    assert bytes(other) == b"\2\1\0\0"


def test_a_union_cannot_be_changed(types):
    with pytest.raises(AttributeError):
        types.value.number.whole = 1
    with pytest.raises(AttributeError):
        types.value.number.other = 1


def test_replace_writes_over_a_unions_bytes(types):
    changed = types.value.number._replace(bytes=(9, 0, 0, 0))
    assert (changed.whole, types.value.number.whole) == (9, 258)
    with pytest.raises(ValueError, match="no member 'nope'"):
        types.value.number._replace(nope=1)


# Enumerations


def test_an_enumeration_takes_unknown_values(types):
    state = types.event.decode(bytes(12) + b"\x63\0\0\0" + bytes(8)).state
    assert state == 99
    assert state.name == "UNKNOWN_99"
    assert types.event(state=state).state == 99


# Pickles and copies


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_was_pickled_is_the_same(types, protocol):
    again = pickle.loads(pickle.dumps(types.value, protocol))
    assert again == types.value
    assert type(again) is type(types.value)
    assert type(again.state) is type(types.value.state)
    assert repr(again) == repr(types.value)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_the_same(types, copied):
    for value in (types.value, types.value.number, types.value.state, types.event.record):
        again = copied(value)
        assert again == value
        assert type(again) is type(value)


def test_what_was_pickled_is_encoded_as_the_original(types):
    assert types.event.encode(pickle.loads(pickle.dumps(types.value))) == types.event.encode(types.value)


def test_a_pickle_can_be_read_by_a_process_without_the_btf(types):
    unknown = types.event.decode(bytes(12) + b"\x63\0\0\0" + bytes(8))
    script = """
import pickle, sys
value, unknown = pickle.load(sys.stdin.buffer)
assert (value.pid, value.number.whole, value.id, value.low, value.state.name) == (7, 258, 513, 1, "BUSY")
assert (unknown.state, unknown.state.name) == (99, "UNKNOWN_99")
assert value._asdict()["in"].b == 2
assert {value: 1}[value._replace(pid=7)] == 1
try:
    value._replace(id=1)
except TypeError as error:
    assert "came out of a pickle" in str(error), error
assert "libbpf_cffi.btf" not in sys.modules
sys.stdout.buffer.write(pickle.dumps(value))
"""
    data = pickle.dumps((types.value, unknown))
    done = subprocess.run([sys.executable, "-bb", "-c", script], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    again = pickle.loads(done.stdout)
    assert again == types.value
    assert again._asdict() == types.value._asdict()


# The classes' lives


def test_a_class_goes_when_its_types_and_values_are_gone():
    kind = struct_of("goes", "away")
    value = kind.decode(b"\1\2")
    reference = weakref.ref(type(value))
    before = len(_record._classes)
    del kind, value
    gc.collect()
    assert reference() is None
    assert len(_record._classes) < before


def test_values_and_codecs_outlive_their_btf(types):
    value = types.value
    encode = types.event.codec().encode
    handle = types.made.btf._handle
    with handle.lock:
        handle._close()
    assert (value.number.whole, value.id) == (258, 513)
    assert encode(value)[:4] == b"\7\0\0\0"


def test_threads_that_want_one_class_at_once_get_the_same():
    for round_ in range(20):
        found = []
        barrier = threading.Barrier(8)

        def ask(round_=round_, barrier=barrier, found=found) -> None:
            barrier.wait()
            found.append(record_class("threads", (f"a{round_}", "b")))

        run(ask, 8)
        assert len(set(found)) == 1


def test_threads_that_make_and_use_one_codec_at_once_agree(types):
    for _ in range(10):
        kinds = Types()
        data = types.event.encode(types.value)
        found = []
        barrier = threading.Barrier(6)

        def use(kinds=kinds, data=data, found=found, barrier=barrier) -> None:
            barrier.wait()
            codec = kinds.event.codec()
            found.append((codec.decode(data), codec.encode(codec.decode(data)), codec.decode_many(data * 2)))

        run(use, 6)
        assert found == [(types.value, data, [types.value] * 2)] * 6


def run(target, count: int) -> None:
    threads = [threading.Thread(target=target) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def test_a_class_can_be_asked_for_while_garbage_is_collected():
    class Finalised:
        def __del__(self) -> None:
            record_class("finalised", ("a",))

    def make() -> type:
        cycle = [Finalised()]
        cycle.append(cycle)
        del cycle
        gc.collect()
        return type("made", (Record,), {"__slots__": ()})

    done = threading.Thread(target=lambda: _record._shared(("collecting", os.getpid()), make), daemon=True)
    done.start()
    done.join(20)
    assert not done.is_alive()


def test_a_union_value_of_a_pickle_equals_that_of_its_type(types):
    again = pickle.loads(pickle.dumps(types.value.number))
    assert isinstance(again, UnionValue)
    assert again == types.value.number
    assert again.bytes == types.value.number.bytes


# Plain data


def test_a_record_is_plain_to_the_bottom(types):
    expected = {
        "pid": 7,
        "number": {"whole": 258, "bytes": [2, 1, 0, 0]},
        "id": 513,
        "low": 1,
        "state": "BUSY",
        "in": {"a": 1, "b": 2},
    }
    assert json.loads(json.dumps(plain(types.value))) == expected


def test_what_is_no_record_is_plain_too():
    given = [b"\1\xff", (1, True, None, 1.5), {b"k": ipaddress.ip_address("::1"), 2: np.float64(2)}, np.arange(2)]
    assert plain(given) == ["01ff", [1, True, None, 1.5], {"6b": "::1", 2: 2.0}, [0, 1]]


@pytest.mark.parametrize(("value", "name"), [("value", "pid"), ("value", "id"), ("number", "whole")])
def test_a_member_that_is_set_tells_how_it_is_written(types, value, name):
    found = types.value if value == "value" else types.value.number
    with pytest.raises(AttributeError, match=rf"cannot be changed: write one made by _replace\({name}=…\)"):
        setattr(found, name, 1)


def test_a_name_for_an_index_tells_of_the_attribute(types):
    with pytest.raises(TypeError, match=r"an index must be a number, not 'pid', of event.*\.pid"):
        types.value["pid"]
    assert types.value[0] == 7
    assert types.value[-1:] == (types.value[-1],)


def test_what_json_has_no_number_for_is_text():
    assert plain([float("nan"), (float("-inf"),), np.float32("inf"), np.array([1.5, np.nan])]) == [
        "nan", ["-inf"], "inf", [1.5, "nan"],
    ]  # fmt: skip
    with np.errstate(all="raise"):
        assert plain([np.float64("inf"), np.float64("nan"), np.float64(1.5)]) == ["inf", "nan", 1.5]
