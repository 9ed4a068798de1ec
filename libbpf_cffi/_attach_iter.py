"""Attaching iterators; and, for what BTF names, telling load the target."""

from __future__ import annotations

import errno
import os
from contextlib import nullcontext

from . import _log
from ._attach_methods import method_of
from ._attach_options import duplicate, flag
from ._borrow import Descriptors
from ._check import check, failure, not_null
from ._ffi import Options, c_string, ffi, lib, unsigned
from ._handle import Handle
from ._program import UNLOADED, ProgramBase
from ._refusals import refused
from ._type_numbers import cgroup_iter_order_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._libbpf import lbc_map
    from ._map import Map
    from ._program import LoadedProgram
    from ._targets import Opened
    from .enums import CgroupIterOrder
    from .links import Link

__all__ = ["NEEDED", "IterAttach"]

NEEDED = {
    "bpf_map_elem": "map=",
    "bpf_sk_storage_map": "map=",
    "sockmap": "map=",
    "cgroup": "cgroup= or order=",
}
"""What iterators must be told, since no section can: by the target in their section."""

_KINDS = {"map": ("map",), "cgroup": ("cgroup", "cgroup_id", "order"), "tasks": ("tid", "pid", "pid_fd")}

_TAKEN = {
    "bpf_map_elem": _KINDS["map"],
    "bpf_sk_storage_map": _KINDS["map"],
    "sockmap": _KINDS["map"],
    "cgroup": _KINDS["cgroup"],
    "task": _KINDS["tasks"],
    "task_file": _KINDS["tasks"],
    "task_vma": _KINDS["tasks"],
}
"""What iterators can be told: the members of ``union bpf_iter_link_info`` that the kernel reads for a target."""


