"""What is set for an interpreter that ends while daemon threads are in the middle of anything.

Python ends such a thread where it comes back from C, and with it goes what that call has returned, which nothing can
know then. LeakSanitizer would tell of it; the other checks of a sanitizer stay.
"""

from __future__ import annotations

import os

ENDS_AT_ANY_MOMENT = {"ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"}
