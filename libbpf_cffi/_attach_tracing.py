"""Attaching to the kernel: probes of its functions, tracepoints, tracing, LSM, perf events, iterators."""

from __future__ import annotations

from ._program import ProgramBase

__all__ = ["TracingAttach"]


class TracingAttach(ProgramBase):
    """Attaching to the kernel: probes of its functions, tracepoints, tracing, LSM, perf events, iterators."""

    __slots__ = ()
