"""What a test leaves behind: descriptors, handlers of signals and probes of its own, programs, maps and links.

Others may use the kernel meanwhile. What a test has made is told from theirs by two things: it stays, and no process
that has nothing to do with the tests holds it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time

PATIENCE = 30.0
"""Seconds: the kernel frees programs and maps some RCU grace periods after their last user has gone; nobody is told."""

DOUBT = 1.0
"""Seconds after which it is worth a look at all processes who holds what has not gone."""

MARK = b"LIBBPF_CFFI_TESTS=1"
"""Is in the environment of what tests start, whatever session that makes for itself."""

IDS = {b"prog_id:": "program", b"map_id:": "map", b"link_id:": "link"}
"""How /proc/PID/fdinfo names what a descriptor is of."""


def descriptors() -> dict[int, str]:
    """What this process has open."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # listdir()'s own
        # pytest's own captures and the pools of other libraries come and go; BPF's and files do not.
        found[int(name)] = target
    return found


def signals() -> dict[int, object]:
    """What this process does with signals: the handlers, and at 0 which ones it blocks."""
    handlers = {int(each): signal.getsignal(each) for each in signal.valid_signals()}
    return {0: signal.pthread_sigmask(signal.SIG_BLOCK, ()), **handlers}


def probe_events() -> set[str]:
    """The events of legacy probes that this process has in tracefs, where they stay when nothing uses them any more."""
    found = set()
    for folder in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
        for name in ("uprobe_events", "kprobe_events"):
            # Not mounted, or a kernel without such probes.
            with contextlib.suppress(OSError), open(f"{folder}/{name}", encoding="utf-8") as file:
                found.update(line.split()[0] for line in file if f"/libbpf_{os.getpid()}_" in line)
    return found


def kernel_ids() -> dict[str, set[int]]:
    """The ids of all programs, maps and links in the kernel."""
    from libbpf_cffi import ffi, lib

    found = {}
    following = ffi.new("__u32 *")
    for kind, step in (
        ("program", lib.bpf_prog_get_next_id),
        ("map", lib.bpf_map_get_next_id),
        ("link", lib.bpf_link_get_next_id),
    ):
        ids: set[int] = set()
        at = 0
        while step(at, following) == 0:
            at = following[0]
            ids.add(at)
        if ffi.errno != errno.ENOENT:
            # Without CAP_SYS_ADMIN nobody may look.
            ids.clear()
        found[kind] = ids
    return found


def is_of_others(pid: str) -> bool:
    """Tell whether a process has nothing to do with the tests: it is of another session, and was not started here."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        return os.getsid(int(pid)) != os.getsid(0) and MARK not in file.read().split(b"\0")


def held_by_others() -> dict[str, set[int]]:
    """The ids of what processes hold that have nothing to do with the tests."""
    found: dict[str, set[int]] = {kind: set() for kind in IDS.values()}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        # Processes and descriptors end while they are looked at.
        with contextlib.suppress(OSError):
            if is_of_others(pid):
                for fd in os.listdir(f"/proc/{pid}/fdinfo"):
                    with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{fd}", "rb") as file:
                        for line in file:
                            name, *value = line.split()
                            if name in IDS:
                                found[IDS[name]].add(int(value[0]))
    return found


class Suspects:
    """What tests have left in the kernel and what may yet go, for the kernel takes its time.

    Waiting for that after each test would take longer than the tests: it is looked at again after the next ones.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._since: dict[tuple[str, int], tuple[float, str]] = {}
        self._others_at = 0.0

    def add(self, before: dict[str, set[int]], who: str) -> None:
        """Suspect `who` of all that is new, and forget what has gone."""
        now = self._forget_gone()
        for kind, ids in now.items():
            for each in ids - before[kind]:
                self._since.setdefault((kind, each), (time.monotonic(), who))

    def _forget_gone(self) -> dict[str, set[int]]:
        now = kernel_ids()
        self._since = {each: since for each, since in self._since.items() if each[1] in now[each[0]]}
        return now

    def stayed(self) -> list[str]:
        """Return, and forget, what has stayed for too long, in words."""
        now = time.monotonic()
        oldest = min((since for since, _ in self._since.values()), default=now)
        if now - oldest > DOUBT and now - self._others_at > DOUBT:  # in most tests nothing stays that long
            self._others_at = now
            others = held_by_others()
            self._since = {each: since for each, since in self._since.items() if each[1] not in others[each[0]]}
        late = {each: who for each, (since, who) in self._since.items() if now - since >= self.patience}
        for each in late:
            del self._since[each]
        return [f"{kind} {number} of {who}" for (kind, number), who in sorted(late.items())]

    def wait(self) -> list[str]:
        """Wait for all to go; return what stays."""
        stayed = []
        pause = 0.01
        while self._since:
            self._forget_gone()
            stayed += self.stayed()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
        return stayed
