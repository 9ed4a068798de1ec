"""Test runs: what each type of program is given, and what comes back. Not imported until one is made."""

from __future__ import annotations

import errno
from typing import Any, NamedTuple

from . import _contexts, _log
from ._borrow import Descriptors
from ._check import ENOTSUPP, check
from ._ffi import Options, ffi, lib, unsigned
from ._handle import program_title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._libbpf import CData
    from ._program import LoadedProgram

__all__ = ["TestRun", "call", "test_run"]

CONTEXT = 512
"""Bytes for a context: a newer kernel may have more members than are known here, and wants room for all."""

ROOM = 1 << 16
"""Bytes that a packet may grow by while a program works on it; no program can make more."""

_memory = ffi.new_allocator(should_clear_after_alloc=False)


class TestRun(NamedTuple):
    """What a program returned and left.

    `retval` is what it returned, as the ``int`` that it is in C; of a program that changes the return value of a
    function, how often that was called is in its upper 16 bits. `duration_ns` is how long a run took, on average; 0
    for the types that the kernel does not measure. `data_out` is the packet as it was left, of a flow dissector its
    keys; ``None`` where there is none. `ctx_out` is the context as it was left: a record if it is known to be a struct,
    or bytes; ``None`` where there is none.
    """

    retval: int
    duration_ns: int
    data_out: bytes | None
    ctx_out: Any


TestRun.__test__ = False  # type: ignore[attr-defined]
"""It is none of pytest's."""


def test_run(
    program: LoadedProgram,
    data_in: Any,
    ctx_in: Any,
    data_size_out: int | None,
    ctx_size_out: int | None,
    *,
    repeat: int,
    flags: int,
    cpu: int | None,
    batch_size: int,
) -> TestRun:
    """Do what `LoadedProgram.test_run` says."""
    action = f"run {program_title(program)}"
    kind = int(program.type)
    number = unsigned(flags, 32, "flags")
    live = bool(number & lib.BPF_F_TEST_XDP_LIVE_FRAMES)
    opts = Options("bpf_test_run_opts", repeat=unsigned(repeat, 31, "repeat"))
    if cpu is not None:
        opts.set("cpu", unsigned(cpu, 32, "cpu"))
        number |= lib.BPF_F_TEST_RUN_ON_CPU
    opts.set("flags", number)
    opts.set("batch_size", unsigned(batch_size, 32, "batch_size"))
    size = _give(opts, "data", data_in)
    packetless = live or data_in is None or kind == lib.BPF_PROG_TYPE_NETFILTER
    room = _room(data_size_out, "data_size_out", 0 if packetless else size + ROOM)
    data = _take(opts, "data", room)
    codec, struct = _type_of(program, kind)
    if ctx_size_out and kind in _NO_CONTEXT_BACK:
        syscall = kind == lib.BPF_PROG_TYPE_SYSCALL
        why = "its argument comes back in the size of ctx_in" if syscall else "none comes back"
        raise ValueError(f"cannot {action} with ctx_size_out: {why}")
    back = _context(opts, kind, ctx_in, ctx_size_out, codec, struct, size if data_in is not None else None)
    context = None
    if kind == lib.BPF_PROG_TYPE_SYSCALL or live:
        context = opts.pointer.ctx_in
    elif back and struct != _KEYS:
        context = _take(opts, "ctx", _room(ctx_size_out, "ctx_size_out", max(back, CONTEXT)))
    with Descriptors() as borrowed:
        fd = borrowed.of(program, action)
        _log.listen()
        result = lib.bpf_prog_test_run_opts(fd, opts.pointer)
        done = opts.pointer
        # The kernel has copied what there is room for, and says so last: but then it gives no context.
        cut = result == -errno.ENOSPC and data_size_out and done.data_size_out > room and context is None
        if not cut or struct == _KEYS:
            check(result, action, lambda error: _hint(error, kind, program, done, room))
    data_out = ffi.buffer(data, min(done.data_size_out, room))[:] if room and not live else None
    ctx_out: Any = None
    if kind == lib.BPF_PROG_TYPE_SYSCALL:
        ctx_out = ffi.buffer(done.ctx_in, done.ctx_size_in)[:] if done.ctx_size_in else None
        if codec is not None and ctx_out is not None and len(ctx_out) == codec.size:
            ctx_out = codec.decode(ctx_out)
    elif struct == _KEYS:
        ctx_out = _contexts.decode(struct, data, done.data_size_out) if data_out else None
    elif context is not None and not live and done.ctx_size_out:
        made = ffi.buffer(context, done.ctx_size_out)[:]
        ctx_out = made if struct is None else _contexts.decode(struct, context, len(made))
    return TestRun(int(ffi.cast("int32_t", done.retval)), done.duration, data_out, ctx_out)


