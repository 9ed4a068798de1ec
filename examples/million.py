"""Fill a hash with a million entries and load it into NumPy, and into pandas where that is installed.

python million.py [ENTRIES]
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import numpy as np

import libbpf_cffi as bpf


def main(entries: int = 1_000_000) -> None:
    """Write with NumPy's arrays, read into them, and compute there."""
    traffic = {"packets": "u64", "bytes": "u64"}
    with bpf.Map.create("hash", key="u64", value=traffic, max_entries=entries, name="flows") as flows:
        keys = np.arange(entries, dtype="u8")
        values = np.zeros(entries, dtype=flows.value_type.dtype)
        values["packets"] = keys % 100
        values["bytes"] = values["packets"] * 1500
        started = time.perf_counter()
        flows.update_many(keys, values)
        written = time.perf_counter()
        keys, values = flows.to_numpy()
        read = time.perf_counter()

        print(f"{entries:,} entries written in {written - started:.2f} s, read in {read - written:.2f} s")
        print(f"{values['bytes'].sum():,} bytes in {values['packets'].sum():,} packets")
        print(f"of flow 4711: {flows.get(4711)}")
        with suppress(ImportError):
            import pandas as pd

            frame = pd.DataFrame(values, index=pd.Index(keys, name="flow"))
            print(frame.nlargest(5, "bytes"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
