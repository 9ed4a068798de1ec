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
from .maps import Map
from .objects import Object
from .programs import Program
from .tracefs import TracefsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import hist, kernel, net, probe, tracefs, tracepoints
    from ._batch import Batch
    from ._dump import JitedFunction, Xlated
    from ._gen_loader import LoaderProgram
    from ._map_arena import Arena
    from ._map_array import ArrayMap
    from ._map_groups import CgroupArray, CgroupStorage, CgroupStorageKey, PercpuCgroupStorage, PerfEventArray
    from ._map_hash import HashMap
    from ._map_insns import InsnArray, InsnPlace
    from ._map_lend import ProgramId
    from ._map_lpm import LpmTrie
    from ._map_of_maps import ArrayOfMaps, HashOfMaps, MapOfMaps
    from ._map_percpu import PercpuArrayMap, PercpuHashMap, num_possible_cpus
    from ._map_programs import ProgArray
    from ._map_queues import BloomFilter, Queue, Stack
    from ._map_redirect import CpuEntry, CpuMap, DevEntry, DevMap, DevMapHash, XskMap
    from ._map_ring import RingBufferMap, UserRingBufferMap
    from ._map_sockets import ReuseportSockArray, SockHash, SockMap
    from ._map_stacks import StackFrame, StackTrace
    from ._map_storage import CgrpStorage, InodeStorage, SkStorage, Storage, TaskStorage
    from ._map_struct_ops import StructOps
    from ._memlock import set_memlock_rlim
    from ._net_enums import AttachFlags, XdpFlags
    from ._preload import preload
    from ._prog_handlers import ProgHandler, register_prog_handler
    from ._record import Record, UnionValue, plain
    from ._socket import SocketProgram
    from ._test_run import TestRun
    from .btf import Btf, BtfEnumerator, BtfMember, BtfParam, BtfType, BtfVariable
    from .btf_ext import BtfExt, BtfFuncInfo, BtfLineInfo
    from .compile import CompileError, CompileWarning, compile_object, vmlinux_h
    from .enums import (
        AttachType,
        BpfCmd,
        BtfKind,
        CgroupIterOrder,
        LinkType,
        MapFlags,
        MapType,
        PerfEventType,
        ProbeAttachMode,
        ProgFlags,
        ProgType,
        TestRunFlags,
        UpdateFlags,
    )
    from .infos import LinkInfo, MapInfo, ProgramInfo
    from .insns import Insn
    from .linker import link_objects
    from .loaded import KernelProgram
    from .perf_events import PerfEvent, PerfReading
    from .perfbuf import CpuBuffer, PerfBuffer
    from .ringbuf import Ring, RingBuffer
    from .stats import Stats, enable_stats
    from .symbols import Frame, Symbolizer
    from .syscalls import Syscall, Syscalls, record_syscalls
    from .tokens import Token, TokenInfo
    from .trace_pipe import LostEvents, TraceLine, TracePipe
    from .user_ringbuf import UserRingBuffer, UserSample
    from .variables import Variable, Variables

__all__ = [
    "Arena",
    "ArrayMap",
    "ArrayOfMaps",
    "AttachFlags",
    "AttachType",
    "Batch",
    "BloomFilter",
    "BpfCmd",
    "Btf",
    "BtfEnumerator",
    "BtfExt",
    "BtfFuncInfo",
    "BtfKind",
    "BtfLineInfo",
    "BtfMember",
    "BtfParam",
    "BtfType",
    "BtfVariable",
    "CgroupArray",
    "CgroupIterOrder",
    "CgroupStorage",
    "CgroupStorageKey",
    "CgrpStorage",
    "ClosedError",
    "CompileError",
    "CompileWarning",
    "CpuBuffer",
    "CpuEntry",
    "CpuMap",
    "DevEntry",
    "DevMap",
    "DevMapHash",
    "Error",
    "EventError",
    "Frame",
    "HashMap",
    "HashOfMaps",
    "InodeStorage",
    "Insn",
    "InsnArray",
    "InsnPlace",
    "JitedFunction",
    "KernelProgram",
    "LibbpfError",
    "LibbpfPermissionError",
    "Link",
    "LinkInfo",
    "LinkType",
    "LoaderProgram",
    "LostEvents",
    "LpmTrie",
    "Map",
    "MapFlags",
    "MapInfo",
    "MapOfMaps",
    "MapType",
    "NotSupportedError",
    "Object",
    "PercpuArrayMap",
    "PercpuCgroupStorage",
    "PercpuHashMap",
    "PerfBuffer",
    "PerfEvent",
    "PerfEventArray",
    "PerfEventType",
    "PerfReading",
    "ProbeAttachMode",
    "ProgArray",
    "ProgFlags",
    "ProgHandler",
    "ProgType",
    "Program",
    "ProgramId",
    "ProgramInfo",
    "Queue",
    "Record",
    "ReuseportSockArray",
    "Ring",
    "RingBuffer",
    "RingBufferMap",
    "SkStorage",
    "SockHash",
    "SockMap",
    "SocketProgram",
    "Stack",
    "StackFrame",
    "StackTrace",
    "StateError",
    "Stats",
    "Storage",
    "StructOps",
    "Symbolizer",
    "Syscall",
    "Syscalls",
    "TaskStorage",
    "TestRun",
    "TestRunFlags",
    "Token",
    "TokenInfo",
    "TraceLine",
    "TracePipe",
    "TracefsError",
    "UnionValue",
    "UpdateFlags",
    "UserRingBuffer",
    "UserRingBufferMap",
    "UserSample",
    "Variable",
    "Variables",
    "VerifierError",
    "XdpFlags",
    "Xlated",
    "XskMap",
    "compile_object",
    "enable_stats",
    "ffi",
    "hist",
    "kernel",
    "lib",
    "link_objects",
    "net",
    "num_possible_cpus",
    "plain",
    "pointer",
    "preload",
    "probe",
    "record_syscalls",
    "register_prog_handler",
    "set_memlock_rlim",
    "tracefs",
    "tracepoints",
    "vmlinux_h",
]

