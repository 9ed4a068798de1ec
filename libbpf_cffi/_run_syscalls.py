"""Every call of bpf(2) of a run, on stderr."""

from __future__ import annotations

import libbpf_cffi as bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._run_io import Reporter

__all__ = ["Calls"]


class Calls:
    """Calls that are recorded from now on, and shown part by part: what has been shown is forgotten."""

    def __init__(self, form: str, report: Reporter) -> None:
        self._short = form == "short"
        self._report = report
        self._calls = bpf.record_syscalls()
        self._calls.__enter__()

    def show(self) -> None:
        """Show those that have come since the last time."""
        for call in self._calls.take():
            self._report.plain(str(call) if self._short else call.listing())

    def close(self) -> None:
        """Stop, and show the rest."""
        self._calls.__exit__(None, None, None)
        self.show()
        if self._calls.dropped:
            self._report.warning(f"{self._calls.dropped} calls of bpf(2) are not shown: there were too many")
