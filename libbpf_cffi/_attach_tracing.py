"""Attaching to the kernel: probes of its functions, tracepoints, tracing, LSM, perf events, iterators."""

from __future__ import annotations

import errno
import os

from . import _privileges
from ._arguments import iterable
from ._attach_iter import IterAttach
from ._attach_options import duplicate, mode, names, strings, words
from ._borrow import Descriptors
from ._check import check
from ._ffi import Options, boolean, c_string, ffi, lib, unsigned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._program import LoadedProgram
    from .enums import ProbeAttachMode
    from .links import Link
    from .perf_events import PerfEvent

__all__ = ["NO_FPROBES", "TracingAttach", "function_hint", "tracepoint_hint"]

_PMU = "/sys/bus/event_source/devices/kprobe"
_EVENTS = ("/sys/kernel/tracing/kprobe_events", "/sys/kernel/debug/tracing/kprobe_events")

_NO_KPROBES = "this kernel has no kprobes (CONFIG_KPROBES, CONFIG_KPROBE_EVENTS): a tracepoint may do"
NO_FPROBES = "this kernel cannot probe many functions at once (CONFIG_FPROBE, Linux 5.18)"


class TracingAttach(IterAttach):
    """Attaching to the kernel: probes of its functions, tracepoints, tracing, LSM, perf events, iterators."""

    __slots__ = ()

    # Probes of functions

    def attach_kprobe(
        self,
        func_name: str,
        *,
        retprobe: bool | None = None,
        offset: int = 0,
        bpf_cookie: int = 0,
        attach_mode: ProbeAttachMode | int = 0,
    ) -> Link:
        """Attach to a function of the kernel, `offset` bytes behind its start, or to its return.

        *Wraps* ``bpf_program__attach_kprobe_opts()``. `retprobe` is, if it is ``None``, what the section says
        (``kretprobe``). `bpf_cookie` is what ``bpf_get_attach_cookie()`` gives (Linux 5.15).
        """
        options = Options(
            "bpf_kprobe_opts",
            retprobe=self._is_return(retprobe),
            # The kernel has 32 bits for it, and forgets what is above (struct kprobe).
            offset=unsigned(offset, 32, "offset"),
            bpf_cookie=unsigned(bpf_cookie, 64, "bpf_cookie"),
            attach_mode=mode(attach_mode),
        )
        name = c_string(func_name, "func_name")
        self._require_kind("attach_kprobe", lib.BPF_PROG_TYPE_KPROBE)
        self._require_kprobes(func_name)
        return self._link(
            lib.bpf_program__attach_kprobe_opts,
            name,
            options.pointer,
            to=f"{func_name!r}",
            hint=lambda error: function_hint(error, func_name),
        )

    def attach_kprobe_multi(
        self,
        pattern: str | None = None,
        *,
        syms: Sequence[str] | None = None,
        addrs: Sequence[int] | None = None,
        cookies: Sequence[int] | None = None,
        retprobe: bool | None = None,
        session: bool | None = None,
        unique_match: bool = False,
    ) -> Link:
        """Attach to many functions of the kernel at once: those of a `pattern` with ``*`` and ``?``, or a list.

        *Wraps* ``bpf_program__attach_kprobe_multi_opts()``. The list is of names (`syms`) or addresses (`addrs`), and
        `cookies` has one for each. A `session` program runs at entry and return (Linux 6.10). `retprobe` and `session`
        are, if they are ``None``, what the section says. `unique_match` refuses a pattern that fits several. Linux
        5.18, and the program's section must be one of ``kprobe.multi``'s.
        """
        if (pattern is not None) + (syms is not None) + (addrs is not None) != 1:
            raise TypeError("attach_kprobe_multi() takes one of pattern, syms and addrs")
        options = Options(
            "bpf_kprobe_multi_opts",
            unique_match=boolean(unique_match, "unique_match"),
            **self._many_probes(retprobe, session, lib.BPF_TRACE_KPROBE_SESSION),
        )
        syms = None if syms is None else names(syms, "syms")
        addrs = None if addrs is None else list(iterable(addrs, "addrs"))
        given = syms if syms is not None else addrs
        if given is not None:
            if pattern is None and unique_match:
                raise TypeError("unique_match goes with a pattern")
            options.set("cnt", len(given))
            options.set("syms", strings(options, syms, "syms"))
            options.set("addrs", words(options, "unsigned long", addrs, "addrs"))
        options.set("cookies", words(options, "__u64", cookies, "cookies", given))
        what = f"{pattern!r}" if pattern is not None else f"{len(given or ())} functions"
        encoded = None if pattern is None else c_string(pattern, "pattern")
        if pattern == "":
            raise ValueError("pattern is empty")
        self._require_kind("attach_kprobe_multi", lib.BPF_PROG_TYPE_KPROBE)
        self._require_kprobes(what)

        def hint(error: int) -> str | None:
            if error in (errno.ENOENT, errno.ESRCH):
                from ._close_names import missing_function

                for name in [pattern] if pattern is not None else syms or ():
                    if "*" in name or "?" in name:
                        return f"no function that can be probed fits {name!r}"
                    if (why := missing_function(name)) is not None and "has no" in why:
                        return why
                if len(set(given or ())) < len(given or ()):
                    return "one of them is there twice: the kernel takes each once"
            if error == errno.EOPNOTSUPP:
                return NO_FPROBES
            if error == errno.EINVAL and not self._expects("KPROBE"):
                return f"the section of the program must be kprobe.multi or kprobe.session, not {self.section_name!r}"
            return None

        return self._link(
            lib.bpf_program__attach_kprobe_multi_opts, encoded or ffi.NULL, options.pointer, to=what, hint=hint
        )

    def attach_ksyscall(self, syscall_name: str, *, retprobe: bool | None = None, bpf_cookie: int = 0) -> Link:
        """Attach to the function of a system call, such as ``"openat"``, whatever this machine calls it.

        *Wraps* ``bpf_program__attach_ksyscall()``. `retprobe` is, if it is ``None``, what the section says
        (``kretsyscall``).
        """
        options = Options(
            "bpf_ksyscall_opts",
            retprobe=self._is_return(retprobe),
            bpf_cookie=unsigned(bpf_cookie, 64, "bpf_cookie"),
        )
        name = c_string(syscall_name, "syscall_name")
        self._require_kind("attach_ksyscall", lib.BPF_PROG_TYPE_KPROBE)
        self._require_kprobes(f"system call {syscall_name!r}")
        return self._link(
            lib.bpf_program__attach_ksyscall,
            name,
            options.pointer,
            to=f"system call {syscall_name!r}",
            hint=lambda error: _syscall_hint(error, syscall_name),
        )

    def _require_kprobes(self, to: str) -> None:
        if (why := self._no_kprobes()) is not None:
            check(-errno.EOPNOTSUPP, f"attach program {self.name!r} to {to}", why)

    def _no_kprobes(self) -> str | None:
        return None if any(map(os.path.exists, (_PMU, *_EVENTS))) else _NO_KPROBES

    # Tracepoints

    def attach_tracepoint(self, tp_category: str, tp_name: str, *, bpf_cookie: int = 0) -> Link:
        """Attach to a tracepoint, such as ``"sched", "sched_switch"``.

        *Wraps* ``bpf_program__attach_tracepoint_opts()``. `bpf_cookie` is what ``bpf_get_attach_cookie()`` gives (Linux
        5.15).
        """
        options = Options("bpf_tracepoint_opts", bpf_cookie=unsigned(bpf_cookie, 64, "bpf_cookie"))
        category, name = c_string(tp_category, "tp_category"), c_string(tp_name, "tp_name")
        for each in (tp_category, tp_name):
            if not each or "/" in each or each.startswith("."):
                raise ValueError(f"a tracepoint is named as in 'sched', 'sched_switch', not {each!r}")
        self._require_kind("attach_tracepoint", lib.BPF_PROG_TYPE_TRACEPOINT)
        return self._link(
            lib.bpf_program__attach_tracepoint_opts,
            category,
            name,
            options.pointer,
            to=f"tracepoint '{tp_category}/{tp_name}'",
            hint=lambda error: tracepoint_hint(error, f"{tp_category}/{tp_name}"),
        )

    def attach_raw_tracepoint(self, tp_name: str, *, cookie: int = 0) -> Link:
        """Attach to a tracepoint by its name alone, with its raw arguments.

        *Wraps* ``bpf_program__attach_raw_tracepoint_opts()``. Linux 4.17; `cookie` is what ``bpf_get_attach_cookie()``
        gives (Linux 6.10).
        """
        options = Options("bpf_raw_tracepoint_opts", cookie=unsigned(cookie, 64, "cookie"))
        name = c_string(tp_name, "tp_name")
        kinds = (lib.BPF_PROG_TYPE_RAW_TRACEPOINT, lib.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE)
        self._require_kind("attach_raw_tracepoint", *kinds)

        def hint(error: int) -> str | None:
            if error == errno.ENOENT:
                from ._close_names import missing_raw_tracepoint

                return missing_raw_tracepoint(tp_name)
            return cookie_hint(error, cookie, "6.10")

        return self._link(
            lib.bpf_program__attach_raw_tracepoint_opts,
            name,
            options.pointer,
            to=f"raw tracepoint {tp_name!r}",
            hint=hint,
        )

    # By BTF

    def attach_trace(self, *, cookie: int = 0) -> Link:
        """Attach to what load was told: ``fentry``, ``fexit``, ``fmod_ret`` of a function, or ``tp_btf``.

        *Wraps* ``bpf_program__attach_trace_opts()``. The section names the target, or `set_attach_target`. ``fsession``
        is both entry and return of a function (Linux 7.0). `cookie` is what ``bpf_get_attach_cookie()`` gives (Linux
        5.19; 6.10 for ``tp_btf``). Linux 5.5.
        """
        options = Options("bpf_trace_opts", cookie=unsigned(cookie, 64, "cookie"))
        self._require_kind("attach_trace", lib.BPF_PROG_TYPE_TRACING, lib.BPF_PROG_TYPE_LSM)
        return self._link(
            lib.bpf_program__attach_trace_opts,
            options.pointer,
            hint=lambda error: _once(error) or cookie_hint(error, cookie, "5.19"),
        )

    def attach_lsm(self) -> Link:
        """Attach to the LSM hook that the section names (``lsm``). *Wraps* ``bpf_program__attach_lsm()``. Linux 5.7.

        The hook decides only where the kernel was started with ``bpf`` among its LSMs (``lsm=…,bpf``).
        """
        self._require_kind("attach_lsm", lib.BPF_PROG_TYPE_LSM)
        return self._link(lib.bpf_program__attach_lsm, hint=lambda error: _once(error) or _lsm_hint())

    def attach_freplace(
        self, target: LoadedProgram | int | None = None, attach_func_name: str | None = None
    ) -> Link:
        """Put the program in the place of a function of another program, which is loaded.

        *Wraps* ``bpf_program__attach_freplace()``. Before load `set_attach_target` has named a target, and without
        arguments that is the one; another target, by a program or its descriptor, must have a function of the same
        type. Linux 5.6; another target 5.10.
        """
        self._require_kind("attach_freplace", lib.BPF_PROG_TYPE_EXT)
        if (target is None) != (attach_func_name is None):
            raise TypeError("attach_freplace() takes a target with a function of it, or neither")
        if target is None or attach_func_name is None:
            return self._link(lib.bpf_program__attach_freplace, 0, ffi.NULL, hint=_replaced)
        name = c_string(attach_func_name, "attach_func_name")
        what = f"function {attach_func_name!r} of {_called(target)}"
        with Descriptors() as held:
            fd = duplicate(held, target, f"attach program {self.name!r} to {what}")
            return self._link(
                lib.bpf_program__attach_freplace,
                fd,
                name,
                to=what,
                hint=lambda error: _not_in_program(error, attach_func_name),
            )

    # Perf events

    def attach_perf_event(
        self,
        perf_event: PerfEvent | int,
        *,
        bpf_cookie: int = 0,
        force_ioctl_attach: bool = False,
        dont_enable: bool = False,
    ) -> Link:
        """Attach to a `PerfEvent`, or a descriptor of one: the program runs whenever it overflows, or is hit.

        *Wraps* ``bpf_program__attach_perf_event_opts()``. The event stays the caller's, and may be closed. It starts
        to count, unless `dont_enable`, and closing the link stops it. `bpf_cookie` is what
        ``bpf_get_attach_cookie()`` gives (Linux 5.15).
        """
        options = Options(
            "bpf_perf_event_opts",
            bpf_cookie=unsigned(bpf_cookie, 64, "bpf_cookie"),
            force_ioctl_attach=boolean(force_ioctl_attach, "force_ioctl_attach"),
            dont_enable=boolean(dont_enable, "dont_enable"),
        )
        self._require_kind(
            "attach_perf_event", lib.BPF_PROG_TYPE_PERF_EVENT, lib.BPF_PROG_TYPE_KPROBE, lib.BPF_PROG_TYPE_TRACEPOINT
        )
        what = f"the perf event of descriptor {perf_event}" if isinstance(perf_event, int) else str(perf_event)
        # The lock of the event is not held while the one of the program is.
        with Descriptors() as held:
            fd = duplicate(held, perf_event, f"attach program {self.name!r} to {what}")
            return self._link(
                lib.lbc_program__attach_perf_event, fd, options.pointer, to=what, hint=_perf_event_hint
            )


