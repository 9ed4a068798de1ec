"""Classifiers of traffic control, through netlink."""

from __future__ import annotations

import errno

from . import _log
from ._attach_place import must_be_of
from ._borrow import Descriptors
from ._check import check, failure
from ._ffi import Options, boolean, c_string, lib, unsigned
from ._net_enums import TcAttachPoint
from ._net_records import TcFilter
from ._net_target import prog_fd
from ._targets import in_netns
from ._targets import interface as interface_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._libbpf import CData
    from ._net_target import SomeProgram
    from ._targets import Netns

__all__ = ["TcHook"]

BOTH = lib.BPF_TC_INGRESS | lib.BPF_TC_EGRESS
ONE_PLACE = (lib.BPF_TC_INGRESS, lib.BPF_TC_EGRESS, lib.BPF_TC_CUSTOM)
_POINTS = {"ingress": lib.BPF_TC_INGRESS, "egress": lib.BPF_TC_EGRESS, "both": BOTH}


class TcHook:
    """Where an interface has classifiers: at its ingress or egress, or below a queueing discipline of one's own.

    *Wraps* ``struct bpf_tc_hook``. `attach_point` is "ingress", "egress" or "both" (to create and destroy them), or of
    `TcAttachPoint`: ``CUSTOM`` with `parent` attaches below an existing discipline or class, ``QDISC`` creates and
    destroys the discipline `qdisc` with that `parent` and `handle` (``0x10000`` is ``1:``). `netns` is the network
    namespace of the interface, if it is another one.

    A classifier is no link: it stays until `detach`, whatever becomes of this process.
    """

    __slots__ = ("_attach_point", "_handle", "_interface", "_netns", "_parent", "_qdisc")

    def __init__(
        self,
        interface: str | int,
        attach_point: str | int = "ingress",
        *,
        parent: int = 0,
        handle: int = 0,
        qdisc: str | None = None,
        netns: Netns = None,
    ) -> None:
        if isinstance(attach_point, str):
            number = _POINTS.get(attach_point)
            if number is None:
                raise ValueError(
                    f"attach_point must be one of {', '.join(_POINTS)}, or of TcAttachPoint, not {attach_point!r}"
                )
        else:
            number = unsigned(attach_point, 31, "attach_point")
        self._interface = interface
        self._attach_point = number
        self._parent = unsigned(parent, 32, "parent")
        self._handle = unsigned(handle, 32, "handle")
        self._qdisc = None if qdisc is None else c_string(qdisc, "qdisc")
        self._netns = netns
        # libbpf measures what is not there.
        if number == lib.BPF_TC_QDISC and not self._qdisc:
            raise ValueError("attach_point QDISC needs the name of the queueing discipline: qdisc=")
        if number == lib.BPF_TC_CUSTOM and not self._parent:
            raise ValueError("attach_point CUSTOM needs the parent that it is below: parent=")

    @property
    def interface(self) -> str | int:
        """The interface, as it was given."""
        return self._interface

    @property
    def attach_point(self) -> TcAttachPoint:
        """Where on the interface."""
        return TcAttachPoint(self._attach_point)

    def create(self, *, exist_ok: bool = True) -> bool:
        """Make the hook; tell whether it was not there before, which is EEXIST unless `exist_ok`.

        *Wraps* ``bpf_tc_hook_create()``: of an ingress or egress the queueing discipline "clsact", which is both.
        Linux 4.5.
        """
        return in_netns(self._netns, self._create, boolean(exist_ok, "exist_ok"))

    def _create(self, exist_ok: bool) -> bool:
        hook = self._struct()
        action = f"create the hook {self!r}"
        _log.listen()
        result = lib.bpf_tc_hook_create(hook.pointer)
        if result == -errno.EEXIST and exist_ok:
            _log.take()
            return False
        check(result, action, self._create_hint)
        return True

    def destroy(self) -> None:
        """Take away every classifier of chain 0 of the hook, others' too; a discipline with all that it has.

        Those of other chains, which only ``tc`` adds, stay, but nothing is left that jumps to them. Of both directions
        they go, too: the discipline "clsact" does.

        *Wraps* ``bpf_tc_hook_destroy()``.
        """
        in_netns(self._netns, self._destroy)

    def _destroy(self) -> None:
        hook = self._struct()
        _log.listen()
        check(lib.bpf_tc_hook_destroy(hook.pointer), f"destroy the hook {self!r}", self._destroy_hint)

    def attach(
        self, program: SomeProgram, *, handle: int = 0, priority: int = 0, flags: int = 0, replace: bool = False
    ) -> TcFilter:
        """Attach a program of ``SEC("tc")``, and say what names it from now on.

        *Wraps* ``bpf_tc_attach()``. Those of a smaller `priority` run first; the kernel chooses a `handle` and a
        `priority` that are 0. With `replace` (``BPF_TC_F_REPLACE``) it takes the place of the one of that handle and
        priority. The hook must have been created.
        """
        fields = {
            "handle": unsigned(handle, 32, "handle"),
            "priority": unsigned(priority, 16, "priority"),
            "flags": unsigned(flags, 32, "flags") | (lib.BPF_TC_F_REPLACE if boolean(replace, "replace") else 0),
        }
        return in_netns(self._netns, self._attach, program, fields, uses=(program,))

    def _attach(self, program: SomeProgram, fields: dict[str, int]) -> TcFilter:
        action = f"attach program {getattr(program, 'name', program)!r} to {self!r}"
        must_be_of(program, lib.BPF_PROG_TYPE_SCHED_CLS, action)
        with Descriptors() as held:
            hook = self._struct()
            options = Options("bpf_tc_opts", prog_fd=prog_fd(held, program, action), **fields)
            _log.listen()
            check(lib.bpf_tc_attach(hook.pointer, options.pointer), action, self._hint)
            return _filter(options.pointer)

    def detach(self, filter: TcFilter | None = None, *, handle: int = 0, priority: int = 0) -> None:
        """Take away what `attach` has returned, or what has that handle and priority in chain 0.

        *Wraps* ``bpf_tc_detach()``, which can name no other chain, nor what is for one protocol.
        """
        names, chain = _names(filter, handle, priority)
        in_netns(self._netns, self._detach, names, chain)

    def _detach(self, names: dict[str, int], chain: int) -> None:
        hook, options = self._struct(), Options("bpf_tc_opts", **names)
        action = f"detach classifier {names['handle']} of priority {names['priority']} from {self!r}"
        if chain:
            raise failure(errno.EOPNOTSUPP, action, _only_tc(chain))
        _log.listen()
        result = lib.bpf_tc_detach(hook.pointer, options.pointer)
        check(result, action, lambda error: self._detach_hint(error, names))

    def query(self, filter: TcFilter | None = None, *, handle: int = 0, priority: int = 0) -> TcFilter | None:
        """Say which program a `filter` has now, or a handle and a priority in chain 0; ``None`` if there is none.

        *Wraps* ``bpf_tc_query()``; what that cannot name, of another chain or for one protocol, is looked for in the
        list of `filters`.
        """
        names, chain = _names(filter, handle, priority)
        return in_netns(self._netns, self._query, names, chain)

    def _query(self, names: dict[str, int], chain: int) -> TcFilter | None:
        if chain:
            return self._listed(names, chain)
        hook, options = self._struct(), Options("bpf_tc_opts", **names)
        action = f"ask for classifier {names['handle']} of priority {names['priority']} of {self!r}"
        _log.listen()
        result = lib.bpf_tc_query(hook.pointer, options.pointer)
        # EINVAL: the hook is not there, or has no classifier at all. It is nothing else at one place.
        if result == -errno.ENOENT or (result == -errno.EINVAL and self._attach_point in ONE_PLACE):
            _log.take()
            return self._listed(names, chain)
        check(result, action, self._hint)
        return _filter(options.pointer)

    def _listed(self, names: dict[str, int], *chains: int) -> TcFilter | None:
        """Find a classifier in the list, of certain chains or any."""
        for each in self._filters():
            named = {"handle": each.handle, "priority": each.priority}
            if named == names and (not chains or each.chain in chains):
                return each
        return None

    def filters(self) -> list[TcFilter]:
        """List the BPF classifiers of the hook, in the order in which they run: by chain and priority.

        Of the chains a packet goes through 0 alone, unless an action of ``tc`` jumps to another.
        """
        return in_netns(self._netns, self._filters)

    def _filters(self) -> list[TcFilter]:
        from ._netlink import EGRESS, INGRESS, classifiers

        parents = [
            parent
            for point, parent in (
                (lib.BPF_TC_INGRESS, INGRESS),
                (lib.BPF_TC_EGRESS, EGRESS),
                (lib.BPF_TC_CUSTOM, self._parent),
                (lib.BPF_TC_QDISC, self._handle),
            )
            if self._attach_point & point and parent
        ]
        found = classifiers(interface_number(self._interface), parents)
        return [TcFilter(each.handle, each.priority, each.prog_id, each.chain) for each in found]

    def _struct(self) -> Options:
        return Options(
            "bpf_tc_hook",
            ifindex=interface_number(self._interface),
            attach_point=self._attach_point,
            parent=self._parent,
            handle=self._handle,
            qdisc=self._qdisc,
        )

    def _create_hint(self, error: int) -> str | None:
        if error == errno.ENOENT and self._attach_point == lib.BPF_TC_QDISC:
            return "this kernel has no queueing discipline of that name, or nothing has that parent: `tc qdisc` tells"
        if error in (errno.EINVAL, errno.ENOENT):
            return "no such hook can be made: an ingress or egress can, and by QDISC a discipline that the kernel knows"
        return self._hint(error)

    def _destroy_hint(self, error: int) -> str | None:
        if error in (errno.EINVAL, errno.ENOENT):
            return "there is no such hook, or nothing in it: `tc qdisc` and filters() tell what there is"
        if error == errno.EOPNOTSUPP and self._attach_point == lib.BPF_TC_CUSTOM:
            return "a hook of CUSTOM is not destroyed: detach() takes a classifier away"
        return self._hint(error)

    def _hint(self, error: int) -> str | None:
        if self._attach_point == BOTH and error == errno.EINVAL:
            return "a classifier is attached to one direction: TcHook(…, 'ingress') or 'egress'"
        if error in (errno.EINVAL, errno.ENOENT):
            return "the hook is not there, create() makes it; or nothing has that handle and priority"
        if error == errno.EEXIST:
            return "something is there already: replace=True takes its place, handle=0 and priority=0 find another"
        if error == errno.EOPNOTSUPP and self._attach_point == lib.BPF_TC_CUSTOM:
            return "a hook of CUSTOM is there, or made as a QDISC"
        from ._netlink import traffic_control_hint

        return traffic_control_hint(error)

    def _detach_hint(self, error: int, names: dict[str, int]) -> str | None:
        if error in (errno.EINVAL, errno.ENOENT) and self._attach_point in ONE_PLACE:
            found = self._listed(names)
            if found is not None:
                return _only_tc(found.chain)
        return self._hint(error)

    def __repr__(self) -> str:
        point = next((word for word, number in _POINTS.items() if number == self._attach_point), None)
        return f"<TcHook {self._interface!r} {point or self.attach_point.name}>"


def _only_tc(chain: int) -> str:
    why = f"of chain {chain}" if chain else "for one protocol"
    return f"it is {why}: libbpf takes away what is in chain 0 and for all protocols, `tc filter del` the others"


def _names(filter: TcFilter | None, handle: int, priority: int) -> tuple[dict[str, int], int]:
    """Give what names a classifier to libbpf, and its chain."""
    chain = 0
    if filter is not None:
        if not isinstance(filter, TcFilter):
            raise TypeError(f"filter must be a TcFilter, not {type(filter).__name__}")
        handle, priority, chain = filter.handle, filter.priority, filter.chain
    names = {"handle": unsigned(handle, 32, "handle"), "priority": unsigned(priority, 16, "priority")}
    if not all(names.values()):
        raise ValueError("a classifier is named by its handle and its priority, neither of which is 0")
    return names, chain


def _filter(options: CData) -> TcFilter:
    return TcFilter(options.handle, options.priority, options.prog_id)
