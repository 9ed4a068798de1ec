"""What options of ``python -m libbpf_cffi.run`` take: numbers, times and names, made of their texts."""

from __future__ import annotations

__all__ = ["columns", "condition", "count", "duration", "events", "level", "max_entries", "pid", "setting", "shown"]

OPERATORS = ("!=", "!~", "<=", ">=", "==", "=", "<", ">", "~")
"""What a condition compares with; a longer one comes before one that it begins with."""


def _wrong(message: str) -> Exception:
    from argparse import ArgumentTypeError

    return ArgumentTypeError(message)


def max_entries(text: str) -> tuple[str, int]:
    """Take the name of a map and a number of entries."""
    name, equals, number = text.rpartition("=")
    try:
        value = int(number, 0)
    except ValueError:
        value = 0
    if not name or not equals or not 0 < value < 1 << 32:
        raise _wrong(f"{text!r} is not MAP=N with N from 1 to {(1 << 32) - 1}")
    return name, value


def setting(text: str) -> tuple[str, str]:
    """Take a variable's name and its value."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise _wrong(f"{text!r} is not NAME=VALUE")
    return name, value


def shown(text: str) -> tuple[str, float | None]:
    """Take the name of a map or variable, and perhaps how often it is shown."""
    name, equals, seconds = text.partition("=")
    if not name:
        raise _wrong(f"{text!r} is not NAME or NAME=TIME")
    if not equals:
        return name, None
    every = duration(seconds)
    if every < SHORTEST:
        raise _wrong(f"{text!r}: a time from {SHORTEST:g} s up is needed")
    return name, every


def events(text: str) -> tuple[str, str | None]:
    """Take the name of a buffer, and perhaps the type of its events."""
    name, colon, kind = text.partition(":")
    if not name or (colon and not kind.strip()):
        raise _wrong(f"{text!r} is not MAP or MAP:TYPE")
    return name, kind.strip() or None


def columns(text: str) -> list[str]:
    """Take the names of columns."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise _wrong(f"{text!r} is not FIELD,FIELD,...")
    return names


def condition(text: str) -> tuple[str, str, str]:
    """Take a field, how it is compared, and with what."""
    at = next((at for at, letter in enumerate(text) if letter in "=!<>~"), 0)
    operator = next((each for each in OPERATORS if text.startswith(each, at)), None)
    if not at or operator is None:
        raise _wrong(f"{text!r} is not FIELD=VALUE (or !=, <, <=, >, >=, ~, !~)")
    return text[:at].strip(), "=" if operator == "==" else operator, text[at + len(operator) :].strip()


def pid(text: str) -> int:
    """Take the number of a process."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise _wrong(f"{text!r} is not the number of a process")
    return int(text)


def count(text: str) -> int:
    """Take a number of lines."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise _wrong(f"{text!r} is not a number from 1 up")
    return int(text)


def level(text: str) -> int:
    """Take a level of the verifier's log."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 7:
        raise _wrong(f"{text!r} is not a number from 1 to 7")
    return int(text)


SHORTEST = 0.01
"""Seconds at least from one showing of a map to the next."""

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Take a time, in seconds or with a unit."""
    number = text.rstrip("".join(UNITS))
    unit = text[len(number) :] or "s"
    try:
        seconds = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        seconds = -1.0
    # float() takes more than that: "nan", "inf", "1_0", "1e9", " 1".
    if not 0 <= seconds < 1e9 or not set(number) <= set("0123456789."):
        raise _wrong(f"{text!r} is not a time, such as 10, 1.5s, 500ms, 2m or 1h")
    return seconds
