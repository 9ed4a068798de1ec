"""One question to an ELF file that libbpf does not answer: what is in a section. No C."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

__all__ = ["section"]

_CLASS64, _LITTLE = 2, 1
_NOBITS = 8
_EXTENDED_INDEX = 0xFFFF


def section(data: bytes, name: str) -> bytes | None:
    """Give the content of the first section called `name` of a 64-bit ELF file, or ``None``.

    A malformed file has no sections. The layout is that of elf(5).
    """
    if data[:4] != b"\x7fELF" or len(data) < 64 or data[4] != _CLASS64:
        return None

    # Not by `struct`, whose import takes longer than all of this.
    order: Literal["little", "big"] = "little" if data[5] == _LITTLE else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    table, entry = number(0x28, 8), number(0x3A, 2)
    count, names = number(0x3C, 2), number(0x3E, 2)
    if entry < 64:
        return None
    if count == 0 or names == _EXTENDED_INDEX:
        # Too many sections for 16 bits: the first header holds the numbers.
        count = count or number(table + 32, 8)
        names = number(table + 40, 4) if names == _EXTENDED_INDEX else names
    names_at = number(table + names * entry + 24, 8)
    strings = data[names_at : names_at + number(table + names * entry + 32, 8)]
    wanted = name.encode() + b"\0"
    for at in range(table, table + min(count, (len(data) - table) // entry) * entry, entry):
        name_at = int.from_bytes(data[at : at + 4], order)
        if strings.startswith(wanted, name_at) and number(at + 4, 4) != _NOBITS:
            offset = number(at + 24, 8)
            return data[offset : offset + number(at + 32, 8)]
    return None