def _once(error: int) -> str | None:
    # bpf_trampoline_link_prog() of kernel/bpf/trampoline.c.
    return "this program is attached already, and is so once: close that link first" if error == errno.EBUSY else None


def _replaced(error: int) -> str | None:
    """Say why a program does not go to the target that load was told."""
    # ENOENT is what older kernels say (bpf_tracing_prog_attach() of kernel/bpf/syscall.c).
    if error in (errno.EINVAL, errno.EBUSY, errno.ENOENT):
        return "it was there already, which it is once: name the program and the function that it is to replace"
    return None


def _called(target: LoadedProgram | int) -> str:
    return f"the program of descriptor {target}" if isinstance(target, int) else f"program {target.name!r}"


def _not_in_program(error: int, function: str) -> str | None:
    if error == errno.ENOENT:
        return f"the target has no function {function!r}: a static one that the compiler has inlined is none"
    if error == errno.EINVAL:
        return "the target's function must be global and of the same type as the program"
    return None


def cookie_hint(error: int, cookie: int, version: str) -> str | None:
    """Say that a kernel which refuses what it does not know may not know cookies."""
    if cookie and error in (errno.EINVAL, errno.E2BIG, errno.EOPNOTSUPP):
        return f"cookies of programs of this kind need Linux {version}"
    return None


