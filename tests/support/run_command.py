"""Run ``python -m libbpf_cffi.run`` until something has been done meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEADLINE = 60.0
PACKAGE = os.path.dirname(os.path.dirname(bpf.__file__))


def run(
    *arguments: object, netns: str = "", prefix: Sequence[str] = (), meanwhile: Callable[[], object] | None = None
) -> tuple[int, str, str]:
    """Run the command, do something when all is attached, end it, and give the status, stdout and stderr."""
    if netns:
        prefix = ["nsenter", f"--net=/run/netns/{netns}"]
    process = subprocess.Popen(
        [*prefix, sys.executable, "-bb", "-W", "error", "-m", "libbpf_cffi.run", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGE, "NO_COLOR": "1"},
    )
    watch = threading.Timer(DEADLINE, process.kill)
    watch.start()
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if " until Ctrl-C" in line:
                if meanwhile is not None:
                    meanwhile()
                process.send_signal(signal.SIGINT)
        out = process.stdout.read()
        status = process.wait()
    finally:
        watch.cancel()
        watch.join()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    text = "".join(said)
    assert "Traceback" not in text, text
    assert "fault of bpf-run" not in text, text
    return status, out, text
