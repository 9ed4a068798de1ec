"""A pointer of C, the function that destroys it, and the handles that must go before it.

An object is the root of a tree of handles: its links and buffers are children, destroyed before it, newest
first (a USDT link keeps a pointer into its object, a struct_ops link a bare descriptor number of one of its
maps).

One re-entrant lock serves a tree. Whoever uses a handle's pointer holds it::

    with handle.lock:
        lib.bpf_link__fd(handle.pointer)

so that no other thread destroys what a call is using. A thread that comes back in the middle of such a call
can only be a signal handler of its own: it may read, but what would destroy is put off (`close`) or refused
(`refuse_reentry`).
"""

from __future__ import annotations

import os
from _thread import RLock
from _weakref import ref
from itertools import chain, starmap

from . import _close_later
from ._ffi import ffi, wild
from ._refusals import no_lock
from .errors import ClosedError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Generic, NoReturn, Protocol, TypeVar

    from ._libbpf import CData, bpf_object

    P = TypeVar("P", bound=CData)

    class _Base(Generic[P]):
        """What makes `Handle` generic in its pointer's type costs an import of `typing` at run time."""

        __slots__ = ()

    P_co = TypeVar("P_co", bound=CData, covariant=True)

    class Pointed(Protocol[P_co]):
        """What has a handle, and a pointer that is as good as the handle."""

        @property
        def _handle(self) -> Handle[Any]: ...
        @property
        def _pointer(self) -> P_co: ...
else:

    class _Base:
        __slots__ = ()

        def __class_getitem__(cls, item: object) -> type:
            return cls


__all__ = ["Handle", "ObjectHandle", "pointer", "program_title", "uncopied"]

# `_weakref` is what `weakref` is made of; its classes are written in Python, and cost an object more than libbpf does.
_roots: set[ref[Handle[Any]]] = set()


class Handle(_Base["P"]):
    """A pointer that is made once and destroyed once.

    A Ctrl-C may raise between any two of Python's instructions, so that a pointer which C has returned could be lost
    before it is stored. Therefore the handle is there first, and one call of C both makes the pointer and stores it
    (`make`), or takes it away and destroys it. For the same reason `destroy` is the C function itself.

    `fds` tells, of the pointer, which descriptors keep something attached, so that a forked child can drop them.
    """

    __slots__ = (
        "__weakref__",
        "_children",
        "_closing",
        "_destroy",
        "_fds",
        "_made",
        "_parent",
        "asked",
        "elements",
        "errno",
        "forgotten",
        "gone",
        "kept",
        "lock",
        "name",
        "quiet",
    )

    def __init__(
        self,
        destroy: Callable[[P], int | None],
        parent: Handle[Any] | None = None,
        *,
        name: str,
        fds: Callable[[P], Iterable[int]] | None = None,
    ) -> None:
        self._made: list[Any] = []
        """The pointer, if there is one, and for the moment of its making errno behind it."""
        self.errno = 0
        self._destroy = destroy
        self._parent = parent
        self._children: dict[int, Handle[Any]] = {}
        self._closing = False
        self.asked = False
        """Whether it is to be closed, by another thread, as soon as it can be."""
        self.gone = "is closed"
        """What `ClosedError` says once the pointer is gone."""
        self.name = name
        self.quiet = False
        """Whether nobody need know that its owner was collected unclosed."""
        self.forgotten: bool | None = None
        """Whether its owner was collected unclosed, and nobody has been told yet; ``None`` as long as it is there."""
        self._fds = fds
        self.kept: list[object] = []
        """What C may still read for as long as the handle lives."""
        self.elements: dict[int, Any] = {}
        """The ways to the elements of the maps of this tree, by address: children, each made when first needed."""
        if _close_later.waiting:
            _close_later.close_waiting()
        if parent is None:
            try:
                self.lock = RLock()
            except RuntimeError as error:
                if not no_lock(error):
                    raise
                raise MemoryError from None
            _roots.add(ref(self, _roots.discard))
        else:
            self.lock = parent.lock
            parent._children[id(self)] = self

    @property
    def closed(self) -> bool:
        """Whether the pointer is gone."""
        return not self._made

    @property
    def pointer(self) -> P:
        """The pointer; `ClosedError` once it is gone. Hold `lock` from before this until C has returned."""
        if not self._made or self._closing:
            raise ClosedError(f"{self.name} {self.gone}")
        pointer: P = self._made[0]
        return pointer

    def make(self, function: Callable[..., P], *arguments: object) -> P:
        """Call the C function that makes the pointer, and return it; one that cannot be a pointer is not kept.

        `errno` is that call's, whatever a signal handler has called since.
        """
        call = starmap(function, (arguments,))
        self._made.extend(chain(call, map(getattr, (ffi,), ("errno",))))
        self.errno = self._made.pop()
        pointer: P = self._made[0]
        if wild(pointer):
            self._made.clear()
        return pointer

    def check(self) -> None:
        """Raise `ClosedError` once the pointer is gone."""
        self.pointer  # noqa: B018 - for what it raises

    @property
    def children(self) -> list[Handle[Any]]:
        """What is still open below this handle, oldest first."""
        return list(self._children.values())

    def refuse_reentry(self, action: str) -> None:
        """Raise `StateError` in a signal handler that interrupted a call on the same tree."""
        if _close_later.owned(self.lock):
            raise StateError(f"cannot {action}: a signal handler has interrupted another call on {self.name}")

    def close(self) -> int:
        """Destroy the children, newest first, then this; return the first failure's code, or 0.

        Closing twice does nothing. Called by a signal handler in the middle of a call on the same tree, it is
        carried out by another thread as soon as that call has ended; where no thread can be started, when the next
        handle is made or closed after that.
        """
        if _close_later.waiting:
            _close_later.close_waiting()
        if _close_later.owned(self.lock):
            # Whoever drops it before that has not forgotten to close it.
            self.asked = True
            _close_later.close_soon(self)
            return 0
        with self.lock:
            return self._close()

    def _close(self) -> int:
        if self._made and wild(self._made[0]):
            # Of a call that failed, before a Ctrl-C ended `make`.
            self._made.clear()
        if not self._made:
            self._leave_parent()
            return 0
        # From here on a signal handler that comes in between cannot add a child.
        self._closing = True
        failed = 0
        while self._children:
            failed = next(reversed(self._children.values()))._close() or failed
        results: list[int | None] = []
        results.extend(map(self._destroy, map(self._made.pop, (0,))))
        self._made.clear()
        self._leave_parent()
        self.kept.clear()
        self.elements.clear()
        return failed or results[0] or 0

    def close_forgotten(self) -> str:
        """Close this when its owner has been collected.

        What is quiet is closed later if another of the same tree is in use: its owner's end waits for nobody.
        """
        while not (self.closed or self.quiet):
            self.close()
            if _close_later.owned(self.lock):
                # It has been put off.
                break
        if not self.closed and self.quiet:
            self._close_if_unused()
        return ""

    def close_unused(self) -> str:
        """Do the same where the caller has the lock."""
        self._close()
        return ""

    def _close_if_unused(self) -> None:
        lock = self.lock
        if _close_later.owned(lock):
            _close_later.close_soon(self)
            return
        try:
            if lock.acquire(blocking=False):
                self._close()
            else:
                _close_later.close_soon(self)
        finally:
            if _close_later.owned(lock):
                lock.release()

    def _leave_parent(self) -> None:
        if self._parent is not None:
            self._parent._children.pop(id(self), None)

    def close_with(self, owner: object, *, quietly: bool = False) -> None:
        """Close this when `owner` is collected, with a `ResourceWarning` unless it is `quietly`.

        A handle that is no root must be quiet: its tree may be in use at that moment, and then it is closed later.
        Not at the interpreter's exit: the kernel drops everything then, and a daemon thread may be inside C.
        """
        self.quiet = quietly
        _close_later.watch(owner, self)

    def _forget_in_child(self, may_close: bool) -> None:
        self.gone = "belongs to the process that forked this one"
        for child in self.children:
            child._forget_in_child(may_close)
        self._children.clear()
        self.lock = RLock()
        made, self._made = self._made, []
        if may_close and self._fds is not None:
            for pointer in made:
                for fd in self._fds(pointer):
                    os.close(fd)


