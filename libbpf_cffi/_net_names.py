"""The words that people use for the kernel's numbers of the network, and those numbers."""

from __future__ import annotations

from ._ffi import lib, unsigned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["netfilter_family", "netfilter_hook", "netfilter_names", "xdp_flags"]

_XDP_MODES = {
    "drv": lib.XDP_FLAGS_DRV_MODE,
    "driver": lib.XDP_FLAGS_DRV_MODE,
    "native": lib.XDP_FLAGS_DRV_MODE,
    "skb": lib.XDP_FLAGS_SKB_MODE,
    "generic": lib.XDP_FLAGS_SKB_MODE,
    "hw": lib.XDP_FLAGS_HW_MODE,
    "offload": lib.XDP_FLAGS_HW_MODE,
}

_FAMILIES = {"ipv4": 2, "ipv6": 10}
"""``NFPROTO_…`` of linux/netfilter.h, those that ``bpf_nf_link_attach()`` takes."""

_HOOKS = {"pre_routing": 0, "local_in": 1, "forward": 2, "local_out": 3, "post_routing": 4}
"""``enum nf_inet_hooks`` of linux/netfilter.h."""


def xdp_flags(mode: str | None, flags: int) -> int:
    """Give the ``XDP_FLAGS_…`` of a mode by its name, with others."""
    flags = unsigned(flags, 32, "flags")
    if mode is not None:
        flags |= _named(mode, _XDP_MODES, "mode")
    chosen = flags & lib.XDP_FLAGS_MODES
    if chosen & chosen - 1:
        raise ValueError("one mode of XDP at a time: drv, skb or hw")
    return flags


def netfilter_family(value: str | int) -> int:
    """Give a protocol family by its name."""
    return _named(value, _FAMILIES, "pf") if isinstance(value, str) else unsigned(value, 32, "pf")


def netfilter_hook(value: str | int) -> int:
    """Give a hook of netfilter by its name."""
    return _named(value, _HOOKS, "hooknum") if isinstance(value, str) else unsigned(value, 32, "hooknum")


def netfilter_names(pf: int, hooknum: int) -> tuple[str, str]:
    """Give the names of a protocol family and of a hook, or the numbers that have none, as text."""
    families, hooks = ({number: name for name, number in each.items()} for each in (_FAMILIES, _HOOKS))
    return families.get(pf, str(pf)), hooks.get(hooknum, str(hooknum))


def _named(value: Any, names: dict[str, int], what: str) -> int:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be one of {', '.join(names)}, not {type(value).__name__}")
    number = names.get(value.lower())
    if number is None:
        raise ValueError(f"{what} must be one of {', '.join(names)}, not {value!r}")
    return number
