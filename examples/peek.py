"""Read a map of another process, found by its name or its pin, with the values' types taken from the map's own BTF.

python peek.py NAME_OR_PIN
"""

from __future__ import annotations

import sys

import libbpf_cffi as bpf


def main(name: str) -> None:
    """Say what the map is, and all that is in it."""
    opened = bpf.Map.from_pin(name, read_only=True) if "/" in name else bpf.Map.find(name, read_only=True)
    with opened as found:
        print(f"{found.name}: {found.type.name.lower()} of {found.key_type} to {found.value_type}")
        for key, value in found.items():
            print(key, value)


if __name__ == "__main__":
    main(*sys.argv[1:])