def uncopied(self: object, _protocol: object) -> NoReturn:
    """Stand in for ``__reduce_ex__`` where a copy would share the pointer, and not know what the other does with it."""
    raise TypeError(f"{self!r} cannot be copied, nor sent to another process")


def program_title(program: Any) -> str:
    """Say which program, in words; one that was loaded without a name is told by what is known of it."""
    name: str = program.name
    return f"program {name!r}" if name else str(program._handle.name)


class ObjectHandle(Handle["bpf_object"]):
    """The root handle of a BPF object, which knows how far the object has come."""

    __slots__ = ("map_types", "phase", "pin_paths")

    OPEN, PREPARED, LOADED, FAILED = "open", "prepared", "loaded", "failed to load"
    GENERATED = "made into a loader"

    def __init__(self, destroy: Callable[[bpf_object], int | None], *, name: str) -> None:
        super().__init__(destroy, name=name)
        self.phase = self.OPEN
        self.map_types: dict[int, tuple[int, int]] = {}
        """The types of the maps' keys and values, by the map's address, which load forgets where the kernel has no use
        for
        them."""
        self.pin_paths: dict[int, str] = {}
        """Where maps that are pinned were to be before, by the map's address: see `_pin_paths`."""

    def require(self, action: str, *phases: str) -> None:
        """Raise `StateError` unless the object is in one of `phases`."""
        if self.phase in phases:
            return
        if self.phase == self.FAILED:
            advice = "a load that failed cannot be repeated on the same object: open it again"
        elif self.phase == self.GENERATED:
            advice = "what its loader loads is not this object's: open it again"
        elif self.LOADED in phases:
            advice = "load it first"
        else:
            advice = "that belongs between open and load; open it again"
        raise StateError(f"cannot {action}: {self.name} is {self.phase}; {advice}")


class pointer(_Base["P"]):  # noqa: N801 - used as a function
    """Lend the C pointer of an object, program, map or link, for calls of `lib` that this package has no
    method for.

    ::

        with bpf.pointer(program) as prog:
            bpf.lib.bpf_program__set_ifindex(prog, 2)

    Inside the block no other thread can close what the pointer points to; after it the pointer must not be
    used.
    """

    def __init__(self, thing: Pointed[P]) -> None:
        if not isinstance(getattr(thing, "_handle", None), Handle):
            raise TypeError(f"pointer() takes an Object, Program, Map or Link, not {type(thing).__name__}")
        self._thing = thing
        self._lock = thing._handle.lock

    def __enter__(self) -> P:
        self._lock.acquire()
        try:
            return self._thing._pointer
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *exc: object) -> None:
        self._lock.release()


def _forget_all_in_child() -> None:
    """Make every handle of the parent useless in a forked child, and drop what keeps the parent's links
    attached.

    A handle whose lock another thread held at the fork may have been half destroyed: its descriptor is left
    alone.
    """
    for reference in list(_roots):
        handle = reference()
        if handle is not None:
            handle._forget_in_child(may_close=handle.lock.acquire(blocking=False))
    _roots.clear()
    _close_later.waiting.clear()


os.register_at_fork(after_in_child=_forget_all_in_child)
