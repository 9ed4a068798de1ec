"""Arguments of a kind that no call can use: a `TypeError` or `ValueError` at once, and never another exception."""

from __future__ import annotations

import re

import pytest
import wrong_arguments

import libbpf_cffi as bpf
from libbpf_cffi import insns, net, tracepoints

pytestmark = pytest.mark.usefixtures("root")

CALLS = {
    "a map's name": lambda: bpf.Map.find(5),
    "maps' name": lambda: bpf.Map.find_all(b"events"),
    "the map that others are like": lambda: bpf.Map.create("array_of_maps", max_entries=1, inner=5),
    "a type's name": lambda: bpf.Btf.new().find(5),
    "a program's name": lambda: bpf.Program.find_all(5),
    "a program's tag": lambda: bpf.Program.find(tag=5),
    "a tracepoint's name": lambda: tracepoints.tracepoint_id("syscalls", 5),
    "a tracepoint's category": lambda: tracepoints.tracepoint_format(None, "x"),
    "a classifier": lambda: net.TcHook("lo").detach(5),
    "names of instructions": lambda: insns.disassemble(bytes(8), names=5),
}


@pytest.mark.parametrize("what", CALLS)
def test_an_argument_of_the_wrong_type_is_a_type_error(what):
    with pytest.raises(TypeError):
        CALLS[what]()


def test_fields_of_a_perf_event_that_are_no_mapping_are_a_type_error():
    with (
        bpf.Map.create("perf_event_array", max_entries=2) as made,
        pytest.raises(TypeError),
    ):
        made.perf_buffer(attr=5)


def test_a_stack_is_not_assigned():
    with (
        bpf.Map.create("stack_trace", value=64, max_entries=4) as made,
        pytest.raises(TypeError, match="only programs put stacks"),
    ):
        made[0] = (1, 2)


@pytest.mark.parametrize("kind", ["devmap_hash", "lpm_trie"])
def test_keys_that_are_none_are_a_type_error_all_at_once_too(kind):
    settings = {"key": "ipv4", "value": "u32"} if kind == "lpm_trie" else {}
    with bpf.Map.create(kind, max_entries=4, **settings) as made, pytest.raises((TypeError, ValueError)):
        made.delete_many([object()])


def test_asking_a_control_group_with_flags_that_are_none_is_an_error_of_the_kernels(cgroup):
    with pytest.raises(bpf.LibbpfError):
        net.attached_cgroup(cgroup, query_flags=4)


@pytest.mark.slow_emulated
@pytest.mark.unsanitized("it limits addresses, and a sanitizer has some for each byte of memory")
def test_each_argument_of_each_public_function_is_refused_in_words_of_ours(call_all):
    call_all(wrong_arguments.__file__)


MADE_UP = """
import sys
import libbpf_cffi as bpf
what, given, path = sys.argv[1:]
wrong = {"NULL": bpf.ffi.NULL, "a pointer": bpf.ffi.cast("char *", 8), "a list": [b"a"] * 4096}[given]

class Text(str):
    def encode(self, *how):
        return wrong

    def __contains__(self, what):
        return False

class Path:
    def __fspath__(self):
        return Text(path)

class Bytes(bytes):
    def __bytes__(self):
        return self

    def __len__(self):
        return 4

class Room(bytearray):
    def __len__(self):
        return 1 << 24

name = Text("on_raw")
with open(path, "rb") as file:
    content = Bytes(file.read())
obj = bpf.Object.open(path)
obj.load()
names = bpf.Map.create("hash", "char[16]", "u32", 4)
calls = {
    "type": lambda: obj.btf.find(name),
    "type in": lambda: name in obj.btf,
    "tracepoint": lambda: obj.programs["on_tracepoint"].attach_tracepoint(name, name),
    "raw tracepoint": lambda: obj.programs["on_raw"].attach_raw_tracepoint(name),
    "object's name": lambda: bpf.Object.open(path, object_name=name).close(),
    "object's path": lambda: bpf.Object.open(Path()).close(),
    "a NUL": lambda: bpf.Object.open(path, object_name=Text("a\\0b")),
    "object": lambda: bpf.Object.open(content).close(),
    "linked": lambda: bpf.link_objects(content),
    "log": lambda: bpf.Object.open(path, kernel_log_buf=Room(16), kernel_log_level=7).load(),
    "pin": lambda: obj.maps["events"].pin(Text("/no/such/folder/pin")),
    "map's name": lambda: bpf.Map.find(name),
    "key": lambda: names.__setitem__(name, 1),
    "sample": lambda: bpf.Map.create("user_ringbuf", max_entries=4096).user_ring_buffer().send(Bytes(bytes(8192))),
}
try:
    calls[what]()
except (bpf.Error, TypeError, ValueError, LookupError) as error:
    print(type(error).__name__)
print("fine")
"""


@pytest.mark.parametrize("given", ["NULL", "a pointer", "a list"])
@pytest.mark.parametrize(
    "what",
    [
        "type",
        "type in",
        "tracepoint",
        "raw tracepoint",
        "object's name",
        "object's path",
        "a NUL",
        "pin",
        "map's name",
        "key",
    ],
)
def test_what_a_class_of_text_makes_up_comes_not_to_c(python, compiled, tracefs, what, given):
    assert python(MADE_UP, what, given, compiled("basic"), quiet=False).endswith("fine\n")


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("object", ""),
        ("linked", ""),
        ("log", "VerifierError\n|LibbpfError\n"),  # kernels before 6.4 take no room of 16 bytes
        pytest.param("sample", "LibbpfError\n", marks=pytest.mark.needs("map:USER_RINGBUF")),
    ],
)
def test_the_length_that_a_class_of_bytes_makes_up_comes_not_to_c(python, compiled, what, wanted):
    said = python(MADE_UP, what, "NULL", compiled("basic"), quiet=False)
    assert re.fullmatch(f"({wanted})fine\n", said)
