"""Maps of control groups and of perf events, and the storage of programs that are attached to a control group."""

from __future__ import annotations

import errno
import os
from collections import namedtuple
from struct import Struct

from ._arguments import descriptor
from ._cgroup_process import cgroup_folder
from ._check import failure, path_hint
from ._ffi import path_bytes, unsigned
from ._map_hash import HashMap
from ._map_percpu import _Percpu
from ._map_ring import EventMap
from ._map_slots import PlainCodec, Slots, number_codec
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NamedTuple

    from ._btf_type import BtfType
    from ._codec import Codec
    from ._map_lend import Borrowed
    from .perfbuf import EventType, PerfBuffer

    class CgroupStorageKey(NamedTuple):
        """A control group, by the number of its inode, and how the program is attached (`AttachType`)."""

        cgroup_inode_id: int
        attach_type: int
else:
    # `typing` costs as much as the rest of the module.
    CgroupStorageKey = namedtuple("CgroupStorageKey", "cgroup_inode_id attach_type")  # noqa: PYI024
    CgroupStorageKey.__doc__ = "A control group, by the number of its inode, and how the program is attached."

__all__ = ["CgroupArray", "CgroupStorage", "CgroupStorageKey", "PercpuCgroupStorage", "PerfEventArray"]


class CgroupArray(Slots):
    """An array of control groups, for ``bpf_current_task_under_cgroup()``: ``groups[0] = "/sys/fs/cgroup/mine"``.

    A value is the folder of a control group of version 2, its descriptor, or the number of a process in it as a string,
    ``"1234"``. The kernel does not tell what is there. Linux 4.8.
    """

    __slots__ = ()

    _readable = False

    def _make_value_codec(self) -> Codec:
        return super()._make_value_codec() if self._is_raw else number_codec(4, "descriptor")

    def _lend(self, value: Any, borrowed: Borrowed) -> int:
        return borrowed.cgroup(value)

    def _hint(self, error: int, flags: int) -> str | None:
        if error in (errno.EBADF, errno.ENOENT):
            return "that is no folder of a control group of version 2 (in a file system of type cgroup2)"
        return super()._hint(error, flags)


class PerfEventArray(EventMap, Slots):
    """An array of perf events, by CPU: the way of ``bpf_perf_event_output()`` and of ``bpf_perf_event_read()``.

    What programs send is read by a `PerfBuffer`. An object may declare the type of its events as that of the values,
    ``__type(value, struct event)``: it is kept for the reader, and the kernel gets the 4 bytes that it wants.

    A value is the descriptor of an event, or an object with ``fileno()``; it has to stay open only with
    `MapFlags.PRESERVE_ELEMS` not set and as long as it is to be there: closing the *map's* descriptor that it was
    written by takes it out. The kernel does not tell what is there. Linux 4.3.
    """

    __slots__ = ()

    _readable = False

    def _make_value_codec(self) -> Codec:
        return super()._make_value_codec() if self._is_raw else number_codec(4, "descriptor")

    def _lend(self, value: Any, borrowed: Borrowed) -> int:
        return borrowed.file(value, "a perf event")

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EBADF:
            return "that is no descriptor of perf_event_open()"
        if error == errno.EINVAL:
            return "a map takes perf events of hardware, raw and software counters, not of tracepoints and the like"
        return super()._hint(error, flags)

    @property
    def _event_type(self) -> BtfType | None:
        # The type of a value is that of a descriptor, unless it has been taken away.
        return self._btf_type(self._event_type_id)

    def perf_buffer(
        self,
        type: EventType = None,
        *,
        chars: str = "str",
        discriminator: str | tuple[int, int] | None = None,
        errors: str = "raise",
        page_cnt: int = 64,
        cpus: Iterable[int] | None = None,
        map_keys: Iterable[int] | None = None,
        wakeup_events: int | None = None,
        watermark: int | None = None,
        ordered: float | None = None,
        losses: bool = False,
        raw: bool = False,
        attr: Mapping[str, int] | None = None,
    ) -> PerfBuffer:
        """Open a reader; see `PerfBuffer` for the keywords. *Wraps* ``perf_buffer__new_raw()``. Linux 4.4.

        It is closed by itself, with the map's object, or when it is collected.
        """
        from .perfbuf import PerfBuffer

        return PerfBuffer(
            self, type, chars=chars, discriminator=discriminator, errors=errors, page_cnt=page_cnt, cpus=cpus,
            map_keys=map_keys, wakeup_events=wakeup_events, watermark=watermark, ordered=ordered, losses=losses,
            raw=raw, attr=attr,
        )  # fmt: skip


