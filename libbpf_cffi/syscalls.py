"""What libbpf asks the kernel: every bpf(2) call recorded, with its attributes as the kernel took them.

::

    with bpf.record_syscalls() as calls:
        obj.load()
    print(calls)                    # a line a call
    print(calls.listing())          # every attribute, and the instructions of programs

It is off, and costs nothing, unless asked for.
"""

from __future__ import annotations

import os
from threading import RLock

from . import _syscall_attrs, _syscall_text
from ._check import check
from ._ffi import ffi, lib, unsigned
from .enums import BpfCmd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, overload

    from typing_extensions import Self

    from ._libbpf import CData

__all__ = ["Syscall", "Syscalls", "record_syscalls"]

LIMIT = 64 << 20
"""Bytes of calls that nobody has looked at yet."""

_lock = RLock()
"""Of the thread's own: a signal handler may look at the calls while they are being gathered."""
_recording: list[Syscalls] = []


class Syscall:
    """One call of bpf(2): what it was given, what the kernel wrote, and what came of it.

    `attributes` has the fields of ``union bpf_attr`` that belong to the command, as far as the call's `size` in bytes
    goes, by the kernel's names, those of a member after a dot: numbers, members of enumerations, text that they pointed
    to, ``bytes`` for the instructions (8 bytes each), and else addresses. `changed` has those that the kernel wrote.
    `result` is what the call returned, often a descriptor, and `errno` is 0 or why it failed. `thread` is the kernel's
    number of the thread, `started` and `ended` are seconds of ``time.monotonic()``.
    """

    __slots__ = ("_kinds", "attributes", "changed", "command", "ended", "errno", "result", "size", "started", "thread")

    def __init__(self, call: CData) -> None:
        self.command = BpfCmd(call.command)
        self.size = int(call.size)
        self.result = int(call.result)
        self.errno = int(call.error)
        self.thread = int(call.thread)
        self.started = call.started / 1e9
        self.ended = call.ended / 1e9
        self.attributes: Mapping[str, Any] = {}
        self.changed: Mapping[str, Any] = {}
        self._kinds: dict[str, str] = {}
        attributes: dict[str, Any] = {}
        changed: dict[str, Any] = {}
        for path, kind in _syscall_attrs.fields_of(call.command, call.before):
            value, end = _syscall_attrs.value_of(call.before, path, kind)
            if end > self.size:
                continue
            after, _ = _syscall_attrs.value_of(call.after, path, kind)
            name = _syscall_attrs.name_of(call.command, path)
            if after != value:
                changed[name] = after
            self._kinds[name] = kind
            attributes[name] = _meaning(call, kind, value)
        self.attributes = attributes
        self.changed = changed

    def __str__(self) -> str:
        return _syscall_text.line(self, self._kinds)

    def listing(self) -> str:
        """Give every attribute on a line of its own, and each instruction of a program with its fields."""
        return _syscall_text.listing(self, self._kinds)

    def __repr__(self) -> str:
        return f"<Syscall {self}>"


def _meaning(call: CData, kind: str, value: Any) -> Any:
    from .enums import AttachType, MapFlags, MapType, ProgFlags, ProgType

    kinds = {
        "map_type": MapType,
        "prog_type": ProgType,
        "attach_type": AttachType,
        "map_flags": MapFlags,
        "prog_flags": ProgFlags,
    }
    if kind in kinds:
        return kinds[kind](value)
    if kind == "insns":
        return ffi.buffer(call.insns, call.insns_size)[:] if value else b""
    if kind == "text":
        return ffi.buffer(call.text, call.text_size)[:].decode("utf-8", "surrogateescape") if value else ""
    return value


class Syscalls:
    """Calls in the order in which they ended: a sequence of `Syscall`, which grows while it records."""

    __slots__ = ("_calls", "_limit", "_on", "dropped")

    def __init__(self, limit: int) -> None:
        self._limit = unsigned(limit, 63, "limit")
        self._calls: list[Syscall] = []
        self._on = False
        self.dropped = 0
        """How many calls were not kept, for want of memory: more than the limit, unread, at a time."""

    def __enter__(self) -> Self:
        with _lock:
            if self._on:
                raise ValueError("this records already")
            # What came before is for the others.
            _take()
            hint = "with the system's libbpf nothing can be recorded"
            check(lib.lbc_syscalls_record(1, self._limit), "record the calls of bpf(2)", hint)
            self._on = True
            _recording.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        with _lock:
            if self._on:
                self._on = False
                check(lib.lbc_syscalls_record(0, 0), "stop recording")
                try:
                    _take()
                finally:
                    _recording.remove(self)

    def _seen(self) -> list[Syscall]:
        if self._on:
            with _lock:
                _take()
        return self._calls

    def __len__(self) -> int:
        return len(self._seen())

    def __iter__(self) -> Iterator[Syscall]:
        return iter(list(self._seen()))

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Syscall: ...
        @overload
        def __getitem__(self, index: slice) -> list[Syscall]: ...

    def __getitem__(self, index: int | slice) -> Syscall | list[Syscall]:
        return self._seen()[index]

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def listing(self) -> str:
        """Give every call with every attribute, and each instruction of a program with its fields."""
        return "\n".join(call.listing() for call in self)

    def __repr__(self) -> str:
        return f"<Syscalls: {len(self)}{', recording' if self._on else ''}>"


def _take() -> None:
    """Hand what C has recorded to everybody who records; hold the lock."""
    dropped = ffi.new("unsigned int *")
    first = ffi.gc(lib.lbc_syscalls_take(dropped), lib.lbc_syscalls_free)
    call = first
    while call:
        made = Syscall(call)
        for each in _recording:
            each._calls.append(made)
        call = call.next
    for each in _recording:
        each.dropped += dropped[0]


def record_syscalls(*, limit: int = LIMIT) -> Syscalls:
    """Record every bpf(2) call that libbpf makes in a ``with`` block, in every thread of the process.

    A loop that makes millions of calls is kept to `limit` bytes at a time (some 500 for a call, and the instructions of
    a program), after which calls are counted in `Syscalls.dropped` until somebody looks.
    """
    return Syscalls(limit)


def _unlock_in_child() -> None:
    # Another thread may have held it at the fork.
    globals()["_lock"] = RLock()


os.register_at_fork(after_in_child=_unlock_in_child)