def function_hint(error: int, name: str) -> str | None:
    """Say why a function of the kernel cannot be probed."""
    if error == errno.EILSEQ:
        return "no instruction begins at that offset"
    if error not in (errno.ENOENT, errno.EINVAL, errno.EADDRNOTAVAIL):
        return None
    from ._close_names import missing_function

    return missing_function(name.partition(":")[2] or name)


def _syscall_hint(error: int, name: str) -> str | None:
    if error not in (errno.ENOENT, errno.EINVAL):
        return None
    return f"this kernel has no system call {name!r}: names have no prefix, such as 'openat'"


def tracepoint_hint(error: int, name: str) -> str | None:
    """Say why a tracepoint, ``category/name``, is not there or cannot be used."""
    if error == errno.EEXIST:
        # bpf_prog_array_copy() of kernel/bpf/core.c, whatever the cookie.
        return f"this program is attached to {name!r} already, and an event takes a program once"
    if error == errno.E2BIG:
        # BPF_TRACE_MAX_PROGS of kernel/trace/bpf_trace.c.
        return f"the kernel runs at most 64 programs on one event, and {name!r} has them: raw tracepoints take more"
    if error == errno.ENOTDIR:
        return f"{name!r} is a file of tracefs, where a tracepoint is a folder"
    bare = error == errno.EINVAL and "/" not in name
    if error not in (errno.ENOENT, errno.EACCES) and not bare:
        return None
    from . import tracefs

    try:
        folder = tracefs.find_tracefs()
    except tracefs.TracefsError as trouble:
        return str(trouble)
    from ._close_names import close_tracepoints, tracepoints_called

    if bare:
        named = tracepoints_called(folder, name)
        here = f", here {named[0]!r}" if len(named) == 1 else ""
        return f'a tracepoint is named with its category: SEC("tracepoint/category/name"){here}'
    if error != errno.ENOENT or os.path.isdir(os.path.join(folder, "events", name)):
        return None
    listed = close_tracepoints(folder, name)
    return f"this kernel has no tracepoint {name!r}: {folder}/available_events lists them{listed}"


def _lsm_hint() -> str | None:
    active = _privileges.security_modules()
    if active and "bpf" not in active.split(","):
        return f"the LSMs of this kernel are {active}: it must be started with lsm={active},bpf"
    return None


def _perf_event_hint(error: int) -> str | None:
    if error in (errno.EBADF, errno.ENOTTY):  # the latter without links, before Linux 5.15
        return "that is no descriptor of a perf event (libbpf names a duplicate of it)"
    if error == errno.EEXIST:
        return "the event has a program already: open another event"
    if error == errno.EINVAL:
        return (
            'a program of SEC("perf_event") goes to a counter that overflows, with a sample_period or sample_freq, and '
            'not to the event of a tracepoint or probe, which is for SEC("tracepoint") or SEC("kprobe")'
        )
    return None
