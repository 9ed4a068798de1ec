"""What tests allow for when the package has sanitizers inside: `make test-asan`, `make test-tsan`."""

from __future__ import annotations

import os

SANITIZED = "LIBBPF_CFFI_SANITIZED" in os.environ

SLOWER = 10 if SANITIZED or "LIBBPF_CFFI_VM" in os.environ else 1
"""How much more time Python has for a step; the processor of a virtual machine may be emulated."""

KEPT = 1 << 29 if SANITIZED else 0
"""How many bytes a sanitizer may keep of what was freed, to see when it is used all the same."""
