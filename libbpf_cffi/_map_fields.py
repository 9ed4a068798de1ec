"""The fields that a map's definition may have. Not imported until one has another."""

from __future__ import annotations

__all__ = ["close_fields", "field_hint"]

_FIELDS = (
    "type", "max_entries", "map_flags", "numa_node", "key_size", "key", "value_size", "value", "values", "pinning",
    "map_extra",
)  # fmt: skip
"""Those of ``parse_btf_map_def()`` of libbpf.c."""


def close_fields(name: str) -> list[str]:
    """Give the fields that come close to a name: of those that are yet to come, none may."""
    import difflib

    return difflib.get_close_matches(name.lower(), _FIELDS)


def field_hint(name: str) -> str:
    """Say that a map's definition has no such field, and which it may have."""
    close = close_fields(name)
    said = f"; close names: {', '.join(map(repr, close))}" if close else f": {', '.join(_FIELDS)}"
    return f"the definition of a map has no field {name!r}{said}; relaxed_maps=True ignores what libbpf does not know"
