"""A socket of AF_XDP that receives: the least of linux/if_xdp.h and af_xdp.rst of the kernel's documentation."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

AF_XDP, SOL_XDP = 44, 283
XDP_MMAP_OFFSETS, XDP_RX_RING, XDP_UMEM_REG, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING = 1, 2, 4, 5, 6
XDP_PGOFF_RX_RING, XDP_UMEM_PGOFF_FILL_RING = 0, 0x1_0000_0000
XDP_COPY = 2

CHUNK, CHUNKS = 2048, 16


class XdpSocket:
    """A socket that gets what an XDP program redirects to it from queue 0 of an interface of this network namespace."""

    def __init__(self, interface: str) -> None:
        self.socket = socket.socket(AF_XDP, socket.SOCK_RAW)
        self._packets = mmap.mmap(-1, CHUNK * CHUNKS)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._packets))
        self.socket.setsockopt(SOL_XDP, XDP_UMEM_REG, struct.pack("QQIIII", address, CHUNK * CHUNKS, CHUNK, 0, 0, 0))
        for ring in (XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING):
            self.socket.setsockopt(SOL_XDP, ring, struct.pack("i", CHUNKS))
        # Four rings, each: the offsets of producer, consumer, entries, flags.
        offsets = struct.unpack("16Q", self.socket.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        self._rx_at, fill_at = offsets[0:4], offsets[8:12]
        fd = self.socket.fileno()
        self._rx = mmap.mmap(fd, self._rx_at[2] + 16 * CHUNKS, offset=XDP_PGOFF_RX_RING)
        self._fill = mmap.mmap(fd, fill_at[2] + 8 * CHUNKS, offset=XDP_UMEM_PGOFF_FILL_RING)
        struct.pack_into(f"{CHUNKS}Q", self._fill, fill_at[2], *range(0, CHUNK * CHUNKS, CHUNK))
        struct.pack_into("I", self._fill, fill_at[0], CHUNKS)
        here = struct.pack("HHIII", AF_XDP, XDP_COPY, socket.if_nametoindex(interface), 0, 0)
        if ctypes.CDLL(None, use_errno=True).bind(fd, here, len(here)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def receive(self) -> list[bytes]:
        """Take the packets that have come."""
        (producer,) = struct.unpack_from("I", self._rx, self._rx_at[0])
        (consumer,) = struct.unpack_from("I", self._rx, self._rx_at[1])
        found = []
        for number in range(consumer, producer):
            address, size, _ = struct.unpack_from("QII", self._rx, self._rx_at[2] + 16 * (number % CHUNKS))
            found.append(self._packets[address : address + size])
        struct.pack_into("I", self._rx, self._rx_at[1], producer)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
