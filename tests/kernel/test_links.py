"""Links: close, detach, disconnect and pin are four things; each kind of link says what it is."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib

TRACEPOINT = pytest.param("on_tracepoint", marks=pytest.mark.needs("perf_link"))
"""Before Linux 5.15 a program is attached to a tracepoint without a link in the kernel."""


@pytest.fixture
def attach_cgroup(cgroup, pins):
    """Attach a program to a control group with libbpf's own call, and open the link."""

    def attach(program):
        fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        with bpf.pointer(program) as pointer:
            made = lib.bpf_program__attach_cgroup(pointer, fd)
        os.close(fd)
        assert made
        path = os.fsencode(pins / "cgroup")
        assert lib.bpf_link__pin(made, path) == 0
        link = bpf.Link.open(pins / "cgroup")
        assert lib.bpf_link__unpin(made) == 0
        assert lib.bpf_link__destroy(made) == 0
        return link

    return attach


# Close


def test_close_detaches(loaded, counted):
    obj = loaded("basic")
    link = obj.programs["on_tracepoint"].attach()
    assert counted(obj.maps["tracepoint_hits"]) == 3
    link.close()
    assert counted(obj.maps["tracepoint_hits"]) == 0


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", [TRACEPOINT, "on_raw"])
def test_close_takes_the_link_out_of_the_kernel(loaded, attached, name):
    program = loaded("basic").programs[name]
    link = program.attach()
    assert len(attached(program.id)) == 1
    link.close()
    assert attached(program.id) == []


def test_a_with_block_detaches_also_after_an_exception(loaded, attached):
    program = loaded("basic").programs["on_raw"]
    with pytest.raises(ZeroDivisionError), program.attach():
        1 / 0
    assert attached(program.id) == []


@pytest.mark.needs("raw_tracepoint_twice")
def test_closing_one_link_leaves_the_others(loaded, attached):
    program = loaded("basic").programs["on_raw"]
    first, second = program.attach(), program.attach()
    first.close()
    assert attached(program.id) == [second.info.id]


def test_links_that_were_closed_are_forgotten_by_the_object(loaded):
    obj = loaded("basic")
    for _ in range(20):
        obj.programs["on_raw"].attach().close()
    assert obj._handle.children == []


def test_a_closed_link_may_outlive_its_object(loaded):
    obj = loaded("basic")
    link = obj.programs["on_raw"].attach()
    obj.close()
    link.close()
    assert link.closed


@pytest.mark.every_kernel
def test_a_usdt_link_is_closed_before_its_object(opened, usdt_target, data):
    # It keeps a pointer into the object: afterwards it would be a use after free.
    obj = opened("usdt")
    obj.load()
    obj.attach()
    subprocess.run([usdt_target], check=True)
    assert data(obj, ".bss", 8) == 1
    obj.close()


def test_struct_ops_of_both_kinds_are_unregistered_before_their_object_is_freed(loaded):
    # The one without a link keeps the bare number of its map's descriptor.
    def registered():
        with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
            return {"lbc_with_link", "lbc_no_link"} & set(file.read().split())

    obj = loaded("struct_ops")
    obj.attach()
    assert registered() == {"lbc_with_link", "lbc_no_link"}
    obj.close()
    assert registered() == set()


def test_a_process_that_is_killed_leaves_nothing_attached(compiled, tracefs, attached, exists, until):
    script = (
        "import sys, time; import libbpf_cffi as bpf; obj = bpf.Object.open(sys.argv[1]); obj.load(); obj.attach();"
        "print(obj.programs['on_raw'].id, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, compiled("basic")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        number = int(child.stdout.readline())
        assert len(attached(number)) == 1
        child.kill()
    assert attached(number) == []
    until(lambda: not exists(number), "the program to go")


# Detach


@pytest.mark.every_kernel
def test_detach_takes_the_program_off_and_leaves_the_link(loaded, attach_cgroup, cgroup):
    obj = loaded("network")
    with attach_cgroup(obj.programs["first"]) as link:
        assert link.info.details["cgroup_id"] == os.stat(cgroup).st_ino
        link.detach()
        assert link.info.details["cgroup_id"] == 0
        assert not link.closed


def test_detach_twice_is_harmless(loaded, attach_cgroup):
    obj = loaded("network")
    with attach_cgroup(obj.programs["first"]) as link:
        link.detach()
        link.detach()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("of_tracepoint", marks=pytest.mark.needs("perf_link")),
        "of_raw_tracepoint",
        "of_tp_btf",
        pytest.param("of_uprobe", marks=pytest.mark.needs("perf_link")),
        "of_iterator",
    ],
)
def test_detach_of_what_only_closing_detaches_is_not_supported(loaded, name):
    with loaded("kinds").programs[name].attach() as link, pytest.raises(bpf.NotSupportedError):
        link.detach()