class IterAttach(ProgramBase):
    """Iterators, the targets of what load resolves by BTF, and what a method asks of a program."""

    __slots__ = ()

    def _require_kind(self, method: str, *types: int) -> None:
        """Raise `ValueError` if the program's type is none of `types`, with the method that fits."""
        kind = self._get(lib.bpf_program__type)
        attach_type = self._get(lib.bpf_program__expected_attach_type)
        if kind in types and not _for_others(method, attach_type):
            return
        from .enums import AttachType, ProgType

        fitting = method_of(kind, attach_type, self.section_name)
        use = f": use {fitting}()" if hasattr(self, fitting or "") and fitting != method else ""
        fault = f"for the attach type {AttachType(attach_type).name}"
        what = fault if kind in types else f"of type {ProgType(kind).name}"
        raise ValueError(
            f"{method}() attaches no program {what}, which {self.name!r} (section {self.section_name!r}) is{use}"
        )

    def _is_return(self, given: bool | None) -> bool:
        kind = self.section_name.partition("/")[0]
        return flag(given, kind.startswith(("kret", "uret")), "retprobe")

    def _many_probes(self, retprobe: bool | None, session: bool | None, attach_type: int) -> dict[str, bool]:
        """Say at which ends of functions many probes are; `attach_type` is that of the sessions."""
        at_return = self._is_return(retprobe)
        both = flag(session, self._get(lib.bpf_program__expected_attach_type) == attach_type, "session")
        if at_return and both:
            raise TypeError(f"a session, which {self.name!r} is, runs at entry and return: it takes no retprobe=True")
        return {"retprobe": at_return, "session": both}

    def _expects(self, what: str) -> bool:
        expected = self._get(lib.bpf_program__expected_attach_type)
        return expected in (getattr(lib, f"BPF_TRACE_{what}_MULTI"), getattr(lib, f"BPF_TRACE_{what}_SESSION"))

    def attach_iter(
        self,
        *,
        map: Map | int | None = None,
        cgroup: str | os.PathLike[str] | int | None = None,
        cgroup_id: int = 0,
        order: CgroupIterOrder | str | int = 0,
        tid: int = 0,
        pid: int = 0,
        pid_fd: int | None = None,
    ) -> Link:
        """Attach an iterator (``iter/…``): `Link.read` then gives its text.

        *Wraps* ``bpf_program__attach_iter()``. What it walks: the elements of a `map` (or its descriptor); a `cgroup`
        (as for `attach_cgroup`, or `cgroup_id`) and its relatives in an `order`, or its name (Linux 6.1); the tasks of
        one thread `tid`, or process `pid` or `pid_fd` (Linux 6.1): ESRCH if there is none. Without: all that there is.
        Linux 5.8.
        """
        self._require_kind("attach_iter", lib.BPF_PROG_TYPE_TRACING)
        info = ffi.new("union bpf_iter_link_info *")
        walk = cgroup_iter_order_number(order)
        things = {"map": map, "cgroup": cgroup, "pid_fd": pid_fd}
        # Before 0 is looked for: what is none of these, such as an empty text, is no number.
        cgroup_id, tid, pid = unsigned(cgroup_id, 64, "cgroup_id"), unsigned(tid, 32, "tid"), unsigned(pid, 32, "pid")
        numbers = {"cgroup_id": cgroup_id, "order": walk, "tid": tid, "pid": pid}
        told = [name for name, thing in things.items() if thing is not None]
        told += [name for name, value in numbers.items() if value]
        given = [what for what, of in _KINDS.items() if any(name in of for name in told)]
        if len(given) > 1:
            raise TypeError(f"an iterator walks one kind of thing, not {' and '.join(given)}")
        if cgroup is not None and cgroup_id:
            raise TypeError("cgroup and cgroup_id each name a control group: give one of them")
        if (tid != 0) + (pid != 0) + (pid_fd is not None) > 1:
            raise TypeError("tid, pid and pid_fd each name the tasks of an iterator: give one of them")
        action = f"attach program {self.name!r}"
        group = nullcontext(0) if cgroup is None else _opened(cgroup)
        with Descriptors() as held, group as group_fd:
            if map is not None:
                fd = map._dup(held, action) if hasattr(map, "_dup") else held.dup(unsigned(map, 31, "map"), action)
                info.map.map_fd = fd
            if cgroup is not None:
                info.cgroup.cgroup_fd = group_fd
            if "cgroup" in given:
                info.cgroup.cgroup_id = cgroup_id
                # 0 is no order, and refused: the kernel's default would be a guess.
                info.cgroup.order = walk or lib.BPF_CGROUP_ITER_SELF_ONLY
            if "tasks" in given:
                info.task.tid, info.task.pid = tid, pid
                if pid_fd is not None:
                    # A duplicate: 0 is no descriptor to the kernel, but all tasks.
                    info.task.pid_fd = held.dup(unsigned(pid_fd, 31, "pid_fd"), action)
            options = Options("bpf_iter_attach_opts")
            if given:
                options.set("link_info", info)
                options.set("link_info_len", ffi.sizeof("union bpf_iter_link_info"))
            target = self.section_name.partition("/")[2] or "what the program iterates over"
            link = self._link(
                lib.bpf_program__attach_iter,
                options.pointer if given else ffi.NULL,
                to=f"iterator {target!r}",
                hint=lambda error: _iter_hint(error, target, told, cgroup),
            )
        link = _heeded(link, told, action)
        if tid or pid:
            try:
                _require_task(tid, pid, f"{action} to iterator {target!r}")
            except BaseException:
                link.close()
                raise
        return link

    def set_attach_target(
        self, target: LoadedProgram | int | None = None, attach_func_name: str | None = None
    ) -> None:
        """Say before load what to attach to: a function of the kernel, or of a program that is loaded.

        *Wraps* ``bpf_program__set_attach_target()``. For ``fentry``, ``fexit``, ``fsession``, ``fmod_ret``,
        ``tp_btf``, ``lsm``, ``iter``: the name of the function (or tracepoint, hook, kind) in the kernel's BTF. With a
        `target`, also for ``freplace``: a function of that program; without a name it is the one in the section.
        """
        name = None if attach_func_name is None else c_string(attach_func_name, "attach_func_name")
        if target is None and name is None:
            raise TypeError("set_attach_target() takes a program, the name of a function, or both")
        self._require_kind(
            "set_attach_target", lib.BPF_PROG_TYPE_TRACING, lib.BPF_PROG_TYPE_LSM, lib.BPF_PROG_TYPE_EXT
        )
        what = f"function {attach_func_name!r}" if attach_func_name is not None else "a program"
        action = f"set the attach target of program {self.name!r} to {what}"
        with Descriptors() as held:
            fd = 0 if target is None else duplicate(held, target, action)
            with self._handle.lock:
                pointer = self._pointer
                self._handle.require(action, *UNLOADED)
                kept: Handle[lbc_map] | None = None
                try:
                    if fd:
                        # libbpf remembers the number, and uses it at load.
                        kept = Handle(lib.lbc_map__close, self._handle, name=action, fds=lambda each: (each.fd,))
                        not_null(kept.make(lib.lbc_map__from_fd, fd), action, None, kept.errno)
                    _log.listen()
                    number = kept.pointer.fd if kept is not None else 0
                    check(
                        lib.bpf_program__set_attach_target(pointer, number, name or ffi.NULL),
                        action,
                        lambda error: self._target_hint(error, attach_func_name, in_program=bool(fd)),
                    )
                except BaseException:
                    if kept is not None:
                        kept._close()
                    raise

    def _target_hint(self, error: int, name: str | None, *, in_program: bool) -> str | None:
        if error not in (errno.ENOENT, errno.ESRCH) or name is None:
            return None
        if in_program:
            return f"that program has no function {name!r}"
        from ._close_names import missing_btf_target

        said = f"prog '{self.name}': failed to find kernel BTF type ID of '{name}'"
        return missing_btf_target((said,), {self.name: self.section_name})


