"""What programs are given, as Python values: the structs of linux/bpf.h that stand for packets and sockets.

They are laid out by the headers that this package was built with, not by BTF: a test run of an older or newer kernel
takes and gives them all the same, and a kernel without BTF has them too.
"""

from __future__ import annotations

from ._arguments import integer, iterable
from ._ffi import ffi, lib, set_member, unsigned
from ._record import record_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._libbpf import CData
    from ._record import Record

__all__ = ["SKB_TYPES", "STRUCTS", "WORDS", "decode", "encode", "words"]

SKB_TYPES = (
    lib.BPF_PROG_TYPE_SOCKET_FILTER,
    lib.BPF_PROG_TYPE_SCHED_CLS,
    lib.BPF_PROG_TYPE_SCHED_ACT,
    lib.BPF_PROG_TYPE_CGROUP_SKB,
    lib.BPF_PROG_TYPE_LWT_IN,
    lib.BPF_PROG_TYPE_LWT_OUT,
    lib.BPF_PROG_TYPE_LWT_XMIT,
    lib.BPF_PROG_TYPE_LWT_SEG6LOCAL,
)
"""The types of programs whose context is a ``struct __sk_buff``, and which a test run runs on a packet."""

STRUCTS: dict[int, str] = {
    **dict.fromkeys(SKB_TYPES, "struct __sk_buff"),
    lib.BPF_PROG_TYPE_XDP: "struct xdp_md",
    lib.BPF_PROG_TYPE_SK_LOOKUP: "struct bpf_sk_lookup",
    lib.BPF_PROG_TYPE_FLOW_DISSECTOR: "struct bpf_flow_keys",
}
"""By the type of a program: what a test run takes and gives as its context."""

WORDS = (
    lib.BPF_PROG_TYPE_RAW_TRACEPOINT,
    lib.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
    lib.BPF_PROG_TYPE_STRUCT_OPS,
)
"""The types of programs whose context is their arguments, 8 bytes each."""


def encode(struct: str, value: Any, defaults: dict[str, int]) -> CData:
    """Give a struct of C for a record or a mapping; what is left out is 0, or of `defaults`."""
    members = value._asdict() if hasattr(value, "_asdict") else value
    if not hasattr(members, "items"):
        raise TypeError(f"a {struct} must be bytes, a mapping or a record, not {type(value).__name__}")
    made = ffi.new(f"{struct} *")
    known = dict(_fields(ffi.typeof(struct)))
    for name, each in (defaults | dict(members)).items():
        if name not in known:
            import difflib

            close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
            hint = f"; close names: {', '.join(close)}" if close else ""
            raise ValueError(f"{struct} has no member {name!r}{hint}")
        what = f"{struct}.{name}"
        pointer = known[name].kind == "pointer"
        set_member(made, name, ffi.cast(known[name], unsigned(each, 64, what)) if pointer else each, what)
    return made


def decode(struct: str, memory: CData, size: int) -> Record:
    """Give a record of the members that `size` bytes have."""
    made = ffi.new(f"{struct} *")
    ffi.memmove(made, memory, min(size, ffi.sizeof(struct)))
    names = []
    values = []
    for name, kind in _fields(ffi.typeof(struct)):
        value = getattr(made, name)
        names.append(name)
        if kind.kind == "array":
            value = tuple(value)
        elif kind.kind == "pointer":
            value = int(ffi.cast("uintptr_t", value))
        values.append(value)
    return record_class(struct.removeprefix("struct "), tuple(names))(*values)


def words(value: Any) -> bytes:
    """Give arguments as a program finds them, 8 bytes each; a negative one is signed."""
    numbers = []
    for each in iterable(value, "ctx_in"):
        number = integer(each, "an argument")
        if not -(1 << 63) <= number < 1 << 64:
            raise ValueError(f"an argument has 64 bits, which {number} has not")
        numbers.append(number & ((1 << 64) - 1))
    return ffi.buffer(ffi.new("__u64[]", numbers))[:] if numbers else b""


def _fields(ctype: Any) -> Iterator[tuple[str, Any]]:
    """Give the members and their types, those of anonymous structs and unions as the struct's own."""
    for name, field in ctype.fields or ():
        if not name:
            yield from _fields(field.type)
        else:
            yield name, field.type
