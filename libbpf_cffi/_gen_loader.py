"""Loader programs: what load would do, as a BPF program."""

from __future__ import annotations

from typing import NamedTuple

from ._ffi import Options, boolean, ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._handle import ObjectHandle
    from ._libbpf import CData, bpf_object

__all__ = ["Generation", "LoaderProgram"]


class LoaderProgram(NamedTuple):
    """A program of the type SYSCALL that loads an object, from `Object.gen_loader`.

    `insns` are its instructions, 8 bytes each; they refer to one map, the first of the ``fd_array`` with which it is
    loaded (sleepable): an array whose only value is `data`. It is run on a context of a ``struct bpf_loader_ctx`` (24
    bytes, of which the first four are the context's whole size), 16 bytes a map and 4 a program, in the order of `maps`
    and `programs`; afterwards the first four bytes of each are the descriptor (skel_internal.h of libbpf).
    """

    data: bytes
    insns: bytes
    maps: tuple[str, ...]
    programs: tuple[str, ...]


class Generation:
    """One call of `Object.gen_loader`: the function that takes the place of load, and what it gives."""

    def __init__(self, handle: ObjectHandle, gen_hash: bool) -> None:
        self._handle = handle
        self._opts = Options("gen_loader_opts", gen_hash=boolean(gen_hash, "gen_hash"))

    def run(self, pointer: bpf_object, result: CData) -> None:
        """Have libbpf generate; what is interrupted in between can only be closed."""
        # libbpf writes there at load. Not before the phase is known to be right: each refusal would keep one.
        self._handle.kept.append(self._opts)
        self._handle.phase = self._handle.FAILED
        lib.lbc_object_generate(pointer, self._opts.pointer, result)

    def result(self, maps: tuple[str, ...], programs: tuple[str, ...]) -> LoaderProgram:
        """Copy what libbpf frees with the object."""
        with self._handle.lock:
            self._handle.check()
            opts = self._opts.pointer
            data = ffi.buffer(ffi.cast("char *", opts.data), opts.data_sz)[:]
            return LoaderProgram(data, ffi.buffer(ffi.cast("char *", opts.insns), opts.insns_sz)[:], maps, programs)