# Disconnect


@pytest.mark.parametrize("name", [TRACEPOINT, "on_raw"])
def test_disconnect_leaves_the_program_attached_until_its_descriptor_is_closed(loaded, attached, name):
    obj = loaded("basic")
    program = obj.programs[name]
    link = program.attach()
    fd = link.disconnect()
    try:
        assert link.closed
        assert len(attached(program.id)) == 1
        link.close()
        assert len(attached(program.id)) == 1
    finally:
        os.close(fd)
    assert attached(program.id) == []


def test_what_was_disconnected_outlives_its_object(loaded, attached):
    obj = loaded("basic")
    number = obj.programs["on_raw"].id
    fd = obj.programs["on_raw"].attach().disconnect()
    obj.close()
    assert len(attached(number)) == 1
    os.close(fd)
    assert attached(number) == []


def test_disconnect_leaves_no_other_descriptor(loaded):
    program = loaded("basic").programs["on_tracepoint"]
    before = len(os.listdir("/proc/self/fd"))
    os.close(program.attach().disconnect())
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_whose_pointer_is_in_use_is_not_disconnected(loaded):
    # As in a signal handler that has interrupted a call on the link: what that goes on with would be freed.
    link = loaded("basic").programs["on_raw"].attach()
    with bpf.pointer(link) as pointer:
        with pytest.raises(bpf.StateError, match=r"cannot disconnect .*: a signal handler"):
            link.disconnect()
        assert lib.bpf_link__fd(pointer) == link.fd
    link.close()


def test_a_link_is_disconnected_once(loaded):
    link = loaded("basic").programs["on_raw"].attach()
    os.close(link.disconnect())
    with pytest.raises(bpf.ClosedError, match="disconnected"):
        link.disconnect()


# Pin


def test_a_pinned_link_survives_close(loaded, attached, pins, until):
    program = loaded("basic").programs["on_raw"]
    link = program.attach()
    link.pin(pins / "link")
    link.close()
    assert len(attached(program.id)) == 1
    (pins / "link").unlink()
    # An older kernel frees it a moment later.
    until(lambda: attached(program.id) == [], "the link to be freed")


def test_a_pinned_link_survives_its_object(loaded, attached, pins):
    obj = loaded("basic")
    number = obj.programs["on_raw"].id
    obj.programs["on_raw"].attach().pin(pins / "link")
    obj.close()
    assert len(attached(number)) == 1
    (pins / "link").unlink()


def test_an_unpinned_link_stays_attached_until_close(loaded, attached, pins, until):
    program = loaded("basic").programs["on_raw"]
    link = program.attach()
    link.pin(pins / "link")
    assert link.pin_path == str(pins / "link")
    link.unpin()
    assert link.pin_path is None
    assert not (pins / "link").exists()
    assert len(attached(program.id)) == 1
    link.close()
    # An older kernel frees it a moment later.
    until(lambda: attached(program.id) == [], "the link to be freed")


def test_a_link_that_is_not_pinned_cannot_be_unpinned(loaded, pins):
    link = loaded("basic").programs["on_raw"].attach()
    with pytest.raises(bpf.StateError, match="not pinned"):
        link.unpin()
    link.pin(pins / "link")
    link.unpin()
    with pytest.raises(bpf.StateError, match="not pinned"):
        link.unpin()


def test_a_link_is_pinned_once(loaded, pins):
    link = loaded("basic").programs["on_raw"].attach()
    link.pin(pins / "link")
    with pytest.raises(bpf.StateError, match="link"):
        link.pin(pins / "other")
    assert not (pins / "other").exists()


def test_a_pin_that_failed_can_be_tried_elsewhere(loaded, pins):
    obj = loaded("basic")
    obj.maps["events"].pin(pins / "taken")
    link = obj.programs["on_raw"].attach()
    with pytest.raises(bpf.LibbpfError) as caught:
        link.pin(pins / "taken")
    assert caught.value.errno == errno.EEXIST
    assert link.pin_path is None
    link.pin(pins / "free")
    assert (pins / "free").exists()


