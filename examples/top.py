"""Watch which programs make system calls, are started and open files: a live view, on asyncio.

python top.py [--every SECONDS] [--duration SECONDS]

One task takes the events as they come, in batches; another draws what there is, now and then. On a terminal that
is one screen, in a pipe one table behind the other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path

import libbpf_cffi as bpf

HOME, REST, SCREEN, BACK = "\x1b[H", "\x1b[J", "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class View:
    """What has been seen."""

    def __init__(self, obj: bpf.Object) -> None:
        self.events = obj.maps["events"].ring_buffer()
        self.counts: dict[int, Counter[str]] = {0: Counter(), 1: Counter()}
        self.last: deque[str] = deque(maxlen=5)
        self.began = time.monotonic()
        self._calls = obj.maps["calls"]
        self._before: Counter[str] = Counter()

    async def collect(self) -> None:
        """Take events for ever; a flood of them does not keep the other task from drawing."""
        async for batch in self.events.batches():
            for event in batch:
                self.counts[event.kind][event.comm] += 1
                if event.kind == 0:
                    self.last.append(f"{event.pid:>8}  {event.what}")

    def lines(self, rows: int, width: int) -> list[str]:
        """Give the next picture."""
        calls = Counter({task.comm: sum(cpus) for task, cpus in self._calls.items()})
        fresh = calls - self._before
        self._before = calls
        started, opened = self.counts[0], self.counts[1]
        title = (
            f"{time.monotonic() - self.began:.1f} s: {calls.total()} system calls, {started.total()} programs started, "
            f"{opened.total()} files opened, {self.events.lost} events lost"
        )
        found = [title, "", f"{'PROGRAM':16} {'NEW CALLS':>10} {'CALLS':>10} {'STARTED':>8} {'OPENED':>8}"]
        names = sorted(calls, key=lambda name: (fresh[name], calls[name]), reverse=True)
        for name in names[: rows - len(found) - len(self.last) - 3]:
            counts = f"{fresh[name]:>10} {calls[name]:>10} {started[name]:>8} {opened[name]:>8}"
            found.append(f"{''.join(each if each.isprintable() else '?' for each in name):16} {counts}")
        found += ["", "last started:", *self.last]
        return [line[:width] for line in found]


async def draw(view: View, every: float, until: float | None) -> None:
    """Draw until it is time to end."""
    terminal = sys.stdout.isatty()
    while until is None or time.monotonic() < until:
        await asyncio.sleep(every if until is None else max(0.0, min(every, until - time.monotonic())))
        size = shutil.get_terminal_size()
        lines = view.lines(size.lines if terminal else 30, size.columns if terminal else 200)
        if terminal:
            print(HOME, "\x1b[K\n".join(lines), "\x1b[K", REST, sep="", end="", flush=True)
        else:
            print(*lines, "", sep="\n", flush=True)


async def watch(obj: bpf.Object, every: float, duration: float | None) -> None:
    """Collect and draw."""
    view = View(obj)
    with view.events:
        obj.attach()
        collecting = asyncio.create_task(view.collect())
        try:
            await draw(view, every, None if duration is None else view.began + duration)
        finally:
            collecting.cancel()
            with suppress(asyncio.CancelledError):
                await collecting


def main() -> None:
    """Watch until the time is over or Ctrl-C comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two pictures")
    parser.add_argument("--duration", type=float, help="seconds; until Ctrl-C without")
    options = parser.parse_args()

    with bpf.Object.open(bpf.compile_object(Path(__file__).with_name("top.bpf.c"))) as obj:
        obj.variables["own_pid"] = os.getpid()
        obj.load()
        terminal = sys.stdout.isatty()
        print(SCREEN if terminal else "", end="", flush=True)
        try:
            asyncio.run(watch(obj, options.every, options.duration))
        except KeyboardInterrupt:
            pass
        finally:
            print(BACK if terminal else "", end="", flush=True)


if __name__ == "__main__":
    main()
