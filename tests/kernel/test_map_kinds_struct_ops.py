"""Tables of functions that programs are, and ring buffers as maps."""

from __future__ import annotations

import os
import resource

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import MapType

PAGE = resource.getpagesize()

STRUCT_OPS = pytest.mark.needs("program:STRUCT_OPS", "btf")

WITH_LINK = pytest.mark.needs("map:ARENA", "btf")
"""Linux 6.4 brought tables that a link attaches; an arena came a little later."""


# Ring buffers


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("ringbuf", marks=pytest.mark.needs("map:RINGBUF")),
        pytest.param("user_ringbuf", marks=pytest.mark.needs("map:USER_RINGBUF")),
    ],
)
def test_a_ring_buffer_has_no_elements(root, kind):
    with bpf.Map.create(kind, max_entries=PAGE) as ring:
        refuse_elements(ring)


def refuse_elements(ring):

    def assign():
        ring[0] = 1

    def delete():
        del ring[0]

    for call in (
        lambda: ring[0],
        assign,
        delete,
        lambda: 0 in ring,
        lambda: list(ring),
        lambda: len(ring),
        lambda: ring.lookup_elem(0),
        lambda: ring.update_elem(0, 1),
        lambda: ring.delete_elem(0),
        ring.get_next_key,
    ):
        with pytest.raises(TypeError, match="ring buffer has no elements: "):
            call()


@pytest.mark.needs("map:RINGBUF")
def test_a_ring_buffer_is_true(root):
    with bpf.Map.create("ringbuf", max_entries=PAGE) as ring:
        assert ring


# Tables of functions


@pytest.fixture
def congestion(opened):
    """Open the object with two tables of functions."""
    return opened("struct_ops")


@STRUCT_OPS
def test_a_table_of_functions_is_read_before_load(congestion):
    table = congestion.maps["with_link"]
    assert type(table) is bpf.StructOps
    value = table.initial_value
    assert value["name"] == "lbc_with_link"
    assert (value["init"], value["ssthresh"], value["release"]) == ("cc_init", "cc_ssthresh", None)


@WITH_LINK
def test_a_member_is_set_before_load(congestion):
    table = congestion.maps["with_link"]
    table.set_initial_value(name="lbc_renamed", flags=0)
    congestion.load()
    known = "/proc/sys/net/ipv4/tcp_available_congestion_control"
    with table.attach_struct_ops(), open(known, encoding="ascii") as file:
        assert "lbc_renamed" in file.read().split()


@STRUCT_OPS
def test_a_function_is_set_before_load(congestion):
    table = congestion.maps["with_link"]
    programs = congestion.programs
    table.set_initial_value({"ssthresh": programs["cc_undo_cwnd"]})
    assert table.initial_value["ssthresh"] == "cc_undo_cwnd"


@WITH_LINK
def test_the_kernels_table_has_the_programs_ids_when_it_is_attached(congestion):
    congestion.load()
    with congestion.maps["with_link"].attach_struct_ops():
        value = congestion.maps["with_link"].value
    assert value.data.name == "lbc_with_link"
    assert value.data.init == congestion.programs["cc_init"].id
    assert value.data.ssthresh == congestion.programs["cc_ssthresh"].id
    assert value.data.release == 0


@WITH_LINK
def test_the_kernels_table_knows_whether_it_is_in_use(congestion):
    congestion.load()
    table = congestion.maps["with_link"]
    before = int(table.value.common.state)
    with table.attach_struct_ops():
        during = int(table.value.common.state)
    assert before != during


@WITH_LINK
def test_what_a_table_was_before_load_is_gone_after_it(congestion):
    congestion.load()
    with pytest.raises(bpf.StateError):
        congestion.maps["with_link"].initial_value
    with pytest.raises(bpf.StateError):
        congestion.maps["with_link"].set_initial_value(flags=1)


@STRUCT_OPS
def test_the_kernels_table_is_not_there_before_load(congestion):
    with pytest.raises(bpf.StateError, match="load it first"):
        congestion.maps["with_link"].value


@STRUCT_OPS
@pytest.mark.parametrize(
    ("members", "error", "text"),
    [
        ({"nam": "x"}, KeyError, "no member 'nam'; close names: 'name'"),
        ({"init": "cc_init"}, TypeError, "member 'init' is a function: it must be a Program"),
        ({"owner": 5}, TypeError, "a pointer into the kernel"),
        ({"name": "x" * 100}, ValueError, "16"),
    ],
)
def test_a_member_that_cannot_be_set_is_explained(congestion, members, error, text):
    before = congestion.maps["with_link"].initial_value
    with pytest.raises(error, match=text):
        congestion.maps["with_link"].set_initial_value(flags=1, **members)
    assert congestion.maps["with_link"].initial_value == before


@WITH_LINK
def test_a_table_of_functions_is_opened_by_its_id(congestion):
    congestion.load()
    table = congestion.maps["with_link"]
    with table.attach_struct_ops(), bpf.Map.from_id(table.id) as found:
        assert found.type is MapType.STRUCT_OPS
        assert found.value.data.name == "lbc_with_link"
        with pytest.raises(bpf.StateError, match="belongs to no object"):
            found.initial_value


@STRUCT_OPS
def test_a_program_of_another_type_is_no_member(congestion, opened):
    other = opened("map_uses").programs["jump"]
    with pytest.raises(TypeError, match="must be a Program of"):
        congestion.maps["with_link"].set_initial_value(init=other)


@STRUCT_OPS
def test_an_unloaded_object_leaves_no_descriptor(opened):
    before = os.listdir("/proc/self/fd")
    with opened("struct_ops") as obj:
        obj.maps["with_link"].initial_value
    assert os.listdir("/proc/self/fd") == before
