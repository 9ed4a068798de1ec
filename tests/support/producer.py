"""What fills the ring buffers of rings.bpf.c."""

from __future__ import annotations

import os
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from libbpf_cffi import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterator

    import libbpf_cffi as bpf

ORDER = struct.Struct("=QIIIIQQQ")
"""``struct order`` of rings.bpf.c."""


class Producer:
    """Runs the programs of rings.bpf.c, each of which fills a ring buffer."""

    ROOMY: ClassVar[dict[str, int]] = {}
    """With what a reader's buffer has room for 6,000 events."""
    LARGE: ClassVar[dict[str, int]] = {}
    """And for 14,000."""

    def __init__(self, obj: bpf.Object) -> None:
        self.obj = obj
        self.sent = 0
        self.lost = 0
        self._lock = threading.Lock()
        self._sent_some = threading.Event()

    def reader(self, event_map: Any = None, *arguments: Any, **keywords: Any) -> Any:
        """Open a reader of the events, or of another map of them."""
        return (event_map or self.obj.maps["events"]).ring_buffer(*arguments, **keywords)

    def __call__(
        self, count: int, program: str = "produce", *, size: int = 16, step: int = 0, discard_every: int = 0,
        flags: int = 0, first: int | None = None,
    ) -> tuple[int, int]:  # fmt: skip
        """Have `count` events sent, whose numbers go on; give how many were, and how many found no room."""
        number = self.sent + self.lost if first is None else first
        order = bytearray(ORDER.pack(number, count, size, step, discard_every, flags, 0, 0))
        opts = ffi.new("struct bpf_test_run_opts *")
        opts.sz = ffi.sizeof(opts[0])
        memory = ffi.from_buffer(order)
        opts.ctx_in = memory
        opts.ctx_size_in = len(order)
        result = lib.bpf_prog_test_run_opts(self.obj.programs[program].fd, opts)
        assert result == 0, os.strerror(-result)
        sent, lost = ORDER.unpack(order)[-2:]
        return self._counted(sent, lost)

    def _counted(self, sent: int, lost: int) -> tuple[int, int]:
        with self._lock:
            self.sent += sent
            self.lost += lost
        self._sent_some.set()
        return sent, lost

    def wait(self) -> None:
        """Wait until another thread has sent what it was to send at once: who does not read meanwhile gets behind."""
        self._sent_some.clear()
        assert self._sent_some.wait(60), "nothing is sent"

    @contextmanager
    def flood(self, program: str = "produce", step: int = 2000, threads: int = 1, **order: int) -> Iterator[None]:
        """Send without a pause, from other threads, for as long as the block takes.

        With several there is always one in the kernel, whatever Python's own lock makes the others wait for.
        """
        over = threading.Event()

        def send() -> None:
            while not over.is_set():
                self(step, program, **order)

        senders = [threading.Thread(target=send) for _ in range(threads)]
        for each in senders:
            each.start()
        try:
            yield
        finally:
            over.set()
            for each in senders:
                each.join()
