"""What is in maps: ``--map`` shows it as a table, ``--hist`` draws it; at the end, or now and then."""

from __future__ import annotations

import time

import libbpf_cffi as bpf
from libbpf_cffi.hist import log2_hist

from ._command_entries import Entries, are_counts, is_zero, summed, unreadable
from ._command_text import columns, is_number, room, text
from ._run_options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from ._run_io import Output, Reporter
    from ._run_options import Options

__all__ = ["Shows"]

SLOTS = "slots"
"""What libbpf-tools call the member of a struct that holds a histogram by powers of two."""

MOST = 64
"""More slots than that has no histogram by powers of two."""

NO_HISTOGRAM = "neither are the keys slots and the values counts, nor is a member of the values"


class Shows:
    """All that ``--map`` and ``--hist`` ask for."""

    def __init__(self, options: Options, objects: Mapping[str, bpf.Object], report: Reporter) -> None:
        self._json = options.json
        self._report = report
        self._several = len(objects) > 1
        self.after: Callable[[], object] | None = None
        """What is done each time that something has been shown."""
        self._shows = [
            _Show(each, path, name, seconds, unit, options.top)
            for name, seconds, unit in (*((*wanted, None) for wanted in options.map), *options.hist)
            for path, each in _find(objects, name, drawn=unit is not None)
        ]

    def start(self) -> None:
        """Begin to count the seconds."""
        now = time.monotonic()
        for show in self._shows:
            show.following = None if show.seconds is None else now + show.seconds

    @property
    def repeated(self) -> bool:
        """Whether something is shown now and then, not in the end alone."""
        return any(show.seconds is not None for show in self._shows)

    @property
    def following(self) -> float | None:
        """When something is to be shown next, by `time.monotonic`."""
        return min((show.following for show in self._shows if show.following is not None), default=None)

    def show_due(self, output: Output) -> None:
        """Show those whose time has come."""
        now = time.monotonic()
        due = [show for show in self._shows if show.following is not None and show.following <= now]
        for show in due:
            assert show.following is not None
            assert show.seconds is not None
            # One that took longer than its seconds is not shown twice in a row.
            show.following = max(show.following + show.seconds, now)
        self._write(due, output)
        if self.after is not None:
            self.after()

    def show_all(self, output: Output) -> None:
        """Show what there is in the end."""
        self._write(self._shows, output)

    def _write(self, shows: Iterable[_Show], output: Output) -> None:
        for show in shows:
            try:
                lines = show.json(self._several) if self._json else show.lines(room(output.fd), several=self._several)
                said = "\n".join(lines)
            except bpf.LibbpfError as error:
                # Some maps, such as those of sockets, the kernel does not let everybody read: the others are shown.
                show.seconds = show.following = None
                self._report.warning(str(error))
                continue
            if said:
                output.write(f"{said}\n")


def _find(objects: Mapping[str, bpf.Object], name: str, *, drawn: bool) -> list[tuple[str, Any]]:
    """Find the maps of a name, or, where a histogram is to be drawn, the variables; `UsageError` if there is none."""
    option = f"--{'hist' if drawn else 'map'} {name}"
    found: list[tuple[str, Any]] = [(path, obj.maps[name]) for path, obj in objects.items() if name in obj.maps]
    for path, each in found:
        if (why := unreadable(each)) is not None:
            raise UsageError(f"{option}: {why}{f' in {path}' if len(objects) > 1 else ''}")
    variables = []
    if not found:
        variables = [(path, _Variable(obj, name)) for path, obj in objects.items() if name in obj.variables]
    if drawn:
        found += variables
        for path, each in found:
            if not _drawable(each):
                where = f" of {path}" if len(objects) > 1 else ""
                raise UsageError(f"{option}: {name}{where} is no histogram: {NO_HISTOGRAM}")
    elif variables:
        section = variables[0][1].section
        shown = f"--map {section} shows all variables of its section, --hist {name} draws it, --variables lists all"
        raise UsageError(f"{option}: {name} is a variable, not a map; {shown}")
    if not found:
        names = [each for obj in objects.values() for each in (*obj.maps, *(obj.variables if drawn else ()))]
        from difflib import get_close_matches

        close = get_close_matches(name, names, n=3, cutoff=0.5)
        known = f"close names: {', '.join(close)}" if close else f"there are: {', '.join(names[:20]) or 'none'}"
        raise UsageError(f"{option}: there is no such map{' or variable' if drawn else ''}; {known}")
    return found


class _Variable:
    """A global variable that takes the place of a map with one entry."""

    def __init__(self, obj: bpf.Object, name: str) -> None:
        self._obj = obj
        self._name = name

    @property
    def section(self) -> str:
        return self._obj.variables.describe(self._name).section

    @property
    def type(self) -> bpf.BtfType:
        return self._obj.variables.describe(self._name).type

    def items(self) -> list[tuple[Any, Any]]:
        return [("", self._obj.variables[self._name])]


def _drawable(shown: Any) -> bool:
    """Tell, before load, whether there can be a histogram: by what a key and a value of zeroes are."""
    if isinstance(shown, _Variable):
        return _form("", _zero(shown.type, 0)) is not None
    if type(shown) not in (bpf.HashMap, bpf.PercpuHashMap, bpf.ArrayMap, bpf.PercpuArrayMap):
        # What those of other kinds give is not always of their types.
        return True
    return _form(_zero(shown.key_type, shown.key_size), _zero(shown.value_type, shown.value_size)) is not None