@pytest.mark.every_kernel
def test_a_pinned_link_is_opened(loaded, attached, pins):
    obj = loaded("basic")
    number = obj.programs["on_raw"].id
    obj.programs["on_raw"].attach().pin(pins / "link")
    obj.close()
    with bpf.Link.open(pins / "link") as link:
        assert link.info.prog_id == number
        assert link.pin_path == str(pins / "link")
    assert len(attached(number)) == 1


def test_closing_an_opened_link_leaves_the_pin_and_the_attachment(loaded, attached, pins):
    obj = loaded("basic")
    number = obj.programs["on_raw"].id
    obj.programs["on_raw"].attach().pin(pins / "link")
    bpf.Link.open(pins / "link").close()
    obj.close()
    assert (pins / "link").exists()
    assert len(attached(number)) == 1


def test_an_opened_link_that_is_unpinned_detaches_at_its_close(loaded, attached, pins, until):
    obj = loaded("basic")
    number = obj.programs["on_raw"].id
    obj.programs["on_raw"].attach().pin(pins / "link")
    obj.close()
    with bpf.Link.open(pins / "link") as link:
        link.unpin()
        assert len(attached(number)) == 1
    # An older kernel frees it a moment later.
    until(lambda: attached(number) == [], "the link to be freed")


def test_a_forgotten_opened_link_is_closed_with_a_warning(loaded, pins):
    loaded("basic").programs["on_raw"].attach().pin(pins / "link")
    link = bpf.Link.open(pins / "link")
    with pytest.warns(ResourceWarning, match="link"):
        del link
        gc.collect()


def test_there_is_no_link_to_open(pins):
    with pytest.raises(bpf.LibbpfError, match="nothing") as caught:
        bpf.Link.open(pins / "nothing")
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("kind", ["map", "program"])
def test_something_else_that_is_pinned_is_no_link(loaded, pins, kind):
    obj = loaded("basic")
    (obj.maps["events"] if kind == "map" else obj.programs["on_raw"]).pin(pins / "thing")
    with pytest.raises(bpf.LibbpfError, match="something other than a link") as caught:
        bpf.Link.open(pins / "thing")
    assert caught.value.errno == errno.EINVAL


def test_a_link_cannot_be_opened_from_a_plain_file(tmp_path, root):
    (tmp_path / "file").touch()
    with pytest.raises(bpf.LibbpfError):
        bpf.Link.open(tmp_path / "file")


@pytest.mark.parametrize("path", [5, None, "", "a\0b"])
def test_a_link_cannot_be_opened_from_what_is_no_path(path):
    with pytest.raises((TypeError, ValueError)):
        bpf.Link.open(path)


# What it is


@pytest.mark.every_kernel
@pytest.mark.parametrize(
    ("name", "kind", "details"),
    [
        pytest.param(
            "of_tracepoint", "PERF_EVENT", {"tp_name": "sys_enter_getppid"}, marks=pytest.mark.needs("perf_link_info")
        ),
        ("of_raw_tracepoint", "RAW_TRACEPOINT", {"tp_name": "sys_enter"}),
        # A BTF tracepoint is attached as a raw one.
        ("of_tp_btf", "RAW_TRACEPOINT", {"tp_name": "sys_enter"}),
        ("of_iterator", "ITER", {"target_name": "task"}),
    ],
)
def test_info_says_to_what_the_program_is_attached(loaded, name, kind, details):
    program = loaded("kinds").programs[name]
    with program.attach() as link:
        info = link.info
    assert info.type is bpf.LinkType[kind]
    assert info.prog_id == program.id
    assert info.id > 0
    assert {key: info.details[key] for key in details} == details


@pytest.mark.needs("perf_link_info")
@pytest.mark.parametrize("name", ["of_uprobe", "of_uretprobe"])
def test_info_of_a_uprobe_names_the_file(loaded, name):
    with loaded("kinds").programs[name].attach() as link:
        info = link.info
    assert info.type is bpf.LinkType.PERF_EVENT
    assert "libc" in info.details["file_name"]
    assert info.details["offset"] > 0


