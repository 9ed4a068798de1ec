"""What checks the arguments of users before anything is made of them, so that an error names the argument."""

from __future__ import annotations

import os
from _operator import index
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = [
    "boolean",
    "buffer",
    "c_string",
    "check_limit",
    "deadline_of",
    "descriptor",
    "integer",
    "items",
    "iterable",
    "path_bytes",
    "path_name",
    "seconds",
    "signed",
    "string",
    "unsigned",
]


def string(value: str, what: str) -> str:
    """Check that `value` is text, without a NUL, which ends a string of C's; give it as a `str` and no subclass.

    A subclass may make up what its methods give, such as a pointer where C is to get bytes.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} must be str, not {type(value).__name__}")
    plain = str.__str__(value)
    if "\0" in plain:
        raise ValueError(f"{what} has a NUL character in it: {plain!r}")
    return plain


def c_string(value: str, what: str) -> bytes:
    """Give `value` as C's bytes; a NUL inside would end it early and is a `ValueError` that names `what`."""
    try:
        return string(value, what).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f"{what} has a character that cannot be encoded: {value!r}") from None


def path_name(path: str | os.PathLike[str], what: str = "path") -> str:
    """Give a file's path as text."""
    return os.fsdecode(path_bytes(path, what))


def path_bytes(path: str | os.PathLike[str], what: str = "path") -> bytes:
    """Give a file's path as C's bytes, in the file system's encoding."""
    if not isinstance(path, (str, bytes)) and not (hasattr(path, "__fspath__") and not isinstance(path, type)):
        raise TypeError(f"{what} must be str or os.PathLike, not {type(path).__name__}")
    try:
        encoded = os.fsencode(_plain(os.fspath(path)))
    except UnicodeEncodeError:
        raise ValueError(f"{what} has a character that cannot be encoded: {path!r}") from None
    if not encoded:
        raise ValueError(f"{what} is empty")
    if b"\0" in encoded:
        raise ValueError(f"{what} has a NUL character in it: {path!r}")
    return encoded


def _plain(path: str | bytes) -> str | bytes:
    """Give a text as what C can be handed, see `string`."""
    return str.__str__(path) if isinstance(path, str) else bytes.__getitem__(path, slice(None))


def integer(value: int, what: str) -> int:
    """Give the number that a value is; `TypeError` if it is none, or one with a fraction."""
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, not {type(value).__name__}") from None


def unsigned(value: int, bits: int, what: str) -> int:
    """Check that `value` is an integer that an unsigned C integer of `bits` bits can hold."""
    number = integer(value, what)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{what} must be from 0 to {(1 << bits) - 1}, not {_shown(number)}")
    return number


def descriptor(value: Any, what: str) -> int:
    """Give the descriptor of an object that has ``fileno()``; `ValueError` if that is closed."""
    number = integer(value.fileno(), "what fileno() gives")
    if number < 0:
        raise ValueError(f"{what} is closed")
    return unsigned(number, 31, "what fileno() gives")


def signed(value: int, bits: int, what: str) -> int:
    """Check that `value` is an integer that a signed C integer of `bits` bits can hold."""
    number = integer(value, what)
    limit = 1 << bits - 1
    if not -limit <= number < limit:
        raise ValueError(f"{what} must be from {-limit} to {limit - 1}, not {_shown(number)}")
    return number


def _shown(number: int) -> str:
    """Give a number as text; Python refuses to write out the longest (``sys.set_int_max_str_digits()``)."""
    return str(number) if number.bit_length() < 1000 else f"a number of {number.bit_length()} bits"


def boolean(value: object, what: str) -> bool:
    """Check that `value` is a truth value or a number; of a string such as "no" the meaning is not its truth."""
    if not hasattr(value, "__index__") or isinstance(value, type):
        raise TypeError(f"{what} must be True or False, not {type(value).__name__}")
    return bool(value)


def buffer(value: Any, what: str) -> bytes:
    """Give the bytes that `value` holds. Of a number, `bytes()` would make so many zeros."""
    try:
        return bytes(memoryview(value))
    except TypeError:
        raise TypeError(f"{what} must be bytes, not {type(value).__name__}") from None


def seconds(value: Any, what: str) -> float:
    """Check that `value` is a number from 0 up."""
    if not hasattr(value, "__float__") or isinstance(value, type):
        raise TypeError(f"{what} must be a number of seconds, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        # Longer than anybody waits; below 0 it is wrong all the same.
        number = float("inf") if value > 0 else -1.0
    if not number >= 0:  # NaN neither
        raise ValueError(f"{what} must be a number of seconds from 0 up, not {value!r}")
    return number


def deadline_of(timeout: float | None) -> float | None:
    """Give when a time-out is over, by ``time.monotonic()``."""
    return None if timeout is None else monotonic() + seconds(timeout, "timeout")


def check_limit(limit: int | None) -> None:
    """Refuse what is no number of events."""
    if limit is not None and (number := integer(limit, "max")) < 1:
        raise ValueError(f"max must be at least 1, not {_shown(number)}")


def iterable(value: Any, what: str) -> Iterable[Any]:
    """Check that `value` has items, and is no text, whose items nobody means."""
    if isinstance(value, (str, bytes, type)) or not (hasattr(value, "__iter__") or hasattr(value, "__getitem__")):
        raise TypeError(f"{what} must be a sequence, not {type(value).__name__}")
    found: Iterable[Any] = value
    return found


def items(value: Any, what: str) -> Iterable[tuple[Any, Any]]:
    """Give the pairs of a mapping."""
    if not hasattr(value, "items") or isinstance(value, type):
        raise TypeError(f"{what} must be a mapping of its fields, not {type(value).__name__}")
    found: Iterable[tuple[Any, Any]] = value.items()
    return found
