"""What `make test-lsan` has in every Python: what is open as an interpreter ends is no leak.

libbpf_cffi destroys nothing then: the kernel drops everything, and a daemon thread may be inside C. But CPython frees
the handles, and with them all that points to what they stand for. One more reference each, and LeakSanitizer finds it
by CPython's memory, which tools/lsan.suppressions has. A pointer that is in no handle is found as before.
"""

from __future__ import annotations

import atexit
import ctypes
import sys


def _hold() -> None:
    handles = sys.modules.get("libbpf_cffi._handle")
    for reference in list(handles._roots if handles else ()):
        handle = reference()
        if handle is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))


atexit.register(_hold)
