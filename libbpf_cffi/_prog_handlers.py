"""Handlers of sections of one's own: what `SEC("mine/…")` means, said by the prefix of the section's name.

libbpf has ``libbpf_register_prog_handler()`` for that. It is not used: its callbacks would be Python inside of C, and
the pointers that open objects have into its table dangle after the next registration. What it does is the same as what
is done here: when an object is opened, the type and the expected attach type of its programs are set.
"""

from __future__ import annotations

from _thread import get_ident

from . import _log
from ._arguments import string
from ._ffi import c_string, ffi, lib
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from typing_extensions import Self

    from ._libbpf import bpf_program
    from .enums import AttachType, ProgType
    from .links import Link
    from .programs import Program

__all__ = ["ProgHandler", "find", "register_prog_handler", "set_up"]


class ProgHandler:
    """A handler that is registered: until `unregister`, or the end of a ``with`` block."""

    __slots__ = ("_attach", "_attach_type", "_sec", "_type")

    def __init__(self, sec: str | None, type: int, attach_type: int, attach: Callable[[Program], Link] | None) -> None:
        self._sec = sec
        self._type = type
        self._attach_type = attach_type
        self._attach = attach

    @property
    def sec(self) -> str | None:
        """The sections that it is for, as they were registered; ``None`` for those that nothing else is for."""
        return self._sec

    def matches(self, section_name: str) -> bool:
        """Tell whether a section is one of this handler's; of one without `sec`, whether libbpf does not know it."""
        name = string(section_name, "section_name").removeprefix("?")
        if self._sec is None:
            return not _known(name)
        if self._sec.endswith("/"):
            return name.startswith(self._sec)
        if self._sec.endswith("+"):
            return name == self._sec[:-1] or name.startswith(f"{self._sec[:-1]}/")
        return name == self._sec

    def unregister(self) -> None:
        """Take the handler away; objects that are open keep the types of their programs. Twice does nothing."""
        while self in _handlers:
            _handlers.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.unregister()

    def __repr__(self) -> str:
        return f"<ProgHandler of {self._sec!r}{'' if self in _handlers else ' (unregistered)'}>"


def _known(section_name: str) -> bool:
    """Tell whether libbpf knows what programs of a section are."""
    types = ffi.new("enum bpf_prog_type *"), ffi.new("enum bpf_attach_type *")
    _log.silence()
    return lib.libbpf_prog_type_by_name(c_string(section_name, "section_name"), *types) == 0


_attaching: set[tuple[int, str, int]] = set()
"""Which threads are attaching which programs by a handler."""

_handlers: list[ProgHandler] = []
"""The newest last; that one goes first."""


def register_prog_handler(
    sec: str | None,
    prog_type: ProgType | str | int,
    expected_attach_type: AttachType | str | int = 0,
    *,
    attach: Callable[[Program], Link] | None = None,
) -> ProgHandler:
    """Say what programs of a section of one's own are, for objects that are opened from now on.

    `sec` is the section's name: ``"mine"`` is for that alone, ``"mine/"`` for all that begin so, ``"mine+"`` for
    ``"mine"`` and what begins with ``"mine/"``; it goes before libbpf's own sections, and a handler registered later
    before one registered earlier. ``None`` is for the sections that neither libbpf nor another handler knows. The
    programs get the type `prog_type` and `expected_attach_type`. `Program.attach`
    and `Object.attach` call `attach` with the program, which gives the link; without it they cannot be attached by
    their section. As ``libbpf_register_prog_handler()`` does, whose callbacks would be called inside of C.
    """
    from ._type_numbers import attach_type_number, prog_type_number

    if sec is not None and not c_string(sec, "sec").rstrip(b"/+"):
        raise ValueError(f"sec must be the name of a section, or the beginning of one, not {sec!r}")
    if attach is not None and not callable(attach):
        raise TypeError(f"attach must be a function of a program, not {type(attach).__name__}")
    attach_type = attach_type_number(expected_attach_type, "expected_attach_type")
    handler = ProgHandler(sec, prog_type_number(prog_type, "prog_type"), attach_type, attach)
    _handlers.append(handler)
    return handler


def find(section_name: str) -> ProgHandler | None:
    """Give the handler of a section; one for what nothing else knows goes last."""
    newest = _handlers[::-1]
    newest.sort(key=lambda each: each.sec is None)
    for handler in newest:
        if handler.matches(section_name):
            return handler
    return None


def set_up(section_name: str, program: bpf_program) -> int:
    """Make a program of an object that has been opened what its handler says; give a negative errno, or 0."""
    handler = find(section_name) if _handlers else None
    if handler is None:
        return 0
    result = lib.bpf_program__set_type(program, handler._type)
    return result or lib.bpf_program__set_expected_attach_type(program, handler._attach_type)


def attach(program: Any) -> Link | None:
    """Attach a program by its handler; ``None`` if there is none, or it does not say how."""
    handler = find(program.section_name) if _handlers else None
    if handler is None or handler._attach is None:
        return None
    # In a thread of its own the same program may be attached at the same time.
    key = get_ident(), program.name, id(program._owner)
    if key in _attaching:
        raise StateError(
            f"cannot attach program {program.name!r}: the handler of sections {handler.sec!r} calls attach(), "
            "which calls the handler; attach it by a method that takes the target, such as attach_tracepoint()"
        )
    _attaching.add(key)
    try:
        link = handler._attach(program)
    finally:
        _attaching.discard(key)
    if not hasattr(link, "disconnect"):
        raise TypeError(f"what attaches sections {handler.sec!r} must return a Link, not {type(link).__name__}")
    return link