_MANY = (
    lib.BPF_TRACE_KPROBE_MULTI,
    lib.BPF_TRACE_KPROBE_SESSION,
    lib.BPF_TRACE_UPROBE_MULTI,
    lib.BPF_TRACE_UPROBE_SESSION,
)


def _for_others(method: str, attach_type: int) -> bool:
    """Tell whether a program of the right type was loaded for another attach type, which is EINVAL for the kernel."""
    if method in ("attach_kprobe", "attach_ksyscall", "attach_uprobe"):
        return attach_type in _MANY
    if method == "attach_iter":
        return attach_type != lib.BPF_TRACE_ITER
    if method == "attach_lsm":
        return attach_type == lib.BPF_LSM_CGROUP
    return method == "attach_trace" and attach_type in (lib.BPF_TRACE_ITER, lib.BPF_LSM_CGROUP)


def _require_task(tid: int, pid: int, action: str) -> None:
    """Refuse a thread or process that is not there, which the kernel takes, and walks over nothing."""
    number = tid or pid
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        hint = f"there is no {'thread' if tid else 'process'} {number}"
        raise failure(errno.ESRCH, action, hint) from None
    except PermissionError:
        pass
    if pid and not _is_process(pid):
        raise failure(errno.ESRCH, action, f"{pid} is a thread of a process: tid= is for one thread")


def _is_process(pid: int) -> bool:
    """Tell whether a number, which is a thread's at least, is that of a process."""
    try:
        # One step opens and keeps it, so that no Ctrl-C loses the descriptor.
        with Descriptors() as made:
            made.make(os.pidfd_open, pid)
    except OSError as error:
        # pidfd_prepare() of kernel/fork.c; since Linux 6.16 it is ENOENT.
        return refused(error) not in (errno.EINVAL, errno.ENOENT)
    return True


def _opened(group: str | os.PathLike[str] | int) -> Opened:
    from ._targets import cgroup

    return cgroup(group)


def _heeded(link: Link, told: list[str], action: str) -> Link:
    """Give a link back, unless what the iterator was told is another's: the kernel takes it for its own, or for none.

    A union's members are at one place: the descriptor of a map would be the number of a thread. Only the kernel knows
    what the program walks over, whatever its section says (`set_attach_target`).
    """
    if told:
        try:
            target = link.info.details["target_name"]
            why = _untold(target, told) if target else None
        except BaseException:
            link.close()
            raise
        if why is not None:
            link.close()
            raise ValueError(f"cannot {action} to iterator {target!r}: {why}")
    return link


def _untold(target: str, told: list[str]) -> str | None:
    taken = _TAKEN.get(target, ())
    if all(name in taken for name in told):
        return None
    takes = f"takes {', '.join(f'{name}=' for name in taken)}" if taken else "walks over all that there is"
    return f"an iterator of {target!r} {takes}, and cannot be told {', '.join(f'{name}=' for name in told)}"


def _iter_hint(error: int, target: str, told: list[str], cgroup: Any) -> str | None:
    if error == errno.ENOENT and "cgroup_id" in told:
        return "no control group of version 2 has that number, which is that of its folder (st_ino)"
    if error not in (errno.EINVAL, errno.EBADF):
        return None
    if target in _TAKEN and (why := _untold(target, told)) is not None:
        return why
    if error == errno.EBADF and cgroup is not None:
        from ._targets import cgroup_hint

        return cgroup_hint(cgroup)
    if error == errno.EBADF and "pid_fd" in told:
        return "that is no descriptor of a process, which os.pidfd_open() makes"
    if told and error == errno.EINVAL:
        return f"the kernel refuses that value, or this one cannot tell an iterator of {target!r} {told[0]}="
    return f"an iterator of {target!r} needs {NEEDED[target]}" if target in NEEDED else None