class _KeyCodec(PlainCodec):
    """``struct bpf_cgroup_storage_key``, or the inode's number alone."""

    def __init__(self, size: int) -> None:
        # The struct has 4 bytes behind its members.
        super().__init__(size, "a control group", "=")
        self.codes = "QI4x" if size == 16 else "Q"
        self._layout = Struct(self.order + self.codes)

    def unpack(self, buffer: Any, offset: int = 0) -> Any:
        found = self._layout.unpack_from(buffer, offset)
        return CgroupStorageKey(*found) if self.size == 16 else found[0]

    def encode(self, value: Any) -> bytes:
        group, attach_type = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        number = _inode(group)
        if self.size != 16:
            if attach_type is not None:
                raise ValueError("the keys of this map are control groups alone, without an attach type")
            return self._layout.pack(number)
        if attach_type is None:
            raise ValueError(f"a key of this map is a pair of a control group and an AttachType, not {value!r}")
        return self._layout.pack(number, unsigned(attach_type, 32, "attach_type"))

    def numpy_type(self) -> Any:
        if self.size != 16:
            return "=u8"
        return {
            "names": ["cgroup_inode_id", "attach_type"], "formats": ["=u8", "=u4"], "offsets": [0, 8], "itemsize": 16,
        }  # fmt: skip


def _inode(group: Any) -> int:
    """Give the number of a control group: of its folder, a descriptor of that, a process's, or the number itself."""
    group = cgroup_folder(group)
    place: bytes | int
    if isinstance(group, (str, bytes)) or hasattr(group, "__fspath__"):
        place, name = path_bytes(group), repr(os.fsdecode(group))
    elif hasattr(group, "fileno"):
        name = repr(group)
        place = descriptor(group, name)
    elif hasattr(group, "__index__"):
        return unsigned(group, 64, "the number of a control group")
    else:
        raise TypeError(f"a control group is its folder's path, or the number of its inode, not {type(group).__name__}")
    try:
        return os.stat(place).st_ino
    except OSError as error:
        raise failure(refused(error), f"find the control group {name}", path_hint) from None


class CgroupStorage(HashMap):
    """What the programs attached to a control group keep: a mapping from group to value.

    A key is a pair of the group (its folder, its inode's number, or that of a process in it as a string, ``"1234"``)
    and the `AttachType`; of a map whose keys have 8 bytes the group alone. Entries come with the attachment and go with
    it: they can be read and written, but neither added nor deleted. Linux 4.19; the kernel recommends `CgrpStorage`
    instead (Linux 6.2).
    """

    __slots__ = ()

    _own_key = True

    def _make_key_codec(self) -> Any:
        if self._is_raw or self.key_size not in (8, 16):
            return super()._make_key_codec()
        return _KeyCodec(self.key_size)

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.ENOENT:
            return "no program that uses the map is attached to the group in that way"
        if error == errno.EINVAL:
            return "an entry can be neither added nor deleted: it comes and goes with the attachment of a program"
        return super()._hint(error, flags)


class PercpuCgroupStorage(_Percpu, CgroupStorage):
    """A `CgroupStorage` with one value a possible CPU. Linux 4.20."""

    __slots__ = ()
