"""The network: what is attached to it, and what attaches to it without a link.

`attached`, `attached_cgroup` and `attached_netns` list the programs of an interface, a control group, a network
namespace; without the right to look they raise `LibbpfPermissionError`. `xdp_attach`, `TcHook` and `prog_attach` are
libbpf's older ways, which leave a program attached when the process ends; `Program.attach_xdp` and its kin make links.
Interfaces are named, or given by their number; a function that takes `netns` does its work in that network namespace:
a name of ``ip netns``, a path such as ``/proc/PID/ns/net``, the number of a process in text, a descriptor.
"""

from __future__ import annotations

from ._net_enums import AttachFlags, TcAttachPoint, XdpAttachMode, XdpFeatures, XdpFlags
from ._net_query import attached, attached_cgroup, attached_netns, prog_attach, prog_detach, prog_query
from ._net_records import Attached, ProgQuery, QueriedProg, TcFilter, XdpQuery
from ._net_tc import TcHook
from ._net_xdp import xdp_attach, xdp_detach, xdp_query, xdp_query_id

__all__ = [
    "AttachFlags",
    "Attached",
    "ProgQuery",
    "QueriedProg",
    "TcAttachPoint",
    "TcFilter",
    "TcHook",
    "XdpAttachMode",
    "XdpFeatures",
    "XdpFlags",
    "XdpQuery",
    "attached",
    "attached_cgroup",
    "attached_netns",
    "prog_attach",
    "prog_detach",
    "prog_query",
    "xdp_attach",
    "xdp_detach",
    "xdp_query",
    "xdp_query_id",
]
