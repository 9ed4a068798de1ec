"""How many random examples a test tries."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = os.environ.get("LIBBPF_CFFI_EXAMPLES")
"""``LIBBPF_CFFI_EXAMPLES=2000`` tries so many headers a test, and other ones each time."""

profile = settings(
    max_examples=int(EXAMPLES or 40),
    deadline=None,
    derandomize=EXAMPLES is None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
seeds = st.integers(0, 1 << 30)
