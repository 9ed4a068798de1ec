"""Arrays and flags of libbpf's option structs, and the descriptors of what a program is attached to."""

from __future__ import annotations

from ._arguments import iterable
from ._ffi import boolean, c_string, ffi, lib, unsigned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._borrow import Descriptors
    from ._ffi import Options
    from ._libbpf import CData
    from ._program import LoadedProgram
    from .perf_events import PerfEvent

__all__ = ["duplicate", "flag", "mode", "names", "strings", "words"]


def flag(given: bool | None, default: bool, what: str) -> bool:
    """Give what was given, or else the default."""
    return default if given is None else boolean(given, what)


def mode(value: int) -> int:
    """Give the number of a `ProbeAttachMode`: for one that it does not know libbpf says EINVAL, as for much else."""
    number = unsigned(value, 31, "attach_mode")
    if number > lib.PROBE_ATTACH_MODE_LINK:
        raise ValueError(f"attach_mode is one of ProbeAttachMode, up to {lib.PROBE_ATTACH_MODE_LINK}, not {number}")
    return number


def names(values: Iterable[str], what: str) -> list[str]:
    """Give several names as a list, whatever holds them, as often as they are asked for; one alone is refused."""
    if isinstance(values, str):
        raise TypeError(f"{what} must be several names, not one str")
    return list(iterable(values, what))


def strings(options: Options, values: Sequence[str] | None, what: str) -> CData | None:
    """Make an array of C strings that lives as long as the options."""
    if values is None:
        return None
    each = [ffi.new("char[]", c_string(value, f"an item of {what}")) for value in values]
    if not each:
        raise ValueError(f"{what} is empty")
    array = ffi.new("const char *[]", each)
    options.kept += [*each, array]
    return array


def words(
    options: Options, kind: str, values: Sequence[int] | None, what: str, beside: Sequence[object] | None = None
) -> CData | None:
    """Make an array of numbers that lives as long as the options; as many as there are of what stands `beside`."""
    if values is None:
        return None
    numbers = [unsigned(value, 8 * ffi.sizeof(kind), f"an item of {what}") for value in iterable(values, what)]
    if not numbers:
        raise ValueError(f"{what} is empty")
    if what not in ("addrs", "offsets"):
        if beside is None:
            raise TypeError(f"{what} go with a list of functions, not with a pattern")
        if len(numbers) != len(beside):
            raise ValueError(f"there are {len(numbers)} {what} for {len(beside)} functions")
    array = ffi.new(f"{kind}[]", numbers)
    options.kept.append(array)
    return array


def duplicate(held: Descriptors, thing: LoadedProgram | PerfEvent | int, action: str) -> int:
    """Duplicate a descriptor, or that of a program or perf event, for the block."""
    if not isinstance(thing, int) and hasattr(thing, "_loaded"):
        with thing._handle.lock:
            return held.dup(thing._loaded(action), action)
    return held.dup(unsigned(thing, 31, "a descriptor"), action)  # type: ignore[arg-type]
