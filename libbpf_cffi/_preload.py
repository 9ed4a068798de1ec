"""Everything that is otherwise imported when it is first used, at once."""

from __future__ import annotations

import os
from importlib import import_module

__all__ = ["preload"]

STANDARD = (
    "asyncio", "bisect", "ctypes", "difflib", "fcntl", "fnmatch", "io", "ipaddress", "itertools", "logging", "mmap",
    "re", "select", "signal", "socket", "subprocess", "sys", "threading", "time", "zlib",
)  # fmt: skip
"""What the modules here import of the standard library when they first need it."""

COMMANDS = ("run", "_run_", "_command_entries", "_command_text", "_kernel_dump")
"""What only the commands have."""


def preload() -> None:
    """Import all of the package now, before this process gives up the right to read its files.

    ``import libbpf_cffi`` itself imports little; the rest comes with the first use of it, which fails after a chroot,
    without a descriptor left, or as a user who may not read the interpreter's folders. What only commands and the
    compiler need stays out, and so does numpy. Some 0.1 seconds.

    It is for programs that fork while they have threads, too: a child that is forked while another thread imports a
    module waits for ever when it comes to need that one (importlib's locks stay taken).
    """
    for name in STANDARD:
        import_module(name)
    for file in sorted(os.listdir(os.path.dirname(__file__))):
        name, _, ending = file.partition(".")
        if ending in ("py", "pyc") and not name.startswith(COMMANDS):
            import_module(f"{__package__}.{name}")
