"""eBPF for Python, on libbpf.

::

    import libbpf_cffi as bpf

    with bpf.Object.open("prog.bpf.o") as obj:
        obj.load()
        obj.attach()
        with bpf.TracePipe() as pipe:
            for line in pipe:
                print(line.task, line.message)

libbpf's nouns are the classes, its verbs the methods. The functions themselves are `lib`, and `ffi` is their
CFFI; `pointer` lends the C pointer of an object, program, map or link.
"""

from __future__ import annotations

from ._ffi import ffi, lib
from ._handle import pointer
from .errors import (
    ClosedError,
    Error,
    EventError,
    LibbpfError,
    LibbpfPermissionError,
    NotSupportedError,
    StateError,
    VerifierError,
)
from .links import Link
from .maps import ArrayMap, HashMap, Map, PercpuArrayMap, PercpuHashMap, RingBufferMap, UserRingBufferMap
from .objects import Object
from .programs import Program
from .tracefs import TracefsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._batch import Batch
    from .btf import Btf, BtfEnumerator, BtfMember, BtfParam, BtfType, BtfVariable
    from .compile import CompileError, CompileWarning, compile_object, vmlinux_h
    from .enums import AttachType, BtfKind, LinkType, MapFlags, MapType, ProgFlags, ProgType, UpdateFlags
    from .infos import LinkInfo, MapInfo, ProgramInfo
    from .ringbuf import Ring, RingBuffer
    from .trace_pipe import LostEvents, TraceLine, TracePipe
    from .user_ringbuf import UserRingBuffer, UserSample

__all__ = [
    "ArrayMap",
    "AttachType",
    "Batch",
    "Btf",
    "BtfEnumerator",
    "BtfKind",
    "BtfMember",
    "BtfParam",
    "BtfType",
    "BtfVariable",
    "ClosedError",
    "CompileError",
    "CompileWarning",
    "Error",
    "EventError",
    "HashMap",
    "LibbpfError",
    "LibbpfPermissionError",
    "Link",
    "LinkInfo",
    "LinkType",
    "LostEvents",
    "Map",
    "MapFlags",
    "MapInfo",
    "MapType",
    "NotSupportedError",
    "Object",
    "PercpuArrayMap",
    "PercpuHashMap",
    "ProgFlags",
    "ProgType",
    "Program",
    "ProgramInfo",
    "Ring",
    "RingBuffer",
    "RingBufferMap",
    "StateError",
    "TraceLine",
    "TracePipe",
    "TracefsError",
    "UpdateFlags",
    "UserRingBuffer",
    "UserRingBufferMap",
    "UserSample",
    "VerifierError",
    "compile_object",
    "ffi",
    "lib",
    "pointer",
    "vmlinux_h",
]

_LATER = {
    "AttachType": "enums",
    "Batch": "_batch",
    "Btf": "btf",
    "BtfEnumerator": "btf",
    "BtfKind": "enums",
    "BtfMember": "btf",
    "BtfParam": "btf",
    "BtfType": "btf",
    "BtfVariable": "btf",
    "CompileError": "compile",
    "CompileWarning": "compile",
    "LinkInfo": "infos",
    "LinkType": "enums",
    "LostEvents": "trace_pipe",
    "MapFlags": "enums",
    "MapInfo": "infos",
    "MapType": "enums",
    "ProgFlags": "enums",
    "ProgType": "enums",
    "ProgramInfo": "infos",
    "Ring": "ringbuf",
    "RingBuffer": "ringbuf",
    "TraceLine": "trace_pipe",
    "TracePipe": "trace_pipe",
    "UpdateFlags": "enums",
    "UserRingBuffer": "user_ringbuf",
    "UserSample": "user_ringbuf",
    "compile_object": "compile",
    "vmlinux_h": "compile",
}
"""Names whose modules cost more to import than most programs want to pay: imported when first asked for."""


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("libbpf-cffi")
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