@pytest.mark.needs("perf_link")
def test_infos_give_no_address_of_ours(loaded):
    obj = loaded("kinds")
    for link in obj.attach().values():
        details = link.info.details
        assert not [value for value in details.values() if isinstance(value, int) and value > 1 << 40]
        assert not [name for name in details if name.endswith(("_len", "_size"))]


@pytest.mark.needs("raw_tracepoint_twice")
def test_two_links_have_two_ids(loaded):
    program = loaded("basic").programs["on_raw"]
    with program.attach() as first, program.attach() as second:
        assert first.info.id != second.info.id


def test_fd_is_the_links_descriptor(loaded):
    with loaded("basic").programs["on_raw"].attach() as link:
        assert os.readlink(f"/proc/self/fd/{link.fd}") == "anon_inode:bpf_link"


def test_repr_names_the_program(loaded):
    assert "on_raw" in repr(loaded("basic").programs["on_raw"].attach())


# What has no descriptor of its own


@pytest.fixture
def bare_links(loaded, opened, usdt_target):
    """Attach what is a link of libbpf's and none of the kernel's."""
    usdt = loaded("usdt")
    return {
        "usdt": usdt.programs["on_probe"].attach(),
        "struct_ops": loaded("struct_ops").maps["without_link"].attach_struct_ops(),
    }


@pytest.mark.parametrize("kind", ["usdt", "struct_ops"])
@pytest.mark.parametrize("use", ["fd", "info", "detach", "disconnect", "pin", "update_program"])
def test_what_needs_a_descriptor_is_a_state_error_without_one(bare_links, pins, kind, use):
    link = bare_links[kind]
    with pytest.raises(bpf.StateError, match=r"no descriptor.*close\(\) detaches it"):
        if use in {"fd", "info"}:
            getattr(link, use)
        elif use == "pin":
            link.pin(pins / "link")
        elif use == "update_program":
            link.update_program(next(iter(link._owner.programs.values())))
        else:
            getattr(link, use)()
    assert not link.closed


def test_what_has_no_descriptor_says_what_it_is(bare_links):
    with pytest.raises(bpf.StateError, match=r"no descriptor of its own: a USDT link is made of several links;"):
        _ = bare_links["usdt"].info
    with pytest.raises(bpf.StateError, match=r'table of functions in SEC\("\.struct_ops"\), which the kernel reg'):
        _ = bare_links["struct_ops"].info


def test_a_usdt_link_is_not_taken_for_the_link_that_is_somebodys_stdin(python, compiled, tracefs, usdt_target):
    # libbpf's field for its descriptor says 0.
    said = python(
        """
import os, sys
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1]) as other, bpf.Object.open(sys.argv[2]) as obj:
    other.load()
    obj.load()
    os.dup2(other.programs["on_raw"].attach().fd, 0)
    link = obj.programs["on_probe"].attach()
    for use in (lambda: link.fd, link.disconnect, link.detach, lambda: link.pin("/sys/fs/bpf/never")):
        try:
            print(use())
        except bpf.StateError as error:
            print("no descriptor" in str(error))
    print(os.readlink("/proc/self/fd/0"))
""",
        compiled("basic"),
        compiled("usdt"),
    )
    assert said.split() == ["True"] * 4 + ["anon_inode:bpf_link"]


def test_a_usdt_link_that_is_closed_alone_detaches(loaded, usdt_target, data):
    obj = loaded("usdt")
    with obj.programs["on_probe"].attach():
        subprocess.run([usdt_target], check=True)
    subprocess.run([usdt_target], check=True)
    assert data(obj, ".bss", 8) == 1


# Update


@pytest.mark.every_kernel
def test_update_program_puts_another_in_its_place(loaded, attach_cgroup):
    obj = loaded("network")
    with attach_cgroup(obj.programs["first"]) as link:
        number = link.info.id
        link.update_program(obj.programs["second"])
        assert link.info.prog_id == obj.programs["second"].id
        assert link.info.id == number


def test_update_program_misses_no_event(loaded, attach_cgroup, cgroup, data):
    obj = loaded("network")
    script = (
        "import os, socket, sys\n"
        "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "[s.sendto(b'x', ('127.0.0.1', 9)) for _ in range(int(sys.argv[2]))]\n"
    )
    program = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable]

    def send(count):
        subprocess.run([*program, "-X", "dev", "-W", "ignore", "-c", script, cgroup, str(count)], check=True)

    with attach_cgroup(obj.programs["first"]) as link:
        send(5)
        link.update_program(obj.programs["second"])
        send(7)
    assert (data(obj, ".bss", 8, 0), data(obj, ".bss", 8, 8)) == (5, 7)


