"""Other BTF made of one: with equal types made one, numbered anew, or on another base."""

from __future__ import annotations

import errno
from operator import getitem

from . import _log
from ._arguments import iterable
from ._btf_build import Building
from ._btf_type import Part
from ._check import check, failure, not_null
from ._ffi import Options, ffi, lib, unsigned
from ._handle import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._libbpf import btf as btf_pointer
    from .btf import Btf

__all__ = ["Deriving"]


class Deriving(Building):
    """The part of `Btf` that makes others of it, and leaves it as it is."""

    __slots__ = ()

    def _copy(self, action: str) -> Btf:
        btf = self._btf
        with btf._handle.lock:
            # libbpf would look types that are not there up in its map of ids.
            btf._check_shape(action)
            return btf._again(btf.raw)

    def _again(self, data: bytes) -> Btf:
        """Read the bytes of a BTF like this one."""
        btf = self._btf
        made = type(btf)._from_data(data, btf._name, btf._base)
        if made.pointer_size != btf.pointer_size:
            made.pointer_size = btf.pointer_size
        return made

    def dedup(self, *, force_collisions: bool = False) -> Btf:
        """Give these types with equal ones made one, and strings that are not used left out.

        The keyword is a field of ``struct btf_dedup_opts``, for tests. Unlike libbpf's, which changes the BTF in place,
        this leaves it as it is. *Wraps* ``btf__dedup()``. Raises `LibbpfError` (E2BIG) where so many types look alike
        and are not that comparing them would take minutes.
        """
        action = f"deduplicate {self._btf._name}"
        copy = self._copy(action)
        options = Options("btf_dedup_opts", force_collisions=bool(force_collisions))
        with copy._changing(action) as (pointer, _):
            result = lib.lbc_btf__dedup(pointer, options.pointer)
            if result == -errno.E2BIG:
                raise failure(errno.E2BIG, action, f"too many of its {len(self._btf)} types look alike, and are not")
            check(result, action)
        return copy

    def permute(self, ids: Sequence[int]) -> Btf:
        """Give these types numbered anew: the i-th one gets the i-th id of `ids`; void, the first, keeps 0.

        Of a split BTF only its own types count, and there is no void. Unlike libbpf's, which changes the BTF in place
        (and then forgets how much memory its types have), this leaves it as it is. *Wraps* ``btf__permute()``.
        """
        btf = self._btf
        new = [unsigned(each, 32, "id") for each in iterable(ids, "ids")]
        action = f"number the types of {btf._name} anew"
        copy = self._copy(action)
        count = len(copy) - (0 if btf._base is None else copy.start_id)
        if len(new) != count:
            raise ValueError(f"cannot {action}: {len(new)} ids for {count} types")
        if new:
            with copy._changing(action) as (pointer, _):
                check(lib.btf__permute(pointer, ffi.new("__u32[]", new), len(new), ffi.NULL), action)
        # Changing it further would be writing behind the end of that memory.
        return btf._again(copy.raw)

    def distill_base(self) -> tuple[Btf, Btf]:
        """Give a small base with what this split BTF needs of its base, and the same types as these on it.

        *Wraps* ``btf__distill_base()``.
        """
        btf = self._btf
        action = f"distill the base of {btf._name}"
        if btf._base is None or btf._base._base is not None:
            raise ValueError(f"cannot {action}: it is not split, or its base is split too")
        base_handle: Handle[btf_pointer] = Handle(lib.btf__free, name=f"what {btf._name} needs of its base")
        split_handle: Handle[btf_pointer] = Handle(lib.btf__free, base_handle, name=btf._name)
        base = type(btf)._new(base_handle, base_handle.name)
        split = type(btf)._new(split_handle, split_handle.name, base)
        base_handle.close_with(base, quietly=True)
        split_handle.close_with(split, quietly=True)
        cells = ffi.new("struct btf *[2]")
        with btf._handle.lock:
            btf._check_shape(action)
            _log.listen()
            check(lib.btf__distill_base(btf._pointer, cells, cells + 1), action)
            not_null(base_handle.make(getitem, cells, 0), action)
            not_null(split_handle.make(getitem, cells, 1), action)
        return base, split

    def relocate(self, base: Btf) -> Btf:
        """Give these types on another base, whose types of the same names and layouts take the place of those of the
        present one (a distilled one, such as a module's section ``.BTF.base``).

        Unlike libbpf's, which changes the BTF in place, this leaves it as it is. *Wraps* ``btf__relocate()``.
        """
        btf = self._btf
        if not isinstance(base, Part):
            raise TypeError("relocate() takes a Btf")
        action = f"relocate {btf._name} to {base._name}"
        distilled = btf._base
        # libbpf takes the strings of either base for all that there are.
        if distilled is None or distilled._base is not None or base._base is not None:
            raise ValueError(f"cannot {action}: it is not split, or one of the bases is split too")
        btf._check_shape(action)
        base._check_shape(action)
        with btf._handle.lock:
            data, distilled_data = btf.raw, distilled.raw
        temporary = type(btf)._from_data(distilled_data, distilled._name)
        memory = ffi.from_buffer(data)
        handle = Handle(lib.btf__free, base._handle, name=btf._name)
        made = type(btf)._new(handle, btf._name, base)
        handle.close_with(made, quietly=True)
        with base._handle.lock:
            try:
                split = handle.make(lib.btf__new_split, memory, len(data), temporary._pointer)
                not_null(split, action, None, handle.errno)
                check(lib.btf__relocate(split, base._pointer), action)
            except BaseException:
                handle._close()
                raise
        return made
