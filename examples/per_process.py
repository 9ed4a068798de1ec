"""Count the system calls of a command by number: a hash of maps, filled and emptied while its program runs.

python per_process.py COMMAND [ARG ...]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import libbpf_cffi as bpf


def main(command: list[str]) -> None:
    """Give the command a map of its own, run it, and say which system calls it has made most."""
    source = Path(__file__).with_name("per_process.bpf.c")
    with bpf.Object.open(bpf.compile_object(source)) as obj:
        obj.load()
        processes = obj.maps["processes"]
        obj.attach()
        # It waits until there is a map for it, and becomes the command.
        waiting = ["sh", "-c", 'read go && exec "$@"', "sh", *command]
        with (
            bpf.Map.create("hash", key="u32", value="u64", max_entries=512, name="counts") as counts,
            subprocess.Popen(waiting, stdin=subprocess.PIPE, text=True) as process,
        ):
            processes[process.pid] = counts
            process.communicate("go\n")
            del processes[process.pid]
            found = sorted(counts.items(), key=lambda entry: entry[1], reverse=True)
        print(f"{sum(count for _, count in found)} system calls, {len(processes)} processes are left")
        for number, count in found[:10]:
            print(f"{number:>5} {count:>8}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["true"])
