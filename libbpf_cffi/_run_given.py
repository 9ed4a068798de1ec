"""What options of ``python -m libbpf_cffi.run`` take: numbers, times and names, made of their texts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

__all__ = [
    "add_targets",
    "columns",
    "condition",
    "count",
    "drawn",
    "duration",
    "events",
    "level",
    "max_entries",
    "pid",
    "setting",
    "shown",
    "syscalls",
    "target",
]

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


def drawn(text: str) -> tuple[str, float | None, str]:
    """Take the name of a map or variable, and perhaps how often it is drawn and what its values are in."""
    name, seconds = shown(text)
    name, colon, unit = name.partition(":")
    if not name or (colon and not unit):
        raise _wrong(f"{text!r} is not NAME, NAME:UNIT, NAME=TIME or NAME:UNIT=TIME")
    return name, seconds, unit or "value"


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


def target(text: str) -> tuple[str | None, str]:
    """Take a target, and perhaps the program or pattern that it is for; a path may have a "=" behind its first "/"."""
    program, equals, rest = text.partition("=")
    if not equals or "/" in program or ":" in program:
        program, rest = "", text
    if not rest or (equals and text.startswith("=")):
        raise _wrong(f"{text!r} is not TARGET or PROGRAM=TARGET")
    return program or None, rest


def user_function(text: str) -> tuple[str | None, str]:
    """Take a file, and a symbol or a place in it."""
    program, where = target(text)
    file, _, symbol = where.rpartition(":")
    if not file or not symbol or symbol[0] == "+" or (symbol.startswith("0x") and not _is_place(symbol[2:])):
        raise _wrong(f"{text!r} is not [PROGRAM=]FILE:SYMBOL[+OFFSET] or FILE:0xOFFSET")
    return program, where


def _is_place(digits: str) -> bool:
    return 0 < len(digits) <= 15 and set(digits) <= set("0123456789abcdefABCDEF") and int(digits, 16) > 0


def user_probe(text: str) -> tuple[str | None, str]:
    """Take a file, and the provider and name of a USDT in it."""
    program, where = target(text)
    parts = where.rsplit(":", 2)
    if len(parts) != 3 or not all(parts):
        raise _wrong(f"{text!r} is not [PROGRAM=]FILE:PROVIDER:NAME")
    return program, where


def perf_event(text: str) -> tuple[str | None, str]:
    """Take the name of a perf event, and perhaps how often a second it is sampled."""
    program, where = target(text)
    name, colon, rate = where.partition(":")
    if not name or (colon and not (rate.isascii() and rate.isdecimal() and int(rate))):
        raise _wrong(f"{text!r} is not [PROGRAM=]EVENT or EVENT:FREQUENCY")
    return program, where


def netfilter(text: str) -> tuple[str | None, str]:
    """Take a hook of netfilter, and perhaps a priority."""
    program, where = target(text)
    family, _, rest = where.partition(":")
    hook, colon, priority = rest.partition(":")
    digits = priority.removeprefix("-")
    if not family or not hook or (colon and not (digits.isascii() and digits.isdecimal() and len(digits) <= 10)):
        raise _wrong(f"{text!r} is not [PROGRAM=]PF:HOOK or PF:HOOK:PRIORITY")
    return program, where


def syscalls(text: str) -> str:
    """Take how calls are shown."""
    if text not in ("full", "short"):
        raise _wrong(f"{text!r} is not short")
    return text


def add_targets(parser: ArgumentParser) -> None:
    """Add the options that say what programs are attached to."""
    about = "for programs whose section does not say it; PROGRAM, a name or pattern,\ntells which; each repeatable"
    add = parser.add_argument_group("what programs are attached to", about).add_argument
    text = (
        "a function of the kernel: for programs of fentry, fexit, fsession and fmod_ret; a tracepoint for those of "
        "tp_btf, and a hook for those of lsm"
    )
    add("--function", action="append", type=target, metavar="[PROGRAM=]FUNCTION", help=text)
    text = (
        "an interface: for XDP (mode skb, drv or hw), tc (ingress, which is the default, or egress) and netkit "
        "programs, and for socket filters, which see what a packet socket of the interface would get"
    )
    add("--ifindex", action="append", type=target, metavar="[PROGRAM=]NAME[:MODE]", help=text)
    text = "a control group, by its folder or a process in it; iterators walk from it down"
    add("--cgroup", action="append", type=target, metavar="[PROGRAM=]CGROUP", help=text)
    text = (
        "a network namespace, by name, path or a process in it: for sk_lookup and flow dissector programs, and where "
        "the interfaces of --ifindex and the hooks of --netfilter are"
    )
    add("--netns", action="append", type=target, metavar="[PROGRAM=]NETNS", help=text)
    text = (
        "a function of a program or library, or a place in the file (FILE:0xOFFSET); with --pid in these processes "
        "only, as for the next two, and for user probes whose section says where"
    )
    add("--uprobe", action="append", type=user_function, metavar="[PROGRAM=]FILE:SYMBOL[+OFFSET]", help=text)
    text = "a USDT of a program or library"
    add("--usdt", action="append", type=user_probe, metavar="[PROGRAM=]FILE:PROVIDER:NAME", help=text)
    text = "a software or hardware event, such as cpu-clock, sampled so often a second (99)"
    add("--perf-event", action="append", type=perf_event, metavar="[PROGRAM=]EVENT[:FREQUENCY]", help=text)
    add("--sockmap", action="append", type=target, metavar="[PROGRAM=]MAP", help="a map of sockets of the object")
    text = "a hook of netfilter, such as ipv4:local_in; of several programs that of the smallest PRIORITY (0) is first"
    add("--netfilter", action="append", type=netfilter, metavar="[PROGRAM=]PF:HOOK[:PRIORITY]", help=text)
    text = "iterators over the elements of a map: a map of the object"
    add("--iter-map", action="append", type=target, metavar="[PROGRAM=]MAP", help=text)
    text = 'call this program of SEC("syscall") when all is attached, with an argument of zeros; a pattern; repeatable'
    add("--call", action="append", metavar="PROGRAM", help=text)
