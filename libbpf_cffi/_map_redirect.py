"""Maps that packets are redirected by: to network devices, to CPUs, to AF_XDP sockets."""

from __future__ import annotations

import errno
from collections import namedtuple
from struct import Struct

from ._ffi import unsigned
from ._map_elements import MISSING
from ._map_lend import Lending, ProgramId
from ._map_slots import LendingHash, PlainCodec, Slots, number_codec
from ._targets import interface, interface_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from ._codec import Codec
    from ._map_lend import Borrowed

    class CpuEntry(NamedTuple):
        """What is at a place of a CPU map: packets that the queue to the CPU holds, and the id of the program there."""

        qsize: int
        prog_id: int | None

    class DevEntry(NamedTuple):
        """What is at a place of a device map: the device, by number and name, and the id of the program behind it.

        The name is that of the number in this process's network namespace, ``None`` if it has no such device.
        """

        ifindex: int
        name: str | None
        prog_id: int | None
else:
    # `typing` costs as much as the rest of the module.
    CpuEntry = namedtuple("CpuEntry", "qsize prog_id")  # noqa: PYI024
    CpuEntry.__doc__ = "What is at a place of a CPU map: packets that the queue holds, and the id of the program there."
    DevEntry = namedtuple("DevEntry", "ifindex name prog_id")  # noqa: PYI024
    DevEntry.__doc__ = "What is at a place of a device map: the device, by number and name, and the program's id."

__all__ = ["CpuEntry", "CpuMap", "DevEntry", "DevMap", "DevMapHash", "XskMap"]

NO_PROGRAM = 0
"""As a descriptor: no program (a negative number would be one, too; 0 is what is in the bytes that are left out)."""


class _EntryCodec(PlainCodec):
    """A number and, in 8 bytes, a program: a descriptor when written, an id when read (``struct bpf_devmap_val``)."""

    def __init__(self, size: int, typename: str, make: Callable[[int, int], Any]) -> None:
        super().__init__(size, typename, "=")
        self._layout = Struct("=Ii" if size == 8 else "=I")
        self._read = Struct("=II" if size == 8 else "=I")
        self._make = make
        self.codes = self._read.format[1:]

    def unpack(self, buffer: Any, offset: int = 0) -> Any:
        return self._make(*self._read.unpack_from(buffer, offset))

    def encode(self, value: tuple[int, int]) -> bytes:
        return self._layout.pack(*value) if self.size == 8 else self._layout.pack(value[0])

    def numpy_type(self) -> Any:
        return [("number", "=u4"), ("prog_id", "=u4")] if self.size == 8 else "=u4"


def _with_program(map: Any, value: Any, what: str, borrowed: Borrowed) -> tuple[Any, int]:
    """Take a value apart: what it is, and the descriptor of its program."""
    if not isinstance(value, tuple) or len(value) != 2:
        return value, NO_PROGRAM
    first, program = value
    if program is None:
        return first, NO_PROGRAM
    if map.value_size < 8:
        raise ValueError(f"the values of {map._what} have {map.value_size} bytes: {what} with a program needs 8")
    return first, borrowed.program(program)


class _Devices(Lending):
    """What maps of devices have in common."""

    __slots__ = ()

    def _make_value_codec(self) -> Codec:
        if self._is_raw or self.value_size not in (4, 8):
            return super()._make_value_codec()
        return _EntryCodec(self.value_size, "a device", _dev_entry)

    def _lend(self, value: Any, borrowed: Borrowed) -> tuple[int, int]:
        if isinstance(value, DevEntry):
            raise TypeError("a DevEntry is what is read: write the device, or a pair of the device and a program")
        device, program = _with_program(self, value, "a device", borrowed)
        return interface(device), program

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EINVAL:
            return (
                "this network namespace has no such device, or the program is not of SEC('xdp/devmap'), or one with "
                "frags does not go with one without"
            )
        return super()._hint(error, flags)


def _dev_entry(ifindex: int, prog_id: int = 0) -> DevEntry:
    return DevEntry(ifindex, interface_name(ifindex), ProgramId(prog_id) if prog_id else None)


class DevMap(_Devices, Slots):
    """An array of network devices, for ``bpf_redirect_map()``: ``devices[0] = "eth0"``.

    A value is a device's name or number, or a pair of it and a `Program` of ``SEC("xdp/devmap")`` that runs when a
    packet leaves by it (values of 8 bytes, Linux 5.8). What is read is a `DevEntry`, or ``None``. A device that goes
    away empties its places.
    """

    __slots__ = ()

    _tells_deletion = False


class DevMapHash(_Devices, LendingHash):
    """A hash of network devices, by any number: a mutable mapping, with values as in `DevMap`. Linux 5.4."""

    __slots__ = ()


def _cpu_entry(qsize: int, prog_id: int = 0) -> CpuEntry:
    return CpuEntry(qsize, ProgramId(prog_id) if prog_id else None)


class CpuMap(Slots):
    """An array by CPU, for ``bpf_redirect_map()``: ``cpus[2] = 512`` makes a queue of so many packets to that CPU.

    A value is the queue's size, or a pair of it and a `Program` of ``SEC("xdp/cpumap")`` that runs there (values of 8
    bytes, Linux 5.9). What is read is a `CpuEntry`, or ``None``. Linux 4.15.
    """

    __slots__ = ()

    _tells_deletion = False

    def _make_value_codec(self) -> Codec:
        if self._is_raw or self.value_size not in (4, 8):
            return super()._make_value_codec()
        return _EntryCodec(self.value_size, "a queue", _cpu_entry)

    def _lend(self, value: Any, borrowed: Borrowed) -> tuple[int, int]:
        if isinstance(value, CpuEntry) and value.prog_id is not None:
            raise TypeError("a CpuEntry is what is read: write the queue's size, or a pair of it and a program")
        size, program = _with_program(self, value, "a queue", borrowed)
        return unsigned(size, 32, "the size of a queue"), program

    def _lookup(self, function: Any, verb: str, key: Any, flags: int) -> Any:
        found = super()._lookup(function, verb, key, flags)
        return MISSING if found == CpuEntry(0, None) else found

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EOVERFLOW:
            return "a queue has at most 16384 packets"
        if error == errno.ENODEV:
            return "there is no such CPU"
        if error == errno.EINVAL:
            return "the program is not of SEC('xdp/cpumap'), or one with frags does not go with one without"
        return super()._hint(error, flags)


class XskMap(Slots):
    """An array of AF_XDP sockets, by the queue that they receive from: ``sockets[0] = sock``.

    A value is the socket, or its descriptor. The kernel does not tell user space what is there; a socket that is closed
    leaves the map by itself. Linux 4.18.
    """

    __slots__ = ()

    _readable = _tells_deletion = False

    def _make_value_codec(self) -> Codec:
        return super()._make_value_codec() if self._is_raw else number_codec(4, "descriptor")

    def _lend(self, value: Any, borrowed: Borrowed) -> int:
        return borrowed.file(value, "an AF_XDP socket")

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EOPNOTSUPP:
            return "the socket is not one of AF_XDP, or has no memory and no fill ring (XDP_UMEM_FILL_RING) yet"
        if error == errno.ENOBUFS:
            return "the socket has no ring to receive (XDP_RX_RING), which Linux 7.3 wants"
        if error in (errno.ENOTSOCK, errno.EBADF):
            return "that is no socket"
        return super()._hint(error, flags)