_NO_CONTEXT_BACK = (
    *_contexts.WORDS, lib.BPF_PROG_TYPE_SYSCALL, lib.BPF_PROG_TYPE_TRACING, lib.BPF_PROG_TYPE_NETFILTER
)  # fmt: skip
"""The types that the kernel runs, and gives no context of."""

_KEYS = "struct bpf_flow_keys"
"""What a flow dissector is given a part of, and what it makes."""


def call(program: LoadedProgram, ctx: Any, members: dict[str, Any]) -> TestRun:
    """Do what calling a program says."""
    from .enums import ProgType

    kind = program.type
    if kind != ProgType.SYSCALL:
        raise TypeError(f"{program_title(program)} is of type {kind.name}: only one of type SYSCALL can be called")
    if ctx is not None and members:
        raise TypeError("give the argument, or its members by name, not both")
    if ctx is None:
        codec, _ = _type_of(program, int(kind))
        if codec is not None:
            ctx = codec.make(**members)
        elif members:
            raise TypeError(f"the argument of {program_title(program)} is of no known struct: give it as bytes")
    return program.test_run(ctx_in=ctx)  # type: ignore[attr-defined, no-any-return]


def _type_of(program: LoadedProgram, kind: int) -> tuple[Any, str | None]:
    """Give the codec of the argument of a syscall program, or the struct of linux/bpf.h that the context is."""
    if kind != lib.BPF_PROG_TYPE_SYSCALL:
        return None, _contexts.STRUCTS.get(kind)
    found = program._argument_type()
    return (None if found is None else found.codec()), None


def _give(opts: Options, what: str, value: Any) -> int:
    """Set what goes in, and give its size in bytes."""
    if value is None:
        return 0
    if isinstance(value, str) or not _is_buffer(value):
        raise TypeError(f"{what}_in must be bytes, not {type(value).__name__}")
    memory = ffi.new("char[]", bytes(value))
    size = len(memory) - 1
    opts.kept.append(memory)
    opts.set(f"{what}_in", memory)
    opts.set(f"{what}_size_in", size)
    return size


