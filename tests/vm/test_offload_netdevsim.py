"""XDP and maps in the hardware of an interface: netdevsim takes them as a card does.

Its driver takes a program and keeps it, and has nothing to run it on: what is attached there never fires.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import kernel, net

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("netdevsim")

BUS = Path("/sys/bus/netdevsim")

DEBUG = "/sys/kernel/debug"

DEVICE = 77
"""The number of the device on its bus, which nobody else has."""

RETURN_2 = bytes.fromhex("b700000002000000 9500000000000000")  # r0 = XDP_PASS; exit


class Card:
    """A device of netdevsim, with one port."""

    def __init__(self) -> None:
        (BUS / "new_device").write_text(f"{DEVICE} 1", encoding="ascii")
        self.number = 0
        while not self.number:
            # Somebody may give it another name meanwhile.
            with contextlib.suppress(FileNotFoundError):
                (found,) = (BUS / f"devices/netdevsim{DEVICE}/net").iterdir()
                self.number = int((found / "ifindex").read_text(encoding="ascii"))

    @property
    def program(self) -> int:
        """Give the id of the program that the driver says is in the hardware, 0 for none."""
        port = Path(f"{DEBUG}/netdevsim/netdevsim{DEVICE}/ports/0")
        return int((port / "bpf_offloaded_id").read_text(encoding="ascii"))

    def remove(self) -> None:
        """Take it away, unless it is gone."""
        if (BUS / f"devices/netdevsim{DEVICE}").exists():
            (BUS / "del_device").write_text(f"{DEVICE}", encoding="ascii")


@pytest.fixture
def card(private_mounts: None) -> Iterator[Card]:
    """Give a card, and what its driver tells of it."""
    if not os.path.exists(f"{DEBUG}/netdevsim"):
        subprocess.run(["mount", "-t", "debugfs", "debugfs", DEBUG], check=True)
    made = Card()
    yield made
    made.remove()


@pytest.fixture
def in_hardware(opened, card):
    """Load offload.bpf.c for the card, with one of its programs."""

    def load(name):
        obj = opened("offload")
        for each in obj.programs.values():
            each.autoload = each.name == name
            each.set_ifindex(card.number)
        obj.maps["counts"].ifindex = card.number
        obj.load()
        return obj

    return load


@pytest.fixture
def offloaded(in_hardware):
    """Load a program for the card that does without maps."""
    return in_hardware("pass").programs["pass"]


# Programs


def test_a_program_is_in_the_hardware_until_its_link_is_closed(card, offloaded):
    with offloaded.attach_xdp(card.number, mode="hw") as link:
        assert card.program == offloaded.id
        found = net.xdp_query(card.number)
        assert (found.attach_mode, found.hw_prog_id) == (net.XdpAttachMode.HW, offloaded.id)
        assert net.xdp_query_id(card.number, mode="hw") == offloaded.id
        assert net.attached(card.number) == [net.Attached("xdp/hw", offloaded.id, "pass", link.info.id)]
        assert link.info.details == {"ifindex": card.number}
    assert card.program == 0
    assert net.xdp_query(card.number).attach_mode is net.XdpAttachMode.NONE
    assert net.attached(card.number) == []


def test_a_program_is_in_the_hardware_until_netlink_takes_it_away(card, offloaded):
    net.xdp_attach(card.number, offloaded, mode="hw")
    assert card.program == net.xdp_query_id(card.number, mode="hw") == offloaded.id
    net.xdp_detach(card.number, mode="hw")
    assert card.program == net.xdp_query_id(card.number, mode="hw") == 0


def test_a_program_in_the_hardware_leaves_room_for_one_in_the_driver(card, offloaded, only):
    driver = only("network", "pass").programs["pass"]
    with offloaded.attach_xdp(card.number, mode="hw"), driver.attach_xdp(card.number, mode="drv"):
        found = net.xdp_query(card.number)
        assert (found.attach_mode, found.hw_prog_id, found.drv_prog_id) == (
            net.XdpAttachMode.MULTI, offloaded.id, driver.id
        )  # fmt: skip
        assert [(each.hook, each.prog_id) for each in net.attached(card.number)] == [
            ("xdp/drv", driver.id), ("xdp/hw", offloaded.id)
        ]  # fmt: skip


def test_a_program_tells_for_which_interface_it_is(card, offloaded):
    info = offloaded.info
    assert info.ifindex == card.number
    assert info.netns_ino == os.stat("/proc/self/ns/net").st_ino
    assert [each.ifindex for each in kernel.find_programs(id=offloaded.id)] == [card.number]


def test_instructions_are_loaded_for_an_interface(card):
    with bpf.KernelProgram.load("xdp", RETURN_2, prog_ifindex=card.number) as program:
        assert program.info.ifindex == card.number
        net.xdp_attach(card.number, program, mode="hw")
        assert card.program == program.id
        net.xdp_detach(card.number, mode="hw")
    assert card.program == 0


def test_a_program_for_no_hardware_is_told_how_to_be(card, only):
    program = only("network", "pass").programs["pass"]
    with pytest.raises(bpf.LibbpfError, match=r"loaded for that interface \(Program\.set_ifindex\(\)\)") as caught:
        program.attach_xdp(card.number, mode="hw")
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("mode", [None, "drv", "skb"])
def test_a_program_for_hardware_is_told_its_mode(card, offloaded, mode):
    for attach in (
        lambda: offloaded.attach_xdp(card.number, mode=mode),
        lambda: net.xdp_attach(card.number, offloaded, mode=mode),
    ):
        with pytest.raises(bpf.LibbpfError, match="for the hardware of an interface: the mode hw puts it there"):
            attach()


def test_a_program_for_hardware_is_not_run_here(card, offloaded):
    with pytest.raises(bpf.NotSupportedError, match="hardware"):
        offloaded.test_run(bytes(64))


def test_what_the_driver_refuses_is_explained_by_the_driver(card, opened):
    Path(f"{DEBUG}/netdevsim/netdevsim{DEVICE}/bpf_bind_verifier_accept").write_text("N", encoding="ascii")
    with pytest.raises(bpf.VerifierError, match=r"\[netdevsim\] Hello from netdevsim!"):
        bpf.KernelProgram.load("xdp", RETURN_2, prog_ifindex=card.number)


# Maps


def test_a_map_of_the_hardware_is_a_map(card, in_hardware):
    obj = in_hardware("count")
    program, counts = obj.programs["count"], obj.maps["counts"]
    assert counts.info.ifindex == card.number
    assert program.info.map_ids == (counts.id,)
    counts[7] = 1
    counts[8] = 2
    assert dict(counts) == dict(counts.items()) == {7: 1, 8: 2}
    assert len(counts) == 2
    del counts[7]
    assert 7 not in counts
    assert counts.get(7) is None
    assert list(counts) == [8]


def test_a_map_of_the_hardware_gives_nothing_in_one_step_and_says_so(card, create):
    counts = create("hash", "u32", "u64", 2, map_ifindex=card.number)
    assert counts.info.ifindex == card.number
    counts[7] = 1
    for take in (lambda: counts.pop(7), counts.popitem, lambda: counts.lookup_and_delete_elem(7)):
        with pytest.raises(bpf.NotSupportedError, match="look it up, then delete it"):
            take()
    assert dict(counts) == {7: 1}


def test_a_map_of_the_hardware_is_filled_and_emptied_at_once(card, create):
    counts = create("hash", "u32", "u64", 2, map_ifindex=card.number)
    counts.update({7: 1, 8: 2})
    assert dict(counts) == {7: 1, 8: 2}
    counts.clear()
    assert list(counts) == []


# Without the card


def test_what_was_for_a_card_that_is_gone_is_explained(card, in_hardware):
    obj = in_hardware("count")
    program, counts = obj.programs["count"], obj.maps["counts"]
    card.remove()
    for ask in (lambda: program.info, lambda: counts.info, lambda: counts[7], lambda: counts.update({7: 1})):
        with pytest.raises(bpf.LibbpfError, match="is gone") as caught:
            ask()
        assert caught.value.errno == errno.ENODEV


def test_what_was_for_a_card_that_is_gone_hides_nothing_else(card, in_hardware, only):
    gone, other = in_hardware("count").programs["count"], only("network", "pass").programs["pass"]
    number = gone.id
    card.remove()
    assert number not in {each.id for each in kernel.programs()}
    assert other.id in {each.id for each in kernel.programs()}
    kernel.maps()
    with bpf.KernelProgram.find("pass") as found:
        assert found.id == other.id
    with pytest.raises(KeyError):
        bpf.KernelProgram.find("nosuch")
    with pytest.raises(KeyError):
        bpf.Map.find("nosuch")


def test_a_link_outlives_the_card(card, offloaded):
    link = offloaded.attach_xdp(card.number, mode="hw")
    card.remove()
    assert link.info.details == {"ifindex": 0}
    link.close()
