"""What the command of `kernel` shows of the entries of maps."""

from __future__ import annotations

from ._command_entries import Entries, unreadable
from ._command_text import room, text
from ._kernel_holders import GONE
from .errors import Error, LibbpfError
from .maps import Map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["dump"]

STDOUT = 1


def dump(rows: Sequence[dict[str, Any]], top: int | None, *, as_json: bool) -> tuple[str, list[str]]:
    """Give what is in the maps of these rows, as text, and what is to say of those that cannot be read.

    Keys and values are of the types that each map's BTF says; what has none is in hexadecimal.
    """
    facts: list[dict[str, Any]] = []
    parts: list[str] = []
    troubles: list[str] = []
    for row in rows:
        common = {"map": row["name"], "id": row["id"]}
        title = f"{text(row['name']) or 'map'} (id {row['id']})"
        try:
            with Map.from_id(row["id"], read_only=True) as each:
                if (why := unreadable(each)) is not None:
                    troubles.append(f"{title}: {why}")
                elif as_json:
                    facts += [{**common, **entry} for entry in Entries(each, top).facts()]
                else:
                    parts.append("".join(f"{line}\n" for line in Entries(each, top).lines(title, room(STDOUT))))
        except Error as error:
            if not isinstance(error, LibbpfError) or error.errno not in GONE:
                troubles.append(f"{title}: {error}")
    if not as_json:
        return "\n".join(parts), troubles
    import json

    return json.dumps(facts, indent=2) + "\n", troubles