def _is_buffer(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _room(given: int | None, what: str, usual: int) -> int:
    return usual if given is None else unsigned(given, 31, what)


def _take(opts: Options, what: str, size: int) -> CData:
    """Set where something comes back, and give that memory."""
    memory: CData = _memory("char[]", size)
    opts.kept.append(memory)
    if size:
        opts.set(f"{what}_out", memory)
        opts.set(f"{what}_size_out", size)
    return memory


def _context(
    opts: Options, kind: int, value: Any, size_out: int | None, codec: Any, struct: str | None, packet: int | None
) -> int:
    """Set the context, and give how many bytes of it come back."""
    if value is None and struct is not None and (size_out or kind == lib.BPF_PROG_TYPE_SK_LOOKUP):
        # A lookup has a context in any case; of what it says of a packet the kernel wants the length.
        value = {}
    if value is None:
        return 0
    if not _is_buffer(value):
        if kind in _contexts.WORDS:
            value = _contexts.words(value)
        elif codec is not None:
            value = codec.encode(value)
        elif struct is not None:
            xdp = kind == lib.BPF_PROG_TYPE_XDP and packet is not None
            value = ffi.buffer(_contexts.encode(struct, value, {"data_end": packet or 0} if xdp else {}))
        elif kind == lib.BPF_PROG_TYPE_TRACING:
            raise TypeError(
                "no context is given to programs of tracing: one of fentry, fexit and fmod_ret is run without one, by "
                'functions made for it, and iterators and tp_btf are not run, where those of SEC("raw_tp/…") take a '
                "sequence of arguments"
            )
        else:
            raise TypeError(f"the context of this program must be bytes, not {type(value).__name__}")
    size = _give(opts, "ctx", value)
    return size if kind not in _NO_CONTEXT_BACK else 0


def _hint(error: int, kind: int, program: LoadedProgram, done: Any, room: int) -> str | None:
    if error == errno.ENOSPC:
        if done.data_size_out <= room:
            return "the context has more bytes than there was room for: ctx_size_out"
        if done.ctx_size_out:
            return (
                f"the packet has {done.data_size_out} bytes afterwards, and there was room for {room}: the context "
                "comes back with all of the packet only, data_size_out"
            )
        return f"the packet has {done.data_size_out} bytes afterwards, and there was room for {room}: data_size_out"
    if error == errno.EINTR:
        return "a signal came in before all repetitions were done"
    if error == errno.ENXIO:
        return f"CPU {done.cpu} is offline, or there is none: probe.online_cpus() lists those that can run it"
    if error in (ENOTSUPP, errno.EOPNOTSUPP):
        if program.info.ifindex:
            return "this program was loaded for the hardware of an interface, and is run there alone"
        if kind == lib.BPF_PROG_TYPE_STRUCT_OPS:
            return "of tables of functions the kernel makes test runs of those of its own struct bpf_dummy_ops alone"
        return f"this kernel makes no test runs of programs of type {program.type.name}"
    if error == errno.E2BIG and done.batch_size > MOST_FRAMES:
        return f"batch_size is at most {MOST_FRAMES}, not {done.batch_size}"
    if error == errno.EAFNOSUPPORT and kind == lib.BPF_PROG_TYPE_SK_LOOKUP:
        return "it looks for a socket of AF_INET (2) or AF_INET6 (10): ctx_in={'family': 2, 'protocol': 6, …}"
    if error == errno.EFAULT and kind == lib.BPF_PROG_TYPE_TRACING:
        return (
            "of this type the kernel makes test runs of fentry, fexit and fmod_ret only, and of tracepoints by "
            'SEC("raw_tp/…") with ctx_in=[…]'
        )
    if error == errno.ENOMEM and done.data_size_in > MOST_OF_A_PAGE:
        return f"the packet has {done.data_size_in} bytes: this kernel takes some 64 KiB, in as many pages as it needs"
    if error == errno.ENODEV:
        return "this network namespace has no interface of the number in ctx_in (ifindex, ingress_ifindex)"
    if error != errno.EINVAL:
        return None
    if done.batch_size and not done.flags & lib.BPF_F_TEST_XDP_LIVE_FRAMES:
        return "batch_size goes with flags=TestRunFlags.XDP_LIVE_FRAMES, of an XDP program"
    if done.flags & lib.BPF_F_TEST_RUN_ON_CPU and kind not in _contexts.WORDS:
        return "the kernel lets nobody choose the CPU for programs of this type: cpu= is for raw tracepoints"
    if kind in _OF_PACKETS:
        if done.data_size_in > MOST_OF_A_PAGE:
            return (
                f"the packet has {done.data_size_in} bytes: it must fit into a page with its head and tail room, some "
                '3,500 bytes; that of an XDP program of SEC("xdp.frags") may have more pages'
            )
        if done.data_size_in < ETHERNET:
            return f"it is run on a packet, with its Ethernet header of {ETHERNET} bytes: data_in"
        return "the kernel refuses this packet or context: many members of a context cannot be set"
    if done.data_size_in or done.data_size_out:
        return "programs of this type are run without a packet: no data_in, no data_size_out"
    if done.repeat and kind != lib.BPF_PROG_TYPE_SK_LOOKUP:
        return "programs of this type are run once: repeat= is for those that see packets, and for sk_lookup"
    if kind in _contexts.WORDS and not done.ctx_size_in:
        return "the program reads arguments: ctx_in=[…] gives them"
    if kind in _MOST_CONTEXT and not done.flags & ~lib.BPF_F_TEST_RUN_ON_CPU:
        return _argument_hint(done.ctx_size_in, kind)
    return "the kernel refuses this context, or an argument that programs of this type are not run with"


def _argument_hint(size: int, kind: int) -> str:
    """Say what is wrong with an argument of so many bytes: too few for what the program reads, or too many."""
    if size > _MOST_CONTEXT[kind]:
        return f"ctx_in has {size} bytes: this kernel takes {_MOST_CONTEXT[kind]} for programs of this type"
    if size:
        return f"the program reads more than the {size} bytes of ctx_in"
    return "the program reads its argument: ctx_in= gives it, or a call of the program, program(member=…)"


_MOST_CONTEXT = {
    lib.BPF_PROG_TYPE_SYSCALL: 0xFFFF,
    lib.BPF_PROG_TYPE_RAW_TRACEPOINT: 96,
    lib.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE: 96,
}
"""Bytes of a context (``bpf_prog_test_run_syscall()``, and ``MAX_BPF_FUNC_ARGS`` of 8 bytes each)."""


_OF_PACKETS = (
    *_contexts.SKB_TYPES, lib.BPF_PROG_TYPE_XDP, lib.BPF_PROG_TYPE_FLOW_DISSECTOR, lib.BPF_PROG_TYPE_NETFILTER
)  # fmt: skip
"""The types of programs that are run on a packet."""


MOST_OF_A_PAGE = 3000
"""Bytes of a packet that find room in any kernel's page, at least (``bpf_test_init()``)."""

MOST_FRAMES = 256
"""Frames of a batch (TEST_XDP_MAX_BATCH, net/bpf/test_run.c)."""

ETHERNET = 14
"""Bytes of an Ethernet header (ETH_HLEN, linux/if_ether.h)."""
