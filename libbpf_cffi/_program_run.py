"""Running a program by hand: on a packet, a context or arguments that Python gives."""

from __future__ import annotations

from ._program import LoadedProgram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._test_run import TestRun

__all__ = ["ProgramRun"]


class ProgramRun(LoadedProgram):
    """Running a program by hand."""

    __slots__ = ()

    def test_run(
        self,
        data_in: Any = None,
        *,
        ctx_in: Any = None,
        data_size_out: int | None = None,
        ctx_size_out: int | None = None,
        repeat: int = 0,
        flags: int = 0,
        cpu: int | None = None,
        batch_size: int = 0,
    ) -> TestRun:
        """Run the program once, or (if it sees packets or is of sk_lookup) `repeat` times; give what it left.

        *Wraps* ``bpf_prog_test_run_opts()``. `data_in` is the packet, Ethernet header included, for programs that see
        packets. `ctx_in` is the context: bytes, or the members that are not 0 of the struct that programs of this type
        are given (``__sk_buff``, ``xdp_md``, ``bpf_sk_lookup``, ``bpf_flow_keys``) as a mapping or record, such as
        ``{"ifindex": 1}``; for a raw tracepoint (not ``tp_btf``) and struct_ops
        (of the kernel's ``bpf_dummy_ops`` alone) a sequence of arguments; for a syscall program whose
        argument is a pointer to a struct a value of that struct. `flags` are `TestRunFlags`; a `cpu` sets its own, for
        raw tracepoints. With ``XDP_LIVE_FRAMES`` packets of XDP go where the program sends them, `batch_size` at a
        time, and nothing comes back. `data_size_out` bounds what comes back of the packet (``None``: all of it), which
        is cut off there; of a run that gives a context too that is an error (ENOSPC). By `ctx_size_out` the context of
        a packet or a lookup comes back though none was given.

        `NotSupportedError` for types that the kernel cannot run so, and for kernels that cannot run the type. Linux
        4.12; contexts 5.2, tracing 5.7, raw tracepoints 5.10, sk_lookup and syscall 5.14, live frames 5.18, netfilter
        6.4.
        """
        from ._test_run import test_run

        return test_run(
            self, data_in, ctx_in, data_size_out, ctx_size_out, repeat=repeat, flags=flags, cpu=cpu,
            batch_size=batch_size,
        )  # fmt: skip

    def __call__(self, ctx: Any = None, /, **members: Any) -> TestRun:
        """Call a syscall program: ``program(pid=1, flags=0)``. `TestRun.ctx_out` is what it left in its argument.

        The argument is a value of the struct that the program takes a pointer to, its members, or bytes. `TypeError`
        for programs of other types: those have `test_run`. Linux 5.14.
        """
        from ._test_run import call

        return call(self, ctx, members)
