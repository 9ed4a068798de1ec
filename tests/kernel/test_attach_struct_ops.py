"""struct_ops maps: attached, called, and one put in the place of another."""

from __future__ import annotations

import errno
import socket

import pytest

import libbpf_cffi as bpf

pytestmark = pytest.mark.needs("struct_ops_link")


def use(name):
    """Have the kernel take a congestion control for a connection; it calls its init()."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
        client.connect(server.getsockname())
        server.accept()[0].close()


def test_a_congestion_control_is_called_and_gone(loaded):
    obj = loaded("attach_struct_ops")
    with obj.maps["first"].attach_struct_ops():
        use("lbc_update")
        assert obj.variables["firsts"] > 0
    with pytest.raises(FileNotFoundError):
        use("lbc_update")


@pytest.mark.every_kernel
def test_a_map_takes_the_place_of_another(loaded):
    obj = loaded("attach_struct_ops")
    with obj.maps["first"].attach_struct_ops() as link:
        number = link.info.id
        link.update_map(obj.maps["second"])
        assert link.info.id == number
        use("lbc_update")
        assert (obj.variables["firsts"], obj.variables["seconds"] > 0) == (0, True)
    with pytest.raises(FileNotFoundError):
        use("lbc_update")


def test_a_map_that_is_attached_already_is_said_to_be(loaded):
    obj = loaded("attach_struct_ops")
    with (
        obj.maps["first"].attach_struct_ops(),
        pytest.raises(bpf.LibbpfError, match="hint: it is attached already, or another of its name is") as caught,
    ):
        obj.maps["first"].attach_struct_ops()
    assert caught.value.errno == errno.EEXIST


def test_a_table_without_a_link_is_said_to_be_attached_once_for_each_load(loaded):
    table = loaded("struct_ops").maps["without_link"]
    once = r"hint: .* is attached once after a load"
    with table.attach_struct_ops(), pytest.raises(bpf.LibbpfError, match=once) as caught:
        table.attach_struct_ops()
    assert caught.value.errno == errno.EBUSY
    with pytest.raises(bpf.LibbpfError, match=once):
        table.attach_struct_ops()


def test_a_table_with_a_link_that_the_kernel_has_another_for_is_explained(loaded, monkeypatch):
    # As the kernel refuses a second scheduler.
    hints = []
    monkeypatch.setattr(bpf.Link, "_make", lambda *_, hint, **__: hints.append(hint(errno.EBUSY)))
    obj = loaded("struct_ops")
    for name in ("with_link", "without_link"):
        obj.maps[name].attach_struct_ops()
    assert "the kernel has one table of these functions at a time" in hints[0]
    assert "is attached once after a load" in hints[1]


@pytest.mark.parametrize("lacking", ["ssthresh", "cong_avoid", "undo_cwnd"])
def test_a_table_that_lacks_a_function_which_the_kernel_wants_is_explained(opened, lacking):
    obj = opened("attach_struct_ops")
    obj.maps["first"].set_initial_value({lacking: None})
    obj.load()
    with pytest.raises(bpf.LibbpfError, match="hint: the table lacks a function that the kernel wants") as caught:
        obj.maps["first"].attach_struct_ops()
    assert caught.value.errno == errno.EINVAL
    assert "of tcp_congestion_ops ssthresh, undo_cwnd, and cong_avoid or cong_control" in caught.value.hint


def test_a_map_of_another_object_takes_the_place(loaded):
    old, new = loaded("attach_struct_ops"), loaded("attach_struct_ops")
    with old.maps["first"].attach_struct_ops() as link:
        link.update_map(new.maps["first"])
        use("lbc_update")
        assert (old.variables["firsts"], new.variables["firsts"] > 0) == (0, True)
        new.close()
        # The link keeps what it needs.
        use("lbc_update")


def test_a_map_of_another_name_is_refused(loaded):
    obj = loaded("attach_struct_ops")
    with obj.maps["first"].attach_struct_ops() as link:
        with pytest.raises(bpf.LibbpfError, match=r"(?s)different.*table of functions.*of the same name") as caught:
            link.update_map(obj.maps["different"])
        assert caught.value.errno == errno.EINVAL
        use("lbc_update")
        assert obj.variables["firsts"] > 0


def test_links_of_two_objects_are_updated_crosswise(loaded, together):
    one, other = loaded("attach_struct_ops"), loaded("attach_struct_ops")
    with one.maps["first"].attach_struct_ops() as link, other.maps["different"].attach_struct_ops() as different:

        def update(changed, maps):
            for each in maps * 25:
                changed.update_map(each)

        assert not together(
            lambda: update(link, [other.maps["second"], other.maps["first"]]),
            lambda: update(different, [one.maps["different"], other.maps["different"]]),
        )


@pytest.mark.parametrize("value", [None, 5, "first"])
def test_what_is_no_map_takes_no_place(loaded, value):
    obj = loaded("attach_struct_ops")
    with obj.maps["first"].attach_struct_ops() as link, pytest.raises(TypeError, match="map"):
        link.update_map(value)


def test_a_link_of_another_kind_takes_no_map(loaded):
    obj = loaded("attach_struct_ops")
    with loaded("basic").programs["on_raw"].attach() as link, pytest.raises(ValueError, match="no struct_ops map"):
        link.update_map(obj.maps["first"])


def test_a_map_of_another_type_takes_no_place(loaded):
    obj = loaded("attach_struct_ops")
    with obj.maps["first"].attach_struct_ops() as link, pytest.raises(ValueError, match="not STRUCT_OPS"):
        link.update_map(obj.maps[".bss"])


def test_a_map_that_is_not_loaded_takes_no_place(loaded, opened):
    with loaded("attach_struct_ops").maps["first"].attach_struct_ops() as link, pytest.raises(bpf.StateError):
        link.update_map(opened("attach_struct_ops").maps["first"])


def test_a_closed_map_takes_no_place(loaded):
    other = loaded("attach_struct_ops")
    closed = other.maps["first"]
    other.close()
    with loaded("attach_struct_ops").maps["first"].attach_struct_ops() as link, pytest.raises(bpf.ClosedError):
        link.update_map(closed)


def test_programs_that_a_map_attaches_are_not_called_left_out(loaded):
    obj = loaded("attach_struct_ops")
    for name in ("second", "different"):
        obj.maps[name].autoattach = False
    assert set(obj.attach()) == {"first"}
    assert not obj.skipped
    program = next(iter(obj.programs.values()))
    with pytest.raises(bpf.NotSupportedError, match=r"the map that has it as a member: Map\.attach_struct_ops\(\)"):
        program.attach()
