"""Every public operation there is, found by looking: what the state machine draws from, and a test compares with."""

from __future__ import annotations

import enum
import importlib
import inspect
from typing import Any, NamedTuple

import libbpf_cffi as bpf

MODULES = ("hist", "insns", "kernel", "net", "probe", "tracefs", "tracepoints")
"""Modules whose functions are public under the module's own name."""

SPECIAL = {
    "__aiter__", "__call__", "__contains__", "__delitem__", "__enter__", "__eq__", "__getitem__", "__hash__", "__iter__",
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
