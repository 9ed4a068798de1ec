"""Attaching to the network: interfaces, namespaces, sockets, cgroups."""

from __future__ import annotations

from ._program import ProgramBase

__all__ = ["NetAttach"]


class NetAttach(ProgramBase):
    """Attaching to the network: interfaces, namespaces, sockets, cgroups."""

    __slots__ = ()
