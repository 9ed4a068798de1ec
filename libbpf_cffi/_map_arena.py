"""Arenas: memory that programs and user space share."""

from __future__ import annotations

import errno
import os

from ._arguments import buffer
from ._check import check, not_null
from ._ffi import ffi, lib, unsigned
from ._handle import Handle
from ._map_no_elements import NoElements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._btf_type import BtfType
    from ._codec import Codec

__all__ = ["Arena"]


class Arena(NoElements):
    """Memory that programs and this process share: `read` and `write` bytes, `get` and `put` typed values.

    Bytes are copied, and nothing that is handed out is the memory itself: whether its pages are there or not, and
    whoever closes the arena meanwhile, the process lives. A page comes when it is first touched, by either side; with
    `MapFlags.SEGV_ON_FAULT` only programs make pages, and what lies on one that is missing cannot be read or written
    (`LibbpfError` with EFAULT).

    Everybody who maps an arena has it at the same address, its `map_extra`, or else where the first one got it: another
    process opens only arenas with a `map_extra`, and a process has each once. Linux 6.9.
    """

    __slots__ = ()

    _instead = "an arena has no elements: use read(), write(), get() and put()"

    @property
    def page_count(self) -> int:
        """How many pages it may have: `max_entries`."""
        return self.max_entries

    @property
    def size(self) -> int:
        """How many bytes it may have."""
        return self.max_entries * os.sysconf("SC_PAGESIZE")

    def __len__(self) -> int:
        """How many bytes it may have, which is its `size`."""
        return self.size

    def _memory(self) -> int:
        """Give the address of the memory, and map it if that is to be done; hold the lock."""
        fd = self.fd
        if self._facts is None:
            # The length goes to where libbpf does not check whether there is a place for it.
            address = lib.bpf_map__initial_value(self._pointer, ffi.new("size_t *"))
            return int(ffi.cast("uintptr_t", not_null(address, f"find the memory of {self._what}", None, errno.ENOMEM)))
        for child in self._handle.children:
            if child.name == self._memory_name:
                return int(ffi.cast("uintptr_t", child.pointer.memory))
        made = Handle(lib.lbc_arena__unmap, self._handle, name=self._memory_name)
        try:
            not_null(
                made.make(lib.lbc_arena__map, fd, self.map_extra, self.size),
                f"map the memory of {self._what}",
                self._mapping_hint,
                made.errno,
            )
        except BaseException:
            made._close()
            raise
        return int(ffi.cast("uintptr_t", made.pointer.memory))

    @property
    def _memory_name(self) -> str:
        return f"the memory of {self._what}"

    def _mapping_hint(self, error: int) -> str | None:
        if error not in (errno.EBUSY, errno.EINVAL, errno.ENOMEM):
            return None
        where = f"the address {self.map_extra:#x}" if self.map_extra else "the address where its first user has it"
        return (
            f"an arena is at one address for all its users, {where}: this process has it already, or something else is "
            "there; to share an arena between processes give it a map_extra"
        )

    def _copy(self, offset: int, buffer: Any, size: int, write: bool, action: str) -> None:
        hint = self._fault_hint(offset, size)
        with self._handle.lock:
            memory = ffi.cast("char *", self._memory() + offset)
            check(lib.lbc_memory_copy(buffer, memory, size, write), action, hint)

    def _fault_hint(self, offset: int, size: int) -> str:
        page = os.sysconf("SC_PAGESIZE")
        first, last = offset // page, (offset + size - 1) // page
        return (
            f"a page of those from {first} to {last} is not there: the arena has the flag SEGV_ON_FAULT, so that only "
            "programs make pages (bpf_arena_alloc_pages()), or the kernel has no memory for it"
        )

    def _range(self, offset: int, size: int) -> tuple[int, int]:
        start, length = unsigned(offset, 63, "offset"), unsigned(size, 63, "size")
        if start + length > self.size:
            raise ValueError(f"{self._what} has {self.size} bytes: {length} from {start} on reach beyond its end")
        return start, length

    def read(self, offset: int, size: int) -> bytes:
        """Copy `size` bytes from `offset` on."""
        start, length = self._range(offset, size)
        memory = bytearray(length)
        if length:
            self._copy(start, ffi.from_buffer(memory), length, False, f"read {length} bytes at {start} of {self._what}")
        return bytes(memory)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Copy `data` to `offset` and behind it. What a program sees meanwhile may be any part of it."""
        copied = buffer(data, "data")
        start, length = self._range(offset, len(copied))
        if length:
            self._copy(start, ffi.from_buffer(copied), length, True, f"write {length} bytes at {start} of {self._what}")

    def _codec_of(self, type: BtfType | str) -> Codec:
        if isinstance(type, str):
            types = self._owner.btf if self._facts is None else None
            if types is not None and type in types:
                codec: Codec = types[type].codec()
                return codec
            from ._type_spec import TypeSpecs

            specs = TypeSpecs(0, type, "")
            return specs.btf[specs.value_id].codec()  # type: ignore[no-any-return]
        if not hasattr(type, "codec"):
            raise TypeError(f"type must be the name of a type or a BtfType, not {type!r}")
        return type.codec()  # type: ignore[no-any-return]

    def get(self, type: BtfType | str, offset: int) -> Any:
        """Read a value of a type: a `BtfType`, the name of one of the object's BTF, or one such as ``"u32[4]"``."""
        codec = self._codec_of(type)
        return codec.decode(self.read(offset, codec.size))

    def put(self, type: BtfType | str, offset: int, value: Any) -> None:
        """Write a value of a type, which is given as in `get`."""
        self.write(offset, self._codec_of(type).encode(value))

    def at(self, address: int) -> int:
        """Give the offset of what a pointer of a program, or of this arena, points to, for `read` and its like.

        Programs use the lower half of an address; both are understood.
        """
        number = unsigned(address, 64, "address")
        with self._handle.lock:
            start = self._memory()
        offset = (number - start) & 0xFFFFFFFF
        if offset >= self.size or number >> 32 not in (0, start >> 32, (start + self.size) >> 32):
            raise ValueError(f"{number:#x} is no address in {self._what}, which starts at {start:#x}")
        return offset
