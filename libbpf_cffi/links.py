"""Links: programs that are attached, until they are closed."""

from __future__ import annotations

import errno
import os

from . import _log
from ._arguments import path_name
from ._check import check, failure
from ._ffi import ffi, lib, text
from ._handle import program_title
from ._link_kinds import KindsOfLinks
from ._link_open import LinkOpening, is_perf_event, legacy_event, own_descriptor
from ._pins import Folders, pin_path, pinning_hint
from .errors import LibbpfError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from typing_extensions import Self

    from ._handle import Handle
    from ._libbpf import CData, bpf_link
    from ._link_open import AttachedProgram
    from .enums import MapFlags, MapType
    from .infos import LinkInfo

    class UpdatingMap(Protocol):
        """What `Link.update_map` needs of a map."""

        @property
        def name(self) -> str: ...
        @property
        def type(self) -> MapType: ...
        @property
        def map_flags(self) -> MapFlags: ...
        @property
        def _what(self) -> str: ...
        @property
        def _handle(self) -> Handle[Any]: ...
        def _fill_struct_ops(self, action: str) -> None: ...


__all__ = ["Link"]


class Link(LinkOpening, KindsOfLinks):
    """A program that is attached to something.

    Four words, four meanings: `close` detaches and frees, `detach` takes the program off its hook and leaves
    the link, `disconnect` frees and leaves the program attached, and what was given a `pin` outlives the process.

    A link made by an object is the object's child: it stays attached, even if nobody keeps the `Link`, until
    it is closed or the object is. *Wraps* ``struct bpf_link``.
    """

    __slots__ = ()

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use Program.attach(), Object.attach(), Link.open(), Link.from_id() or Link.from_fd()")

    @property
    def _pointer(self) -> bpf_link:
        return self._handle.pointer

    @property
    def closed(self) -> bool:
        """Whether the link has been closed or disconnected."""
        return self._handle.closed

    def close(self) -> None:
        """Detach the program, unless a pin or another descriptor keeps the link, and free the link. Twice
        does nothing.

        *Wraps* ``bpf_link__destroy()``. Detaching from a tracepoint or a probe waits for RCU, some 60 ms. Of a map of
        sockets, those that are in it keep the program until they are taken out.
        """
        with self._handle.lock:
            # A signal handler may come in the middle of a close, which then goes on.
            is_open = not (self._handle.closed or self._handle._closing)
            event = legacy_event(self._handle.pointer) if is_open else None
        left = f"see whether {event} is left in uprobe_events or kprobe_events of tracefs, where it stays for ever"
        check(self._handle.close(), f"detach {self._handle.name}", None if event is None else left)

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def detach(self) -> None:
        """Take the program off its hook now, for everybody who holds the link; the link itself stays.

        *Wraps* ``bpf_link__detach()``. Linux 5.9; `NotSupportedError` for the kinds that the kernel can only
        detach by closing (among them tracepoints, probes and perf events).
        """
        with self._handle.lock:
            pointer = self._handle.pointer
            # What has no descriptor of its own has descriptor 0 for libbpf.
            _ = self.fd
            _log.listen()
            hint = "links of this kind are detached by close()"
            check(
                lib.bpf_link__detach(pointer),
                f"detach {self._handle.name}",
                lambda error: hint if error == errno.EOPNOTSUPP else self._no_link_of_the_kernel(error),
            )

    def disconnect(self) -> int:
        """Free the link and leave the program attached for as long as its descriptor, which is returned,
        stays open.

        The descriptor is the caller's from now on; an ``os.close()`` of it detaches. `StateError` in a signal handler
        that has interrupted another call on the same object; `NotSupportedError` for a legacy probe, whose event would
        stay in tracefs for ever. *Wraps* ``bpf_link__disconnect()``.
        """
        action = f"disconnect {self._handle.name}"
        self._handle.refuse_reentry(action)
        with self._handle.lock:
            fd = self.fd
            if legacy_event(self._handle.pointer) is not None:
                hint = (
                    "a legacy probe is an event of tracefs, which only close() removes: attach_mode PERF or LINK makes "
                    "none, where the kernel has them"
                )
                raise failure(errno.EOPNOTSUPP, action, hint)
            perf_event = lib.lbc_link_perf_event_fd(self._handle.pointer)
            lib.bpf_link__disconnect(self._handle.pointer)
            self._handle.gone = "was disconnected"
            self._handle._close()
            if perf_event not in (-1, fd):
                # libbpf leaves it open for ever. The kernel's link holds the event itself.
                os.close(perf_event)
        return fd

    def update_program(self, program: AttachedProgram, old: AttachedProgram | None = None) -> None:
        """Put `program` in the place of the one that is attached, in one step in which no event is missed.

        *Wraps* ``bpf_link__update_program()``, ``bpf_link_update()``. The program must be loaded and of the same type.
        With `old` nothing is done, and an error raised (EPERM of most kinds), unless that is the program which is
        attached (``BPF_F_REPLACE``). Linux 5.7; `NotSupportedError` for the kinds that the kernel cannot update: it can
        those of control groups, XDP, TCX, netkit, network namespaces, maps of sockets (6.10) and iterators. Sockets
        that are in a map keep the program that they have until they are taken out and put in again.
        """
        for each in (program, old):
            if each is not None and not hasattr(each, "_loaded"):
                raise TypeError(f"program must be a Program, not {type(each).__name__}")
        if program is None:
            raise TypeError("program must be a Program, not None")
        self._update(program_title(program), program, old, "old_prog_fd")

    def update_map(self, map: UpdatingMap, old: UpdatingMap | None = None) -> None:
        """Put the programs of another struct_ops map in the place of those that are attached, in one step.

        *Wraps* ``bpf_link__update_map()``, ``bpf_link_update()``. The map must be one of the section
        ``.struct_ops.link``, and of the same table of functions as that of the link. With `old` nothing is done, and an
        error raised, unless that is the map which is attached. Linux 6.4.
        """
        self._handle.check()
        for each in (map, old):
            if each is not None and not hasattr(each, "_dup"):
                raise TypeError(f"map must be a struct_ops Map, not {type(each).__name__}")
        if map is None:
            raise TypeError("map must be a struct_ops Map, not None")
        action = f"update {self._handle.name} to {map._what}"
        if map.type != lib.BPF_MAP_TYPE_STRUCT_OPS:
            raise ValueError(f"cannot {action}: it is of type {map.type.name}, not STRUCT_OPS")
        if not map.map_flags & lib.BPF_F_LINK:
            # Filling it would register it, until it is closed by hand or the machine is rebooted.
            raise ValueError(f"cannot {action}: it is no map of the section .struct_ops.link")
        # libbpf would take every link for one of this kind.
        if self.info.type != lib.BPF_LINK_TYPE_STRUCT_OPS:
            raise ValueError(f"cannot {action}: it attaches no struct_ops map")
        map._fill_struct_ops(action)
        self._update(map._what, map, old, "old_map_fd")

    def _update(self, to: str, new: Any, old: Any, field: str) -> None:
        from ._borrow import Descriptors
        from ._ffi import Options

        action = f"update {self._handle.name} to {to}"
        # One lock after the other, never two: two links of two objects may be updated crosswise.
        with Descriptors() as borrowed:
            fd = borrowed.of(new, action)
            opts = Options("bpf_link_update_opts")
            if old is not None:
                opts.set("flags", lib.BPF_F_REPLACE)
                opts.set(field, borrowed.of(old, action))
            with self._handle.lock:
                _log.listen()
                # What bpf_link__update_program() does, with the program's descriptor held by us.
                result = lib.bpf_link_update(self.fd, fd, opts.pointer)
                if result >= 0:
                    _log.take()
                    return
                messages, info = _log.take(), self._info_if_told()
                no_link = self._no_link_of_the_kernel(-result)
            from ._link_update import refusal

            error, hint = refusal(-result, info, field, None if old is None else (old.name, opts), borrowed)
            # EPERM with a hint is no want of privilege: BPF_F_REPLACE has found another one in the place of `old`.
            kind = LibbpfError if error == errno.EPERM and hint and not no_link else None
            error = errno.EOPNOTSUPP if no_link else error
            raise failure(error, action, no_link or hint, messages=messages, kind=kind)

    def _info_if_told(self) -> CData | None:
        try:
            return self._raw_info()
        except LibbpfError:
            # Before Linux 5.8.
            return None

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Pin the link at `path` below a BPF file system: the program stays attached until the pin is
        removed.

        Missing folders are made with mode 0700; a path through a folder or symbolic link of another user, or
        one that others can write, is refused (EPERM). *Wraps* ``bpf_link__pin()``.
        """
        action = f"pin {self._handle.name} at {path_name(path)!r}"
        absolute, encoded = pin_path(path, action)
        with self._handle.lock:
            pointer = self._handle.pointer
            if self.pin_path is not None:
                raise StateError(f"cannot {action}: it is pinned at {self.pin_path!r} already")
            _ = self.fd
            _log.listen()
            with Folders(action, os.path.dirname(absolute)):

                def hint(error: int) -> str | None:
                    return pinning_hint(error, absolute) or self._no_link_of_the_kernel(error)

                check(lib.bpf_link__pin(pointer, encoded), action, hint)

    def unpin(self) -> None:
        """Remove the pin; the program then stays attached for as long as this link.

        *Wraps* ``bpf_link__unpin()``.
        """
        action = f"unpin {self._handle.name}"
        with self._handle.lock:
            pointer = self._handle.pointer
            if self.pin_path is None:
                raise StateError(f"cannot {action}: it is not pinned")
            _log.listen()
            check(lib.bpf_link__unpin(pointer), action)

    @property
    def pin_path(self) -> str | None:
        """Where the link is pinned, or ``None``. *Wraps* ``bpf_link__pin_path()``."""
        with self._handle.lock:
            return text(lib.bpf_link__pin_path(self._handle.pointer)) or None

    @property
    def fd(self) -> int:
        """The descriptor, which stays the link's own. *Wraps* ``bpf_link__fd()``.

        `StateError` for a link that has none of its own: a USDT link is made of several links, and a struct_ops
        map that is registered without ``BPF_F_LINK`` is no link of the kernel's.
        """
        with self._handle.lock:
            fd = own_descriptor(self._handle.pointer)
            is_usdt = fd < 0 and lib.lbc_link_usdt_parts(self._handle.pointer, ffi.NULL, 0) >= 0
        if fd < 0:
            why = "a USDT link is made of several links"
            if not is_usdt:
                why = (
                    'it is of a table of functions in SEC(".struct_ops"), which the kernel registers without a link, '
                    'and with one in SEC(".struct_ops.link")'
                )
            raise StateError(
                f"{self._handle.name} has no descriptor of its own: {why}; close() detaches it, and detach, "
                "disconnect, pin, update and info are for links that have one"
            )
        return fd

    @property
    def info(self) -> LinkInfo:
        """What the kernel says of the link: type, id, program's id, and what it is attached to.

        *Wraps* ``bpf_link_get_info_by_fd()``. Linux 5.8.
        """
        self._handle.check()
        from .infos import link_info

        return link_info(self._raw_info)

    def _raw_info(self, action: str = "", hint: str | None = None, info: CData | None = None) -> CData:
        with self._handle.lock:
            if info is None:
                info = ffi.new("struct bpf_link_info *")
            size = ffi.new("__u32 *", ffi.sizeof("struct bpf_link_info"))
            action = action or f"get the info of {self._handle.name}"
            result = lib.bpf_link_get_info_by_fd(self.fd, info, size)
            check(result, action, hint or self._no_link_of_the_kernel)
        return info

    def _no_link_of_the_kernel(self, error: int) -> str | None:
        """Say why the kernel does not know a link: what libbpf has instead is a perf event with a program."""
        if error != errno.EINVAL or not is_perf_event(lib.bpf_link__fd(self._handle.pointer)):
            return None
        return (
            "it is a perf event that has a program, and no link of the kernel's (before Linux 5.15, or by "
            "force_ioctl_attach or another attach_mode): it can be closed, and nothing else"
        )

    def __repr__(self) -> str:
        return f"<Link: {self._handle.name}{' (closed)' if self.closed else ''}>"
