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
from ._handle import uncopied
from .enums import BpfCmd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, overload

    from typing_extensions import Self

    from ._libbpf import CData

__all__ = ["Syscall", "Syscalls", "record_syscalls"]

LIMIT = 64 << 20
"""Bytes of calls that are kept."""

OWN_SIZE = 1 << 10
"""Bytes that a call takes beside its text and its instructions: two of ``union bpf_attr``, and their objects."""

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

    __slots__ = (
        "_after", "_before", "_insns", "_text", "command", "ended", "errno", "result", "size", "started", "thread",
    )  # fmt: skip

    def __init__(self, call: CData) -> None:
        self.command = BpfCmd(call.command)
        self.size = int(call.size)
        self.result = int(call.result)
        self.errno = int(call.error)
        self.thread = int(call.thread)
        self.started = call.started / 1e9
        self.ended = call.ended / 1e9
        # Decoded when looked at: what a loop makes of calls takes a fifth of the memory, and of the time.
        self._before = ffi.buffer(ffi.addressof(call, "before"))[:]
        self._after = ffi.buffer(ffi.addressof(call, "after"))[:]
        self._insns = ffi.buffer(call.insns, call.insns_size)[:] if call.insns_size else b""
        self._text = ffi.buffer(call.text, call.text_size)[:] if call.text_size else b""

    def _fields(self) -> Iterator[tuple[str, str, Any, Any]]:
        """Give each attribute's name and kind, what it was and what it is after the call."""
        before, after = (ffi.from_buffer("union bpf_attr *", each) for each in (self._before, self._after))
        for path, kind in _syscall_attrs.fields_of(int(self.command), before):
            value, end = _syscall_attrs.value_of(before, path, kind)
            if end <= self.size:
                now, _ = _syscall_attrs.value_of(after, path, kind)
                yield _syscall_attrs.name_of(int(self.command), path), kind, value, now

    @property
    def attributes(self) -> dict[str, Any]:
        """The fields of ``union bpf_attr`` that belong to the command, by the kernel's names."""
        return {name: self._meaning(kind, value) for name, kind, value, _ in self._fields()}

    @property
    def changed(self) -> dict[str, Any]:
        """Those that the kernel wrote, with what it wrote."""
        return {name: now for name, _, value, now in self._fields() if now != value}

    def _meaning(self, kind: str, value: Any) -> Any:
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
            return self._insns if value else b""
        if kind == "text":
            return self._text.decode("utf-8", "surrogateescape") if value else ""
        return value

    def _kinds(self) -> dict[str, str]:
        return {name: kind for name, kind, _, _ in self._fields()}

    def _held(self) -> int:
        return OWN_SIZE + len(self._insns) + len(self._text)

    def __str__(self) -> str:
        return _syscall_text.line(self, self._kinds())

    def listing(self) -> str:
        """Give every attribute on a line of its own, and each instruction of a program with its fields."""
        return _syscall_text.listing(self, self._kinds())

    def __repr__(self) -> str:
        return f"<Syscall {self}>"


class Syscalls:
    """Calls in the order in which they ended: a sequence of `Syscall`, which grows while it records."""

    __slots__ = ("_calls", "_held", "_limit", "_on", "dropped")

    def __init__(self, limit: int) -> None:
        self._limit = unsigned(limit, 63, "limit")
        self._calls: list[Syscall] = []
        self._held = 0
        self._on = False
        self.dropped = 0
        """How many calls were not kept: there were as many as the limit allows, and nobody had taken them."""

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

    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., Syscalls], tuple[object, ...]]:
        if self._on:
            uncopied(self, protocol)
        return _ended, (self._limit, list(self._calls), self._held, self.dropped)

    def _seen(self) -> list[Syscall]:
        if self._on:
            with _lock:
                _take()
        return self._calls

    def _add(self, call: Syscall) -> None:
        size = call._held()
        if self._held + size > self._limit:
            self.dropped += 1
            return
        self._held += size
        self._calls.append(call)

    def take(self) -> list[Syscall]:
        """Take the calls that there are out of this: there is room for as many others."""
        with _lock:
            if self._on:
                _take()
            calls, self._calls, self._held = self._calls, [], 0
        return calls

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


def _ended(limit: int, calls: list[Syscall], held: int, dropped: int) -> Syscalls:
    """Make a copy of what has been recorded."""
    made = Syscalls(limit)
    made._calls, made._held, made.dropped = calls, held, dropped
    return made


def _take() -> None:
    """Hand what C has recorded to everybody who records; hold the lock."""
    dropped = ffi.new("unsigned int *")
    first = ffi.gc(lib.lbc_syscalls_take(dropped), lib.lbc_syscalls_free)
    call = first
    while call:
        made = Syscall(call)
        for each in _recording:
            each._add(made)
        call = call.next
    for each in _recording:
        each.dropped += dropped[0]


def record_syscalls(*, limit: int = LIMIT) -> Syscalls:
    """Record every bpf(2) call that libbpf makes in a ``with`` block, in every thread of the process.

    A loop that makes millions of calls is kept to `limit` bytes (some 1,000 for a call, and the instructions of a
    program), after which calls are counted in `Syscalls.dropped` only. `Syscalls.take` makes room again.
    """
    return Syscalls(limit)


def _unlock_in_child() -> None:
    # Another thread may have held it at the fork.
    globals()["_lock"] = RLock()


os.register_at_fork(after_in_child=_unlock_in_child)
