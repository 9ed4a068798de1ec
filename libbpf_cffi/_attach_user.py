"""Attaching to user space: probes of functions, of addresses and of USDT in programs and libraries."""

from __future__ import annotations

import errno
import os

from . import _privileges
from ._arguments import iterable
from ._attach_iter import IterAttach
from ._attach_options import mode, names, strings, words
from ._elf_target import Target
from ._ffi import Options, c_string, ffi, lib, unsigned
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._libbpf import CData, bpf_link
    from .enums import ProbeAttachMode
    from .links import Link

__all__ = ["UserAttach"]

_NO_SUPPORT = "the object has not the maps of USDT: its source must include <bpf/usdt.bpf.h>"


class UserAttach(IterAttach):
    """Attaching to user space: probes of functions, of addresses and of USDT in programs and libraries.

    `binary_path` is a path; a name without a slash is looked for, as libbpf does: a library (``libc.so.6``, or
    ``libc``) in the folders of libraries, anything else in PATH. With a `pid` both are that process's, in its mount
    namespace, and only that process is probed; 0 is this process, -1 (the default) all of them.

    The file is opened once, and what libbpf reads of it is copied and checked before: one that was made to harm is a
    `LibbpfError`, whoever writes to it meanwhile.
    """

    __slots__ = ()

    def attach_uprobe(
        self,
        binary_path: str | os.PathLike[str],
        func_name: str | None = None,
        func_offset: int = 0,
        *,
        pid: int = -1,
        retprobe: bool | None = None,
        ref_ctr_offset: int = 0,
        bpf_cookie: int = 0,
        attach_mode: ProbeAttachMode | int = 0,
    ) -> Link:
        """Attach to a function of a program or library, or to its return; or to a place in the file.

        *Wraps* ``bpf_program__attach_uprobe_opts()``. `func_name` may have a version (``realpath@GLIBC_2.3``) and an
        offset (``main+0x10``) behind it; `func_offset` counts from the function, or without one from the start of the
        file. `retprobe` is, if it is ``None``, what the section says (``uretprobe``). `ref_ctr_offset` is where in the
        file a semaphore is that the kernel counts up meanwhile (Linux 4.20), `bpf_cookie` what
        ``bpf_get_attach_cookie()`` gives (Linux 5.15).
        """
        function, more = _parted(func_name)
        options = Options(
            "bpf_uprobe_opts",
            retprobe=self._is_return(retprobe),
            ref_ctr_offset=unsigned(ref_ctr_offset, 64, "ref_ctr_offset"),
            bpf_cookie=unsigned(bpf_cookie, 64, "bpf_cookie"),
            attach_mode=mode(attach_mode),
        )
        encoded = None if function is None else c_string(function, "func_name")
        offset = unsigned(unsigned(func_offset, 63, "func_offset") + more, 63, "func_offset")
        if encoded == b"":
            raise ValueError("func_name is empty")
        if encoded is None and not offset:
            raise ValueError("give func_name, or func_offset: at the start of the file there is no function")
        self._require_kind("attach_uprobe", lib.BPF_PROG_TYPE_KPROBE)

        placed: list[int] = []

        def arguments(target: Target) -> tuple[object, ...]:
            start = 0 if encoded is None else target.symbol(encoded, lambda error: hint(error, target))
            if start is None:
                options.set("func_name", encoded)
                return _pid(pid), target.path, offset, options.pointer
            place = unsigned(start + offset, 63, "the place in the file")
            placed.append(place)
            return _pid(pid), target.lasting_path, place, options.pointer

        def hint(error: int, target: Target) -> str | None:
            if error == errno.EACCES and _privileges.missing("CAP_SYS_ADMIN"):
                return _NOT_ADMIN
            if error == errno.EINVAL and ref_ctr_offset % 2:
                return f"ref_ctr_offset, where a semaphore of 2 bytes is, must be even, not {ref_ctr_offset}"
            if error == errno.EINVAL and (why := target.beyond(*placed)) is not None:
                return why
            return _symbol_hint(error, target, [function] if function and not placed else [])

        behind = f"+{offset:#x}" if function and offset else ""
        what = f"{os.fspath(binary_path)}:{function or hex(offset)}{behind}"
        attach = lib.bpf_program__attach_uprobe_opts
        return self._probe(binary_path, pid, what, encoded is not None, attach, arguments, hint)

    def attach_uprobe_multi(
        self,
        binary_path: str | os.PathLike[str],
        func_pattern: str | None = None,
        *,
        syms: Sequence[str] | None = None,
        offsets: Sequence[int] | None = None,
        ref_ctr_offsets: Sequence[int] | None = None,
        cookies: Sequence[int] | None = None,
        pid: int = -1,
        retprobe: bool | None = None,
        session: bool | None = None,
    ) -> Link:
        """Attach to many places of a file at once: the functions that fit a pattern, a list of them, or of offsets.

        *Wraps* ``bpf_program__attach_uprobe_multi()``. `ref_ctr_offsets` and `cookies` have one for each of the list. A
        `session` program runs at entry and return (Linux 6.13). `retprobe` and `session` are, if they are ``None``,
        what the section says. A name may have a version (``realpath@GLIBC_2.3``), a pattern with ``*`` or ``?`` none.
        Linux 6.6, and the program's section must be one of ``uprobe.multi``'s.
        """
        if (func_pattern is not None) + (syms is not None) + (offsets is not None) != 1:
            raise TypeError("attach_uprobe_multi() takes one of func_pattern, syms and offsets")
        ends = self._many_probes(retprobe, session, lib.BPF_TRACE_UPROBE_SESSION)
        options = Options("bpf_uprobe_multi_opts", **ends)
        pattern = ffi.NULL if func_pattern is None else c_string(func_pattern, "func_pattern")
        if func_pattern is not None and _is_versioned(func_pattern):
            # Patterns are compared with names alone.
            pattern, syms = ffi.NULL, (func_pattern,)
        syms = None if syms is None else names(syms, "syms")
        offsets = None if offsets is None else list(iterable(offsets, "offsets"))
        given = syms if syms is not None else offsets
        if given is not None:
            options.set("cnt", len(given))
            options.set("syms", strings(options, syms, "syms"))
            options.set("offsets", words(options, "unsigned long", offsets, "offsets"))
        options.set("ref_ctr_offsets", words(options, "unsigned long", ref_ctr_offsets, "ref_ctr_offsets", given))
        options.set("cookies", words(options, "__u64", cookies, "cookies", given))
        self._require_kind("attach_uprobe_multi", lib.BPF_PROG_TYPE_KPROBE)
        if not self._expects("UPROBE"):
            raise ValueError(
                f"attach_uprobe_multi() attaches programs of SEC('uprobe.multi') and its kin, not {self.name!r} of "
                f"SEC({self.section_name!r})"
            )
        places = f"{func_pattern!r}" if func_pattern is not None else f"{len(given or ())} places"
        return self._probe(
            binary_path,
            pid,
            f"{places} of {os.fspath(binary_path)}",
            offsets is None,
            lib.lbc_attach_uprobe_multi,
            lambda target: (target.copy, _pid(pid), target.path, pattern, _placed(options, syms, target)),
            lambda error, target: _multi_hint(error, target, func_pattern, syms, offsets),
        )

    def attach_usdt(
        self,
        binary_path: str | os.PathLike[str],
        usdt_provider: str,
        usdt_name: str,
        *,
        pid: int = -1,
        usdt_cookie: int = 0,
    ) -> Link:
        """Attach to a USDT probe of a program or library: a place that its source has named.

        *Wraps* ``bpf_program__attach_usdt()``. The program reads the arguments with ``bpf_usdt_arg()``, and
        `usdt_cookie` with ``bpf_usdt_cookie()``. A shared library can be probed in all processes from Linux 5.15 on.
        """
        provider, name = c_string(usdt_provider, "usdt_provider"), c_string(usdt_name, "usdt_name")
        options = Options("bpf_usdt_opts", usdt_cookie=unsigned(usdt_cookie, 64, "usdt_cookie"))
        self._require_kind("attach_usdt", lib.BPF_PROG_TYPE_KPROBE)

        def hint(error: int, target: Target) -> str | None:
            if error == errno.ESRCH and not self._has_usdt_maps():
                return _NO_SUPPORT
            if error == errno.ENOENT:
                from ._close_names import missing_usdt

                with target.tables() as data:
                    return missing_usdt(data, usdt_provider, usdt_name, binary_path)
            return None

        return self._probe(
            binary_path,
            pid,
            f"{os.fspath(binary_path)}:{usdt_provider}:{usdt_name}",
            True,
            lib.lbc_attach_usdt,
            lambda target: (target.copy, _pid(pid), target.path, provider, name, options.pointer),
            hint,
        )

    def _has_usdt_maps(self) -> bool:
        return "__bpf_usdt_specs" in self._owner.maps

    def _probe(
        self,
        binary_path: str | os.PathLike[str],
        pid: int,
        what: str,
        by_name: bool,
        function: Callable[..., bpf_link],
        arguments: Callable[[Target], tuple[object, ...]],
        hint: Callable[[int, Target], str | None],
    ) -> Link:
        """Open the file, check it if libbpf looks for a name in it, and attach by a function of libbpf."""
        action, pid = f"attach program {self.name!r} to {what}", _pid(pid)
        with self._handle.lock:
            # Before a file is looked for and read, for a program that cannot be attached to it anyhow.
            self._loaded(action)
        with Target(binary_path, pid, action) as target:
            if by_name:
                target.check_elf()
            try:
                return self._link(function, *arguments(target), to=what, hint=lambda error: hint(error, target))
            except LibbpfError as error:
                # libbpf is given a descriptor's path, which says nothing to whoever reads its messages.
                given, meant = os.fsdecode(target.path), os.fspath(binary_path)
                error.messages = tuple(each.replace(given, meant) for each in error.messages)
                raise

    def _by_section(self) -> Link | None:
        """Attach a program whose section names a file, which is then checked; ``None`` for all others.

        The sections' forms are those of libbpf.c, attach_uprobe(), attach_uprobe_multi() and attach_usdt().
        """
        kind, _, rest = self.section_name.partition("/")
        if self._get(lib.bpf_program__type) != lib.BPF_PROG_TYPE_KPROBE:
            return None
        path, colon, function = rest.partition(":")
        if not (path and colon and function):
            # libbpf says what is wrong with it, or that it names no target.
            return None
        if kind in ("usdt", "usdt.s"):
            provider, colon, name = function.partition(":")
            return self.attach_usdt(path, provider, name.partition(":")[0]) if provider and name else None
        if kind in ("uprobe", "uprobe.s", "uretprobe", "uretprobe.s"):
            if self._is_return(None) and _parted(function)[1]:
                return None
            return self.attach_uprobe(path, function)
        if kind.removesuffix(".s") in ("uprobe.multi", "uretprobe.multi", "uprobe.session"):
            return self.attach_uprobe_multi(path, function)
        return None


