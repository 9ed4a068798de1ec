"""What `make test-lsan` has in every Python: what is open as an interpreter ends, or belongs to a parent, is no leak.

libbpf_cffi destroys neither: at an interpreter's exit the kernel drops everything, and a daemon thread may be inside C;
what a forked child has of its parent's a thread of that one may have half destroyed. But the handles go, and with them
all that points to what they stand for. One more reference each, and LeakSanitizer finds it by CPython's memory, which
tools/lsan.suppressions has. A pointer that is in no handle then is found as before.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from typing import Any


def _hold(handle: Any) -> None:
    for each in (handle, *handle._made):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
    for child in list(handle._children.values()):
        _hold(child)


def _hold_all() -> None:
    handles = sys.modules.get("libbpf_cffi._handle")
    for reference in list(handles._roots if handles else ()):
        handle = reference()
        if handle is not None:
            _hold(handle)


# In a child this comes before libbpf_cffi's own, which is registered later.
os.register_at_fork(after_in_child=_hold_all)
atexit.register(_hold_all)
