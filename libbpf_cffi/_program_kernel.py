"""What can be done with any program that the kernel has: give it maps, read what it has written."""

from __future__ import annotations

import errno

from . import _log
from ._borrow import Descriptors
from ._check import check
from ._ffi import Options, ffi, lib, unsigned
from ._program import LoadedProgram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ProgramKernel"]

STREAM = 1 << 17
"""More bytes than the kernel keeps of a stream (BPF_STREAM_MAX_CAPACITY)."""


class ProgramKernel(LoadedProgram):
    """What can be done with any program that the kernel has."""

    __slots__ = ()

    def bind_map(self, map: Any, *, flags: int = 0) -> None:
        """Let the program hold a map that none of its instructions names, for as long as it lives.

        *Wraps* ``bpf_prog_bind_map()``. For a map that tells something of the program. Twice does nothing. Linux 5.10.
        """
        opts = Options("bpf_prog_bind_opts", flags=unsigned(flags, 32, "flags"))
        self._handle.check()
        action = f"bind {_named(map)} to program {self.name!r}"
        self._with_map(map, action, lib.bpf_prog_bind_map, opts)

    def assoc_struct_ops(self, map: Any, *, flags: int = 0) -> None:
        """Tell the kernel to which struct_ops map the program belongs, for the functions that ask for that.

        *Wraps* ``bpf_program__assoc_struct_ops()``, ``bpf_prog_assoc_struct_ops()``. Linux 7.0.
        """
        opts = Options("bpf_prog_assoc_struct_ops_opts", flags=unsigned(flags, 32, "flags"))
        self._handle.check()
        action = f"associate program {self.name!r} with {_named(map)}"
        if getattr(map, "type", None) != lib.BPF_MAP_TYPE_STRUCT_OPS:
            raise TypeError(f"cannot {action}: it must be a struct_ops Map")
        self._with_map(map, action, lib.bpf_prog_assoc_struct_ops, opts, "this kernel, before Linux 7.0, knows no such")

    def _with_map(self, map: Any, action: str, function: Any, opts: Options, old: str = "") -> None:
        if not hasattr(map, "_dup"):
            raise TypeError(f"cannot {action}: it must be a Map, not {type(map).__name__}")
        with Descriptors() as borrowed:
            map_fd = borrowed.of(map)
            with self._handle.lock:
                fd = self._loaded(action)
                _log.listen()
                check(function(fd, map_fd, opts.pointer), action, lambda error: old if error == errno.EINVAL else None)

    def stream_read(self, stream_id: int = lib.BPF_STREAM_STDOUT) -> bytes:
        """Take what the program has written to a stream since the last reader took it; empty if that is nothing.

        *Wraps* ``bpf_prog_stream_read()``. Programs write to the streams 1 and 2 (``BPF_STREAM_STDOUT``,
        ``BPF_STREAM_STDERR``) by ``bpf_stream_printk()``, and the kernel to the second one what went wrong in them. It
        keeps 100,000 bytes of each. Linux 6.17.
        """
        action = f"read stream {stream_id} of program {self.name!r}"
        number = unsigned(stream_id, 32, "stream_id")
        memory = ffi.new("char[]", STREAM)
        with self._handle.lock:
            fd = self._loaded(action)
            _log.listen()
            size = check(
                lib.bpf_prog_stream_read(fd, number, memory, STREAM, ffi.NULL),
                action,
                lambda error: _stream_hint(error, number),
            )
        return ffi.buffer(memory, size)[:]

    def read_stdout(self) -> str:
        """Take what the program has printed, as text: `stream_read` of the stream 1."""
        return self.stream_read(lib.BPF_STREAM_STDOUT).decode("utf-8", "replace")

    def read_stderr(self) -> str:
        """Take what has gone wrong in the program, as text: `stream_read` of the stream 2."""
        return self.stream_read(lib.BPF_STREAM_STDERR).decode("utf-8", "replace")


def _named(map: Any) -> str:
    return map._what if hasattr(map, "_dup") else repr(map)


def _stream_hint(error: int, number: int) -> str | None:
    if error == errno.ENOENT:
        return f"there is no stream {number}: 1 is stdout, 2 is stderr"
    return "this kernel, before Linux 6.17, has no streams" if error == errno.EINVAL else None
