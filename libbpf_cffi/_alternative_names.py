"""The alternative names of network devices, which may be longer than C's calls take: asked for by netlink."""

from __future__ import annotations

import errno
import struct

from ._refusals import refused

__all__ = ["LONGEST", "by_alternative_name"]

LONGEST = 15
"""``IFNAMSIZ`` of linux/if.h, without the NUL: up to here the C library finds every name, alternative ones too."""

_NLMSG_ERROR, _NLM_F_REQUEST = 2, 1
_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_IFLA_ALT_IFNAME = 53

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
"""``struct ifinfomsg``: family, type, index, flags, change."""


def by_alternative_name(name: str) -> int:
    """Give the number of the device with this name in this thread's namespace, or -errno. Linux 5.5."""
    import os
    import socket

    try:
        encoded = os.fsencode(name) + b"\0"
    except UnicodeEncodeError:
        return -errno.ENODEV
    if len(encoded) > 128 or b"\0" in encoded[:-1]:
        # ALTIFNAMSIZ: the kernel refuses a longer one.
        return -errno.ENODEV
    attribute = struct.pack("=HH", 4 + len(encoded), _IFLA_ALT_IFNAME) + encoded + bytes(-len(encoded) % 4)
    request = _LINK.pack(0, 0, 0, 0, 0) + attribute
    request = _HEADER.pack(_HEADER.size + len(request), _RTM_GETLINK, _NLM_F_REQUEST, 1, 0) + request
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
            sock.send(request)
            answer = sock.recv(1 << 16)
    except OSError as error:
        return -refused(error)
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind == _NLMSG_ERROR:
        return int(struct.unpack_from("=i", answer, _HEADER.size)[0])
    if kind != _RTM_NEWLINK:
        return -errno.ENODEV
    return int(_LINK.unpack_from(answer, _HEADER.size)[2])