def _pid(pid: int) -> int:
    if not hasattr(pid, "__index__"):
        raise TypeError(f"pid must be an integer, not {type(pid).__name__}")
    number = pid.__index__()
    if not -1 <= number < 1 << 31:
        raise ValueError(f"pid must be a process's number, 0 for this process or -1 for all, not {number}")
    return number


def _parted(func_name: str | None) -> tuple[str | None, int]:
    """Part a function and the offset behind a last ``+``, if that is a number."""
    if not isinstance(func_name, str):
        # What is no name is refused by the one who takes it.
        return func_name, 0
    name, plus, offset = func_name.rpartition("+")
    if plus and name:
        try:
            return name, int(offset, 0)
        except ValueError:
            pass
    return func_name, 0


def _is_versioned(pattern: str) -> bool:
    return "@" in pattern and not {"*", "?"} & set(pattern)


def _placed(options: Options, syms: Sequence[str] | None, target: Target) -> CData:
    """Put places where libbpf would not find names of which there are several: in a stripped file, and with versions.

    (elf.c, elf_resolve_syms_offsets(): of a file without a symbol table it says that it has none of them, as what the
    second table's absence is answered by is what it returns; and it compares whole names, which have no version.)
    """
    if syms is None:
        return options.pointer
    found = _versioned(syms, target) if any("@" in name for name in syms) else _without_table(syms, target)
    if found is not None:
        options.pointer.syms = ffi.NULL
        options.set("offsets", words(options, "unsigned long", found, "offsets"))
    return options.pointer