_LATER = {
    "Arena": "_map_arena",
    "ArrayMap": "_map_array",
    "ArrayOfMaps": "_map_of_maps",
    "AttachFlags": "_net_enums",
    "AttachType": "enums",
    "Batch": "_batch",
    "BloomFilter": "_map_queues",
    "BpfCmd": "enums",
    "Btf": "btf",
    "BtfEnumerator": "btf",
    "BtfExt": "btf_ext",
    "BtfFuncInfo": "btf_ext",
    "BtfKind": "enums",
    "BtfLineInfo": "btf_ext",
    "BtfMember": "btf",
    "BtfParam": "btf",
    "BtfType": "btf",
    "BtfVariable": "btf",
    "CgroupArray": "_map_groups",
    "CgroupIterOrder": "enums",
    "CgroupStorage": "_map_groups",
    "CgroupStorageKey": "_map_groups",
    "CgrpStorage": "_map_storage",
    "CompileError": "compile",
    "CompileWarning": "compile",
    "CpuBuffer": "perfbuf",
    "CpuEntry": "_map_redirect",
    "CpuMap": "_map_redirect",
    "DevEntry": "_map_redirect",
    "DevMap": "_map_redirect",
    "DevMapHash": "_map_redirect",
    "Frame": "symbols",
    "HashMap": "_map_hash",
    "HashOfMaps": "_map_of_maps",
    "InodeStorage": "_map_storage",
    "Insn": "insns",
    "InsnArray": "_map_insns",
    "InsnPlace": "_map_insns",
    "JitedFunction": "_dump",
    "KernelProgram": "loaded",
    "LinkInfo": "infos",
    "LinkType": "enums",
    "LoaderProgram": "_gen_loader",
    "LostEvents": "trace_pipe",
    "LpmTrie": "_map_lpm",
    "MapFlags": "enums",
    "MapInfo": "infos",
    "MapOfMaps": "_map_of_maps",
    "MapType": "enums",
    "PercpuArrayMap": "_map_percpu",
    "PercpuCgroupStorage": "_map_groups",
    "PercpuHashMap": "_map_percpu",
    "PerfBuffer": "perfbuf",
    "PerfEvent": "perf_events",
    "PerfEventArray": "_map_groups",
    "PerfEventType": "enums",
    "PerfReading": "perf_events",
    "ProbeAttachMode": "enums",
    "ProgArray": "_map_programs",
    "ProgFlags": "enums",
    "ProgHandler": "_prog_handlers",
    "ProgType": "enums",
    "ProgramId": "_map_lend",
    "ProgramInfo": "infos",
    "Queue": "_map_queues",
    "Record": "_record",
    "ReuseportSockArray": "_map_sockets",
    "Ring": "ringbuf",
    "RingBuffer": "ringbuf",
    "RingBufferMap": "_map_ring",
    "SkStorage": "_map_storage",
    "SockHash": "_map_sockets",
    "SockMap": "_map_sockets",
    "SocketProgram": "_socket",
    "Stack": "_map_queues",
    "StackFrame": "_map_stacks",
    "StackTrace": "_map_stacks",
    "Stats": "stats",
    "Storage": "_map_storage",
    "StructOps": "_map_struct_ops",
    "Symbolizer": "symbols",
    "Syscall": "syscalls",
    "Syscalls": "syscalls",
    "TaskStorage": "_map_storage",
    "TestRun": "_test_run",
    "TestRunFlags": "enums",
    "Token": "tokens",
    "TokenInfo": "tokens",
    "TraceLine": "trace_pipe",
    "TracePipe": "trace_pipe",
    "UnionValue": "_record",
    "UpdateFlags": "enums",
    "UserRingBuffer": "user_ringbuf",
    "UserRingBufferMap": "_map_ring",
    "UserSample": "user_ringbuf",
    "Variable": "variables",
    "Variables": "variables",
    "XdpFlags": "_net_enums",
    "Xlated": "_dump",
    "XskMap": "_map_redirect",
    "compile_object": "compile",
    "enable_stats": "stats",
    "link_objects": "linker",
    "num_possible_cpus": "_map_percpu",
    "plain": "_record",
    "preload": "_preload",
    "record_syscalls": "syscalls",
    "register_prog_handler": "_prog_handlers",
    "set_memlock_rlim": "_memlock",
    "vmlinux_h": "compile",
}
"""Names whose modules cost more to import than most programs want to pay: imported when first asked for."""


_MODULES = ("hist", "kernel", "net", "probe", "tracefs", "tracepoints")
"""Modules that are parts of the public names as such."""


def __getattr__(name: str) -> object:
    if name in _MODULES:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
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
    return sorted([*__all__, "__version__"])