def test_an_iterator_is_updated(loaded):
    obj = loaded("kinds")
    with obj.programs["of_iterator"].attach() as link:
        link.update_program(obj.programs["of_iterator_too"])
        assert link.info.prog_id == obj.programs["of_iterator_too"].id


def test_update_to_a_program_of_another_object(loaded, attach_cgroup):
    first, second = loaded("network"), loaded("network")
    with attach_cgroup(first.programs["first"]) as link:
        link.update_program(second.programs["second"])
        number = second.programs["second"].id
        second.close()
        assert link.info.prog_id == number


def test_update_to_a_program_of_another_type_is_refused(loaded, attach_cgroup):
    obj = loaded("network")
    with attach_cgroup(obj.programs["first"]) as link:
        with pytest.raises(bpf.LibbpfError, match="pass") as caught:
            link.update_program(obj.programs["pass"])
        assert caught.value.errno == errno.EINVAL
        assert "of the type" in caught.value.hint
        assert link.info.prog_id == obj.programs["first"].id


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", ["of_tracepoint", "of_raw_tracepoint", "of_tp_btf"])
def test_update_of_what_the_kernel_cannot_update_is_an_error(loaded, name):
    obj = loaded("kinds")
    with obj.programs[name].attach() as link, pytest.raises(bpf.NotSupportedError) as caught:
        link.update_program(obj.programs[name])
    assert caught.value.errno == errno.EOPNOTSUPP


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("of_raw_tracepoint", "RAW_TRACEPOINT"),
        pytest.param("of_tracepoint", "PERF_EVENT", marks=pytest.mark.needs("perf_link")),
    ],
)
def test_the_hint_names_the_type_of_what_cannot_be_updated(loaded, name, kind):
    program = loaded("kinds").programs[name]
    with program.attach() as link, pytest.raises(bpf.NotSupportedError) as caught:
        link.update_program(program, old=program)
    assert f"of the type {kind} cannot be updated, only those of control groups, XDP, " in caught.value.hint


def test_a_link_that_was_detached_is_not_updated_and_says_so(loaded, attach_cgroup):
    obj = loaded("network")
    with attach_cgroup(obj.programs["first"]) as link:
        link.detach()
        with pytest.raises(bpf.LibbpfError, match="it was detached, or") as caught:
            link.update_program(obj.programs["second"])
        assert caught.value.errno == errno.ENOLINK


def test_a_refused_type_is_not_told_as_a_stale_program(loaded, attach_cgroup):
    obj = loaded("network")
    with attach_cgroup(obj.programs["first"]) as link, pytest.raises(bpf.LibbpfError, match="of the type"):
        link.update_program(obj.programs["pass"], old=obj.programs["first"])


def test_update_to_a_program_that_is_not_loaded_is_a_state_error(loaded, opened, attach_cgroup):
    obj = loaded("network")
    with attach_cgroup(obj.programs["first"]) as link, pytest.raises(bpf.StateError):
        link.update_program(opened("network").programs["second"])


def test_update_to_a_program_that_is_closed_is_a_closed_error(loaded, attach_cgroup):
    obj, other = loaded("network"), loaded("network")
    program = other.programs["second"]
    other.close()
    with attach_cgroup(obj.programs["first"]) as link, pytest.raises(bpf.ClosedError):
        link.update_program(program)


@pytest.mark.parametrize("program", [None, 5, "second", object()])
def test_update_to_what_is_no_program_is_a_type_error(loaded, attach_cgroup, program):
    obj = loaded("network")
    with attach_cgroup(obj.programs["first"]) as link, pytest.raises(TypeError):
        link.update_program(program)


def test_a_closed_link_is_not_updated(loaded, attach_cgroup):
    obj = loaded("network")
    link = attach_cgroup(obj.programs["first"])
    link.close()
    with pytest.raises(bpf.ClosedError):
        link.update_program(obj.programs["second"])


def test_to_close_in_the_middle_of_a_close_does_nothing(loaded):
    link = loaded("basic").programs["on_raw"].attach()
    # As a signal handler finds it that interrupts close().
    link._handle._closing = True
    link.close()
    link._handle._closing = False
