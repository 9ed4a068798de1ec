"""What a process has: of the kernel's, by number, and of descriptors and memory."""

from __future__ import annotations

import contextlib
import os


def kernel_numbers() -> set[tuple[str, int]]:
    """Give the numbers of the programs, maps, links and BTF that this process has open."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError, ValueError):
            if not os.readlink(f"/proc/self/fd/{fd}").startswith("anon_inode:bpf"):
                continue
            with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
                lines = dict(line.split(":", 1) for line in file if ":" in line)
            for kind in ("map_id", "prog_id", "link_id"):
                # A link's file names its program too, which may be another's.
                if kind in lines and not (kind == "prog_id" and "link_id" in lines):
                    found.add((kind, int(lines[kind])))
                    break
    return found


def open_things() -> dict[str, str]:
    """Give what this process has open: descriptors, and memory of the kernel's."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            if "anon_inode:" in line:
                found[line.split()[0]] = line.split(None, 5)[-1].strip()
    return found