def _zero(type: bpf.BtfType | None, size: int) -> Any:
    return bytes(size) if type is None else type.decode(bytes(type.size or size))


class _Show:
    """One map that is shown."""

    def __init__(
        self, shown: Any, path: str, name: str, seconds: float | None, unit: str | None, top: int | None
    ) -> None:
        self._shown = shown
        self._path = path
        self._name = name
        self.seconds = seconds
        self._unit = unit
        """What the values of a histogram are in; ``None``: a table."""
        self._top = top
        self._entries = Entries(shown, top)
        self.following: float | None = None

    def json(self, several: bool) -> Iterator[str]:
        """Give a line of JSON for each entry."""
        from json import dumps

        what = "variable" if isinstance(self._shown, _Variable) else "map"
        common: dict[str, Any] = {"object": self._path} if several else {}
        common |= {what: self._name, "time": round(time.time(), 6)}
        for facts in self._entries.facts():
            if what == "variable":
                del facts["key"]
            yield dumps({**common, **facts})

    def lines(self, width: int | None, *, several: bool) -> Iterator[str]:
        """Give the lines of a table, or of histograms."""
        title = f"{self._path}: {self._name}" if several else self._name
        if self.seconds is not None:
            title = f"{time.strftime('%H:%M:%S')} {title}"
        if self._unit is not None:
            entries = self._entries.read()
            yield from _drawings(title, entries, self._unit, self._top, percpu=self._entries.percpu)
        else:
            yield from self._entries.lines(title, width)


# Histograms


def _each_drawn(entries: Iterable[tuple[Any, Any]], name: str = "key") -> Iterator[tuple[str, Sequence[int]]]:
    """Give the counts of each entry, and what is over them: its key and the other members of its value."""
    for key, value in entries:
        slots = _counts(value) or ()
        others = [(member, each) for member, each in columns(value, "") if each is not slots and member]
        yield _named([*(columns(key, name) if key != "" else ()), *others]), slots


def _named(parts: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} = {text(part)}" for name, part in parts).rstrip()


def _draw(slots: Sequence[int], unit: str) -> list[str]:
    if not any(slots):
        return ["  nothing counted"]
    return [line.rstrip() for line in log2_hist(slots, unit).splitlines()]


def _drawings(
    title: str, entries: list[tuple[Any, Any]], unit: str, top: int | None, *, percpu: bool
) -> Iterator[str]:
    """Draw what can be a histogram by powers of two, see the help of ``--hist``; the largest of several first."""
    if percpu:
        entries = [(key, summed(value)) for key, value in entries]
    if not entries:
        yield f"{title}: empty"
        return
    yield f"{title}:"
    groups = _groups(entries)
    if groups is None:
        yield f"  no histogram: {NO_HISTOGRAM}"
        return
    groups.sort(key=lambda group: sum(group[1]), reverse=True)
    for name, slots in groups[:top]:
        if name:
            yield ""
            yield name
        yield from _draw(slots, unit)


def _groups(entries: list[tuple[Any, Any]]) -> list[tuple[str, Sequence[int]]] | None:
    """Part entries into histograms: the counts of each, and what is over them; ``None`` if there is no histogram."""
    form = _form(*entries[0])
    if form == "slot":
        groups: dict[tuple[tuple[str, Any], ...], dict[int, int]] = {}
        for each, count in entries:
            rest = tuple((name, part) for name, part in columns(each, "") if name != "slot")
            groups.setdefault(rest, {})[int(each.slot)] = count
        return [(_named(rest), _filled(counts)) for rest, counts in groups.items()]
    if form == "keys" and all(0 <= each < MOST for each, _ in entries):
        return [("", _filled(dict(entries)))]
    if form == "values":
        return list(_each_drawn(entries))
    if form == "list":
        return list(_each_drawn(((at, each) for at, each in enumerate(entries[0][1]) if not is_zero(each)), "index"))
    return None


def _form(key: Any, value: Any) -> str | None:
    """Say what the slots are by one entry, the others are of its types: a member of the keys or the keys themselves, an
    array in the values, or one in each element of a variable that is a list; ``None`` if there is no histogram in it.
    """
    if is_number(value):
        return "slot" if hasattr(key, "slot") else "keys" if isinstance(key, int) else None
    if _counts(value) is not None:
        return "values"
    if key == "" and isinstance(value, tuple) and value and all(_counts(each) is not None for each in value):
        return "list"
    return None


def _filled(counts: Mapping[int, int]) -> list[int]:
    """Give the counts of all slots from 0 on; what is no slot is left out."""
    return [counts.get(slot, 0) for slot in range(max((slot for slot in counts if slot < MOST), default=-1) + 1)]


def _counts(value: Any) -> tuple[int, ...] | None:
    """Give the counts: the value itself, its ``slots``, or its only array of integers."""
    if not hasattr(value, "_asdict"):
        counts: tuple[int, ...] | None = value if are_counts(value) else None
        return counts
    arrays: dict[str, tuple[int, ...]] = {name: each for name, each in value._asdict().items() if are_counts(each)}
    if SLOTS in arrays:
        return arrays[SLOTS]
    return next(iter(arrays.values())) if len(arrays) == 1 else None
