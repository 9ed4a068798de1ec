"""Every public operation there is, found by looking: what the state machine draws from, and a test compares with."""

from __future__ import annotations

import enum
import importlib
import inspect
import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = ("hist", "insns", "kernel", "net", "probe", "tracefs", "tracepoints")
"""Modules whose functions are public under the module's own name."""

SPECIAL = {
    "__aiter__", "__call__", "__contains__", "__delitem__", "__enter__", "__eq__", "__getitem__", "__hash__",
    "__iter__",
    "__len__", "__repr__", "__reversed__", "__setitem__",
}  # fmt: skip

class Operation(NamedTuple):
    """Something that a user can write."""

    kind: str
    """``call``, ``get``, ``set``, ``class`` (a class method), ``new`` or ``function``."""
    owner: Any
    """The class that has it, or the module."""
    name: str
    signature: inspect.Signature | None


def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _of_class(kind: type) -> dict[str, Operation]:
    found = {}
    for name in dir(kind):
        if name.startswith("_") and name not in SPECIAL:
            continue
        base = next(base for base in kind.__mro__ if name in vars(base))
        if base in {object, tuple, int} or issubclass(base, enum.Enum):
            continue
        value = vars(base)[name]
        full = f"{base.__name__}.{name}"
        if isinstance(value, (classmethod, staticmethod)):
            found[full] = Operation("class", kind, name, _signature(getattr(base, name)))
        elif inspect.isfunction(value):
            found[full] = Operation("call", base, name, _signature(value))
        elif value is not None:
            found[full] = Operation("get", base, name, None)
            if isinstance(value, property) and value.fset is not None:
                found[f"{full}="] = Operation("set", base, name, None)
    return found


def _functions(name: str) -> dict[str, Operation]:
    module = importlib.import_module(f"libbpf_cffi.{name}")
    return {
        f"{name}.{each}": Operation("function", module, each, _signature(getattr(module, each)))
        for each in module.__all__
        if inspect.isfunction(getattr(module, each))
    }


def classes() -> list[type]:
    """Give the public classes that are neither enumerations nor exceptions."""
    net = importlib.import_module("libbpf_cffi.net")
    every = [getattr(bpf, name) for name in bpf.__all__] + [getattr(net, name) for name in net.__all__]
    return [each for each in every if inspect.isclass(each) and not issubclass(each, (enum.Enum, BaseException))]


def operations() -> dict[str, Operation]:
    """Give every public operation, by its name."""
    found: dict[str, Operation] = {}
    for kind in classes():
        found[kind.__name__] = Operation("new", kind, kind.__name__, _signature(kind))
        for name, each in _of_class(kind).items():
            found.setdefault(name, each)
    for name in bpf.__all__:
        value = getattr(bpf, name)
        if inspect.isfunction(value):
            found[name] = Operation("function", bpf, name, _signature(value))
    for module in MODULES:
        found.update(_functions(module))
    return found


NOT_DRAWN = {
    "kernel.main": "a command, which prints", "probe.main": "a command, which prints",
    "tracefs.mount_tracefs": "mounts, and nothing of ours takes a mount away",
    "tracefs.mount_bpffs": "mounts, likewise",
    "tracefs.make_instance": "what it makes stays until it is removed; TracePipe makes and removes instances",
    "tracefs.remove_stale_instances": "removes what others may have left",
    "Token.close": "there is none outside of a user namespace: test_tokens.py", "Token.closed": "see Token.close",
    "Token.fd": "see Token.close", "Token.info": "see Token.close", "Token.__enter__": "see Token.close",
    "Token.__repr__": "see Token.close",
    "TokenInfo.allowed_attachs": "see Token.close", "TokenInfo.allowed_cmds": "see Token.close",
    "TokenInfo.allowed_maps": "see Token.close", "TokenInfo.allowed_progs": "see Token.close",
    "TokenInfo.__repr__": "see Token.close",
}  # fmt: skip
"""What the machine leaves alone, and why."""

MADE_BY_USERS = {"Insn", "PerfBuffer", "PerfEvent", "RingBuffer", "TcHook", "TracePipe", "UserRingBuffer", "pointer"}
"""The classes that are called. Others refuse it, or take what only the package has."""

HEAVY = {"vmlinux_h", "compile_object", "probe.features", "probe.symbols", "probe.kfuncs", "probe.helpers",
         "probe.functions", "kernel.holders", "probe.lsm_hooks"}  # fmt: skip
"""What takes a second: drawn now and then."""

OPERATIONS = {
    name: each
    for name, each in operations().items()
    if name not in NOT_DRAWN and (each.kind != "new" or name in MADE_BY_USERS)
}

OPERATORS: dict[str, Callable[..., object]] = {
    "__contains__": operator.contains, "__delitem__": operator.delitem, "__eq__": operator.eq,
    "__getitem__": operator.getitem, "__hash__": hash, "__iter__": iter, "__len__": len, "__repr__": repr,
    "__reversed__": reversed, "__setitem__": operator.setitem,
}  # fmt: skip
"""How special methods are called."""

COMMON = sorted(
    name
    for name in OPERATIONS
    if name.split(".")[0]
    in {
        "Object", "Contents", "Loading", "Program", "Link", "RingBuffer", "EventStream", "PerfBuffer", "TracePipe",
        "UserRingBuffer", "UserSample",
        "Variables", "NetAttach", "CgroupAttach", "ProgramRun", "KernelProgram", "WalkableMap", "EventSource",
        "LinkOpening",
    }
)  # fmt: skip
"""What is drawn more often."""
