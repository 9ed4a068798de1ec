"""The functions of a BPF object that are in no program: they have no SEC(), and nothing calls them. No C."""

from __future__ import annotations

from ._elf import SYMTAB, _Sections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["in_no_program", "uncalled_functions"]

_REL, _ALLOC, _SYMBOL, _RELOCATION = 9, 2, 24, 16
_FUNC, _GLOBAL, _DEFAULT = 2, 1, 0


def in_no_program(obj: Any) -> list[str]:
    """Give the names of an object's functions that are left out, though they may have been meant to be programs."""
    return uncalled_functions(obj._data)


def uncalled_functions(data: bytes) -> list[str]:
    """Give the names of functions that are not static, stand in no section of their own, and that nothing calls.

    libbpf takes what is in ``.text`` for subprograms, and leaves out those of which no program has need. Hidden ones
    (``__hidden``) and weak ones are a library's.
    """
    sections = _Sections(data)
    text = next(sections.named(".text"), None)
    table = next(sections.of_kind(SYMTAB), None)
    if text is None or table is None:
        return []
    symbols, strings = sections.content(table), sections.strings(table)
    if strings is None:
        return []
    found: dict[int, str] = {}
    for number, at in enumerate(range(0, len(symbols) - _SYMBOL + 1, _SYMBOL)):
        kind, home = symbols[at + 4], int.from_bytes(symbols[at + 6 : at + 8], sections.order)
        if home == text[0] and kind & 0xF == _FUNC and kind >> 4 == _GLOBAL and symbols[at + 5] == _DEFAULT:
            name = sections.name(strings, int.from_bytes(symbols[at : at + 4], sections.order))
            if name is None:
                return []
            found[number] = name
    # Of what is not static, clang leaves to a relocation who calls it, or has its address, in its own section too.
    for number in _referred(sections) if found else ():
        found.pop(number, None)
    return list(found.values())


def _referred(sections: _Sections) -> Iterator[int]:
    """Give the number of the symbol of each relocation of what is loaded."""
    for header in sections.of_kind(_REL):
        target = sections.at(sections.number(header + 44, 4))
        # Those of what is for debuggers may name any function.
        if target is None or not sections.number(target + 8, 8) & _ALLOC:
            continue
        table = sections.content(header)
        for at in range(0, len(table) - _RELOCATION + 1, _RELOCATION):
            yield int.from_bytes(table[at + 8 : at + 16], sections.order) >> 32
