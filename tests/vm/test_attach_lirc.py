"""Programs on an infrared receiver: rc-loopback, which receives what is sent by it."""

from __future__ import annotations

import errno
import os
import select
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import net

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("rc_loopback")

KIND = bpf.AttachType.LIRC_MODE2

SIGNAL = (500, 400, 700)
"""A pulse, a space and a pulse, in microseconds."""

PULSE = 0x01000000
"""LIRC_MODE2_PULSE: what a sample of a pulse has beside its length."""

RETURN_0 = bytes.fromhex("b700000000000000 9500000000000000")  # r0 = 0; exit


class Receiver:
    """The device of rc-loopback, open to send and to receive."""

    def __init__(self) -> None:
        (found,) = (each for each in Path("/sys/class/lirc").iterdir() if "rc-loopback" in uevent(each))
        self.path = f"/dev/{found.name}"
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._fd

    def send(self) -> None:
        """Send the signal, and wait until the last pulse of it has come: programs have seen it before."""
        os.write(self._fd, struct.pack("=3I", *SIGNAL))
        last = -1
        while last != PULSE | SIGNAL[-1]:
            assert select.select([self._fd], [], [], 20)[0], "the signal has not come"
            (last,) = struct.unpack("=I", os.read(self._fd, 4))

    def programs(self) -> tuple[int, ...]:
        """Give the ids of the programs that it has."""
        return net.prog_query(self.path, KIND).prog_ids

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


def uevent(device: Path) -> str:
    """Give what the kernel says of the receiver behind a device."""
    return (device / "device" / "uevent").read_text(encoding="ascii")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give the receiver; no program is left on it."""
    made = Receiver()
    yield made
    left = made.programs()
    made.close()
    assert left == ()


def test_a_program_sees_every_pulse_until_it_is_detached(only, receiver):
    obj = only("lirc", "infrared")
    infrared = obj.programs["infrared"]
    net.prog_attach(infrared, receiver.path)
    receiver.send()
    assert (obj.variables["pulses"], obj.variables["microseconds"]) == (2, 500 + 700)
    receiver.send()
    assert obj.variables["pulses"] == 4
    net.prog_detach(infrared, receiver.path)
    receiver.send()
    assert obj.variables["pulses"] == 4


def test_a_receiver_tells_its_programs(only, receiver):
    obj = only("lirc", "infrared", "second")
    infrared, second = obj.programs["infrared"], obj.programs["second"]
    net.prog_attach(infrared, receiver.path)
    net.prog_attach(second, receiver.path)
    found = net.prog_query(receiver.path, KIND)
    assert (found.attach_type, found.attach_flags, found.prog_ids) == (KIND, 0, (infrared.id, second.id))
    net.prog_detach(infrared, receiver.path)
    assert receiver.programs() == (second.id,)
    net.prog_detach(second, receiver.path)
    assert receiver.programs() == ()


def test_as_many_programs_as_a_receiver_takes_are_told_and_the_next_is_explained(root, receiver):
    made = [bpf.KernelProgram.load("lirc_mode2", RETURN_0) for _ in range(65)]
    for each in made[:64]:
        net.prog_attach(each, receiver.path, KIND)
    assert receiver.programs() == tuple(each.id for each in made[:64])
    with pytest.raises(bpf.LibbpfError, match="64 programs") as caught:
        net.prog_attach(made[64], receiver.path, KIND)
    assert caught.value.errno == errno.E2BIG
    for each in made[:64]:
        net.prog_detach(each, receiver.path, KIND)
    for each in made:
        each.close()


def test_a_program_stays_when_its_object_is_closed(only, receiver):
    obj = only("lirc", "infrared")
    number = obj.programs["infrared"].id
    net.prog_attach(obj.programs["infrared"], receiver.path)
    obj.close()
    assert receiver.programs() == (number,)
    with bpf.KernelProgram.from_id(number) as program:
        assert program.type is bpf.ProgType.LIRC_MODE2
        net.prog_detach(program, receiver.path, KIND)
    assert receiver.programs() == ()


def test_a_receiver_is_given_by_its_descriptor(only, receiver):
    program = only("lirc", "infrared").programs["infrared"]
    net.prog_attach(program, receiver.fileno())
    assert net.prog_query(receiver.fileno(), KIND).prog_ids == (program.id,)
    net.prog_detach(program, receiver.fileno())


def test_a_program_is_not_attached_twice(only, receiver):
    program = only("lirc", "infrared").programs["infrared"]
    net.prog_attach(program, receiver.path)
    with pytest.raises(bpf.LibbpfError, match="on that receiver already") as caught:
        net.prog_attach(program, receiver.path)
    assert caught.value.errno == errno.EEXIST
    net.prog_detach(program, receiver.path)


def test_what_is_not_attached_is_not_detached(only, receiver):
    program = only("lirc", "infrared").programs["infrared"]
    with pytest.raises(bpf.LibbpfError, match="it is not attached there") as caught:
        net.prog_detach(program, receiver.path)
    assert caught.value.errno == errno.ENOENT


def test_the_program_to_detach_must_be_named(receiver):
    with pytest.raises(bpf.LibbpfError, match="name the program"):
        net.prog_detach(None, receiver.path, KIND)


def test_flags_are_refused_for_themselves(only, receiver):
    program = only("lirc", "infrared").programs["infrared"]
    with pytest.raises(bpf.LibbpfError, match="takes no flags") as caught:
        net.prog_attach(program, receiver.path, flags=bpf.AttachFlags.ALLOW_MULTI)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(bpf.LibbpfError, match="takes no flags"):
        net.prog_query(receiver.path, KIND, query_flags=1)


def test_a_descriptor_that_is_only_read_asks_but_attaches_nothing(only, receiver):
    program = only("lirc", "infrared").programs["infrared"]
    with open(receiver.path, "rb", buffering=0) as reading:
        assert net.prog_query(reading.fileno(), KIND).prog_ids == ()
        with pytest.raises(bpf.LibbpfError, match="open for writing") as caught:
            net.prog_attach(program, reading.fileno())
    assert caught.value.errno == errno.EPERM


def test_another_device_is_explained(only):
    with pytest.raises(bpf.LibbpfError, match="must be one of infrared receivers"):
        net.prog_attach(only("lirc", "infrared").programs["infrared"], "/dev/null")


def test_every_attach_method_leads_to_the_one_for_receivers(only, receiver):
    program = only("lirc", "infrared").programs["infrared"]
    with pytest.raises(bpf.LibbpfError, match=r"net\.prog_attach\(\)"):
        program.attach()
    with pytest.raises(bpf.LibbpfError, match=r"net\.prog_attach\(\)"):
        program.attach_xdp("lo")