def _versioned(syms: Sequence[str], target: Target) -> list[int] | None:
    """Look for each name as libbpf does for a single one, which may have a version."""

    def place(name: str) -> int | None:
        return target.symbol(c_string(name, "syms"), lambda error: _symbol_hint(error, target, [name]))

    found = [where for name in syms if (where := place(name)) is not None]
    return found if len(found) == len(syms) else None


def _without_table(syms: Sequence[str], target: Target) -> list[int] | None:
    from ._elf import DYNSYM, has_symbol_table, places

    with target.tables() as data:
        there = {} if has_symbol_table(data) else places(data, set(syms), DYNSYM)
    return [there[name] for name in syms] if all(there.get(name, 0) > 0 for name in syms) else None


_NOT_ADMIN = (
    "this process lacks CAP_SYS_ADMIN, which a uprobe needs where it is a perf event (perf_uprobe_event_init()): "
    "attach_uprobe_multi() does without"
)


def _symbol_hint(error: int, target: Target, names: Sequence[str]) -> str | None:
    if error not in (errno.ENOENT, errno.EINVAL, errno.ESRCH) or not names:
        return None
    from ._close_symbols import ambiguous_symbol, missing_symbol

    with target.tables() as data:
        return (missing_symbol if error == errno.ENOENT else ambiguous_symbol)(data, names, target)


def _multi_hint(
    error: int, target: Target, pattern: str | None, syms: Sequence[str] | None, offsets: Sequence[int] | None
) -> str | None:
    if error == errno.EINVAL and (why := target.beyond(*offsets or ())) is not None:
        return why
    if error == errno.ENOENT and pattern is not None:
        name = () if "*" in pattern or "?" in pattern else (pattern,)
        return _symbol_hint(error, target, name) or f"no function of {os.fspath(target.named)!r} fits {pattern!r}"
    if error in (errno.EINVAL, errno.EOPNOTSUPP) and not os.path.exists("/sys/bus/event_source/devices/uprobe"):
        return "this kernel has no uprobes (CONFIG_UPROBE_EVENTS)"
    return _symbol_hint(error, target, syms or ())
