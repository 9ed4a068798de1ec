"""Tables of functions that programs are, for the kernel to call."""

from __future__ import annotations

import sys

from ._arguments import items
from ._ffi import ffi, lib, text
from ._handle import ObjectHandle
from ._map import Map
from ._map_elements import MISSING
from ._map_slots import number_codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ._btf_type import BtfType
    from ._codec import Codec

__all__ = ["StructOps"]


class StructOps(Map):
    """A struct of functions, such as ``tcp_congestion_ops``, which programs are: see `attach_struct_ops`.

    Before load `initial_value` is the struct as the source has it, with programs by their names, and
    `set_initial_value` changes members. After load `value` is the kernel's struct: state, references, and the programs
    by their ids. Linux 5.6.
    """

    __slots__ = ()

    _own_key = _own_value = True

    @property
    def _struct(self) -> BtfType:
        number = lib.bpf_map__btf_value_type_id(self._pointer)
        return self._owner.btf[number].resolve()  # type: ignore[no-any-return]

    def _initial(self, action: str) -> Any:
        self._require(action, ObjectHandle.OPEN)
        size = ffi.new("size_t *")
        data = lib.bpf_map__initial_value(self._pointer, size)
        # libbpf has as many bytes as the type.
        assert data
        assert size[0] == self._struct.size
        return ffi.buffer(data, size[0])

    @property
    def initial_value(self) -> dict[str, Any]:
        """The members as load will take them, a program by its name; `StateError` after load.

        *Wraps* ``bpf_map__initial_value()``.
        """
        with self._handle.lock:
            struct = self._struct
            values = struct.decode(self._initial(f"read the initial value of {self._what}")[:])._asdict()
            names = self._program_names()
            for member in struct.members:
                if _is_function(member.type):
                    values[member.name] = names.get(values[member.name])
            return values  # type: ignore[no-any-return]

    def set_initial_value(self, members: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Change members before load: a number, text and so on, or a `Program` of the object (``None`` for none).

        A program whose place another one takes is not loaded.
        """
        given = {**dict(items({} if members is None else members, "members")), **more}
        with self._handle.lock:
            struct = self._struct
            known = {member.name: member for member in struct.members}
            memory = self._initial(f"set the initial value of {self._what}")
            changed = bytearray(memory[:])
            for name, value in given.items():
                if name not in known:
                    from ._named import missing_name

                    raise missing_name(name, list(known), "member", f"struct {struct.name}")
                member = known[name]
                if _is_function(member.type):
                    encoded = self._function(name, value).to_bytes(ffi.sizeof("void *"), sys.byteorder)
                elif member.bitfield_size or member.type.size is None:
                    raise TypeError(f"member {name!r} of struct {struct.name} cannot be set")
                elif member.type.resolve().kind == lib.BTF_KIND_PTR:
                    raise TypeError(f"member {name!r} of struct {struct.name} is a pointer into the kernel")
                else:
                    encoded = member.type.encode(value)
                changed[member.offset : member.offset + len(encoded)] = encoded
            memory[:] = bytes(changed)

    def _program_names(self) -> dict[int, str]:
        found = {}
        program = ffi.NULL
        while program := lib.bpf_object__next_program(self._handle.pointer, program):
            found[int(ffi.cast("uintptr_t", program))] = text(lib.bpf_program__name(program))
        return found

    def _function(self, name: str, value: Any) -> int:
        if value is None:
            return 0
        if getattr(value, "_handle", None) is not self._handle or not hasattr(value, "section_name"):
            raise TypeError(f"member {name!r} is a function: it must be a Program of {self._handle.name}, or None")
        if value.type != lib.BPF_PROG_TYPE_STRUCT_OPS:
            raise ValueError(f"program {value.name!r} is not of SEC('struct_ops'): it cannot be member {name!r}")
        return int(ffi.cast("uintptr_t", value._pointer))

    # After load

    def _make_key_codec(self) -> Codec:
        return super()._make_key_codec() if self._is_raw else number_codec(4, "index")

    def _make_value_codec(self) -> Codec:
        if not self._is_raw:
            from .btf import Btf

            facts = self._raw_info()
            types = Btf.kernel()
            number = facts.btf_vmlinux_value_type_id
            # A module's struct has an id in the module's BTF.
            if number < len(types) and types[number].size == facts.value_size:
                codec: Codec = types[number].codec()
                return codec
        return super()._make_value_codec()

    @property
    def value(self) -> Any:
        """The struct as the kernel has it, ``struct bpf_struct_ops_…``, with `common` and `data`.

        Functions are programs' ids. The kernel gets `data` when the table is attached, and has zeroes before. Of a
        module's struct it is bytes. *Wraps* ``bpf_map_lookup_elem()``.
        """
        key = bytes(4) if self._is_raw else 0
        found = self._lookup(lib.lbc_lookup, "look up", key, 0)
        return None if found is MISSING else found


def _is_function(type: BtfType) -> bool:
    """Tell whether a member is a pointer to a function."""
    resolved = type.resolve()
    return bool(resolved.kind == lib.BTF_KIND_PTR and resolved.type.resolve().kind == lib.BTF_KIND_FUNC_PROTO)
