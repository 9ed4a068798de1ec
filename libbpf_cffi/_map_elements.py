"""The elements of a map, one at a time: libbpf's verbs, by Python's keys and values."""

from __future__ import annotations

import errno
import os
from _collections_abc import Sequence

from . import _map_open
from ._check import check, device_hint, failure
from ._ffi import ffi, lib, unsigned
from ._map_access import CLOSED, Elements, close_elements
from ._map_identity import Identity
from ._map_settings import kind_of
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._btf_type import BtfType
    from ._codec import Codec
    from .btf import Btf

__all__ = ["MISSING", "Accessible"]

MISSING: Any = object()
"""What a lookup gives for a key that is not there."""


class Accessible(Identity):
    """A map with elements, whose keys and values codecs turn into bytes and back."""

    __slots__ = (
        "_btf",
        "_decode_value",
        "_elements",
        "_encode_key",
        "_is_raw",
        "_key_codec",
        "_look",
        "_number_elements",
        "_store",
        "_types",
        "_value_codec",
    )

    _btf: Btf | None
    _elements: Elements | None
    _is_raw: bool
    _types: tuple[BtfType | bool | None, BtfType | bool | None]
    """What `typed` was given for keys and for values: a type, ``False`` for bytes, ``None`` for what the BTF says."""
    _own_key = _own_value = False
    """Whether the kind of map says what keys, or values, are, whatever their type."""
    _key_codec: Codec
    _value_codec: Codec
    _encode_key: Callable[[Any], bytes]
    _decode_value: Callable[[Any], Any]
    _look: Callable[[Any, int], int] | None
    """Of keys and values that are plain integers: the C function that looks up."""
    _store: Callable[[Any, int, int], int] | None
    _number_elements: Any
    """What these two take first."""

    @property
    def key_type(self) -> BtfType | None:
        """The type of the keys; ``None`` if the map has no BTF, and keys are bytes: see `typed`."""
        given = self._types[0]
        if given is not None:
            return given or None  # type: ignore[return-value]
        return self._btf_type(self.btf_key_type_id)

    @property
    def value_type(self) -> BtfType | None:
        """The type of the values; ``None`` if the map has no BTF, and values are bytes: see `typed`."""
        given = self._types[1]
        if given is not None:
            return given or None  # type: ignore[return-value]
        return self._btf_type(self.btf_value_type_id)

    def _btf_type(self, number: int) -> BtfType | None:
        if not number:
            return None
        if self._facts is None:
            btf: Btf | None = self._owner.btf
        else:
            from .btf import Btf

            if self._btf is None and self._facts.btf_id:
                self._btf = Btf.from_id(self._facts.btf_id)
            btf = self._btf
        return None if btf is None else btf[number]

    def _typed_codec(self, type: BtfType | None, size: int) -> Codec:
        """Give the codec of a type; that of bytes for none, for one of another size, and for a `raw` map."""
        if type is not None and not self._is_raw and type.size == size:
            codec: Codec = type.codec()
            return codec
        if type is not None and not self._is_raw and any(type is each for each in self._types):
            # Set before load, and not what BTF only says of a map that was resized.
            raise ValueError(f"{self._what} was given the type {type}, of {type.size} bytes, and has {size} now")
        from ._codec import bytes_codec

        return bytes_codec(size)

    def _make_key_codec(self) -> Codec:
        """Give what turns keys into bytes and back; its size is `key_size`."""
        return self._typed_codec(None if self._is_raw else self.key_type, self.key_size)

    def _make_value_codec(self) -> Codec:
        """Give what turns values into bytes and back; its size is what `_copied_size` gives."""
        return self._typed_codec(None if self._is_raw else self.value_type, self.value_size)

    def _copied_size(self) -> int:
        """Give how many bytes the kernel copies for a value."""
        return self.value_size

    def _open_elements(self) -> Elements:
        """Get ready for access to elements, for which the map must have been created."""
        handle = self._handle
        with handle.lock:
            fd = self.fd
            if kind_of(self._get(lib.bpf_map__type, "type")) is not type(self):
                raise StateError(f"{self._what} is of another type now: get it anew from Object.maps")
            address = self._address()
            elements: Elements | None = handle.elements.get(address)
            if elements is None or elements.closed:
                elements = handle.elements[address] = self._make_elements(fd)
            key, value = self._make_key_codec(), self._make_value_codec()
            if (key.size, value.size) != (elements.key_size, elements.value_size):
                raise ValueError(
                    f"{self._what} has keys of {elements.key_size} and values of {elements.value_size} bytes, but its "
                    f"types {key.typename} and {value.typename} have {key.size} and {value.size}"
                )
            self._key_codec, self._value_codec = key, value
            self._encode_key = key.encode
            # The same without a check of the size, which is done here once for all.
            self._decode_value = value.decode if value.flexible else getattr(value, "quick", value.decode)
            self._elements = elements
            self._bind(elements)
            return elements

    def _address(self) -> int:
        """Give what tells the maps of a tree of handles apart."""
        return int(ffi.cast("uintptr_t", self._map)) if self._map is not None else 0

    def _make_elements(self, fd: int) -> Elements:
        name = f"the elements of {self._what}"
        number = int(self._get(lib.bpf_map__type, "type"))
        return Elements(self._handle, name, fd, number, self.key_size, self._copied_size(), self.max_entries)

    def _bind(self, elements: Elements) -> None:
        """Prepare what is done often; a kind may override it."""

    def _call(self, function: Callable[..., int], *arguments: object) -> int:
        """Call a C function with the elements; `ClosedError` once there are none."""
        while True:
            elements = self._elements or self._open_elements()
            result = function(elements.c, *arguments)
            if result != CLOSED:
                return result
            # Closed with the map, which the next round finds out; or given up for others, by a freeze or a load.
            self._elements = self._look = self._store = None
            self._handle.check()

    def _key_bytes(self, key: Any) -> bytes:
        if self._elements is None:
            self._open_elements()
        return self._fitting(self._key_codec, key, "key")

    def _value_bytes(self, value: Any) -> bytes:
        if self._elements is None:
            self._open_elements()
        return self._fitting(self._value_codec, value, "value")

    def _fitting(self, codec: Codec, value: Any, what: str) -> bytes:
        try:
            encoded = codec.encode(value)
        except (TypeError, ValueError) as wrong:
            self._explain(wrong, codec, what)
            raise
        if len(encoded) == codec.size:
            return encoded
        if codec.flexible and len(encoded) < codec.size:
            # The array begins before the struct's own padding ends.
            return encoded.ljust(codec.size, b"\0")
        raise ValueError(f"a {what} of {self._what} has {codec.size} bytes, not {len(encoded)}")

    def _explain(self, wrong: Exception, codec: Codec, what: str) -> None:
        """Say in an exception of a codec which map it is about, and whether its key or its value."""
        if type(wrong) not in (TypeError, ValueError):
            return  # one with arguments of its own
        text = f"{what} of {self._what}: {wrong}"
        if type(wrong) is TypeError and codec.typename.startswith("bytes[") and not self._is_raw:
            text += f"; the map has no BTF for its {what}s: use typed({what}=…), or bytes"
        wrong.args = (text,)

    def _lookup(self, function: Callable[..., int], verb: str, key: Any, flags: int) -> Any:
        """Look up with one of the two C functions that do; give `MISSING` for a key that is not there."""
        elements = self._elements or self._open_elements()
        try:
            encoded = self._encode_key(key)
        except (TypeError, ValueError) as wrong:
            self._explain(wrong, self._key_codec, "key")
            raise
        if len(encoded) != elements.key_size:
            raise ValueError(f"a key of {self._what} has {elements.key_size} bytes, not {len(encoded)}")
        buffers = elements.buffers
        try:
            buffer = buffers.pop()
        except IndexError:
            buffer = elements.buffer()
        result = function(elements.c, encoded, buffer[0], flags)
        if result == 0:
            value = self._decode_value(buffer[1])
            buffers.append(buffer)
            return value
        if result == CLOSED:
            result = self._call(function, encoded, buffer[0], flags)
            if result == 0:
                return self._decode_value(buffer[1])
        buffers.append(buffer)
        if result == -errno.ENOENT:
            return MISSING
        raise self._failure(-result, f"{verb} {key!r} in {self._what}", flags)

    def lookup_elem(self, key: Any, flags: int = 0) -> Any:
        """Give the value of `key`, or ``None``.

        `flags` may be `UpdateFlags.LOCK`, for values that have a spin lock (Linux 5.1). *Wraps*
        ``bpf_map_lookup_elem_flags()``.
        """
        value = self._lookup(lib.lbc_lookup, "look up", key, unsigned(flags, 64, "flags"))
        return None if value is MISSING else value

    def lookup_and_delete_elem(self, key: Any, flags: int = 0) -> Any:
        """Give the value of `key`, or ``None``, and delete the entry in the same step.

        *Wraps* ``bpf_map_lookup_and_delete_elem_flags()``. Linux 5.14 for hashes; `NotSupportedError` for the types
        that have no such step.
        """
        value = self._lookup(lib.lbc_lookup_and_delete, "take", key, unsigned(flags, 64, "flags"))
        return None if value is MISSING else value

    def update_elem(self, key: Any, value: Any, flags: int = 0) -> None:
        """Write the value of `key`.

        `flags` is one of `UpdateFlags`: ``ANY``, ``NOEXIST`` (the key must be new: `LibbpfError` with EEXIST),
        ``EXIST`` (the key must be there: `KeyError`), and ``LOCK``. *Wraps* ``bpf_map_update_elem()``.
        """
        self._update(key, value, unsigned(flags, 64, "flags"))

    def _update(self, key: Any, value: Any, flags: int) -> None:
        result = self._call(lib.lbc_update, self._key_bytes(key), self._value_bytes(value), flags)
        if result < 0:
            if result == -errno.ENOENT and flags & lib.BPF_EXIST:
                raise KeyError(key)
            raise self._failure(-result, f"update {key!r} in {self._what}", flags)

    def delete_elem(self, key: Any, flags: int = 0) -> None:
        """Delete the entry of `key`; `KeyError` if there is none. *Wraps* ``bpf_map_delete_elem_flags()``."""
        result = self._call(lib.lbc_delete, self._key_bytes(key), unsigned(flags, 64, "flags"))
        if result == -errno.ENOENT:
            raise KeyError(key)
        if result < 0:
            raise self._failure(-result, f"delete {key!r} from {self._what}")

    def get_next_key(self, key: Any = None) -> Any:
        """Give the key that comes after `key`, the first one for ``None``, or ``None`` after the last.

        After a key that is not there comes the first one. *Wraps* ``bpf_map_get_next_key()``.
        """
        encoded = ffi.NULL if key is None else self._key_bytes(key)
        elements = self._elements or self._open_elements()
        following = bytearray(max(elements.key_size, 8))
        result = self._call(lib.lbc_next_key, encoded, ffi.from_buffer(following))
        if result == -errno.ENOENT:
            return None
        if result < 0:
            raise self._failure(-result, f"get the key after {key!r} in {self._what}")
        return self._key_codec.decode(following)

    def freeze(self) -> None:
        """Make the map read-only for all of user space, for ever; programs may still write.

        *Wraps* ``bpf_map_freeze()``. Linux 5.2. EBUSY while anybody has the map mapped for writing.
        """
        action = f"freeze {self._what}"
        with self._handle.lock:
            fd = self.fd
            # A mapping of ours is given up, and made anew for reading.
            self._drop_elements()

            def hint(error: int) -> str | None:
                return "the map is mapped for writing, as libbpf maps data sections" if error == errno.EBUSY else None

            check(lib.bpf_map_freeze(fd), action, hint)

    def _drop_elements(self) -> None:
        close_elements(self._handle)

    def _failure(self, error: int, action: str, flags: int = 0) -> Exception:
        """Make the exception for what the kernel said of an element."""
        return failure(error, action, lambda number: self._hint(number, flags))

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.E2BIG:
            why = "the index is beyond its end" if isinstance(self, Sequence) else "the map is full"
            return f"{why}: its max_entries is {self.max_entries}"
        if error == errno.EEXIST:
            return "the key is there already, and the flag NOEXIST asks for a new one"
        if error == errno.EPERM:
            return self._forbidden()
        if error == errno.ENOMEM:
            return "the kernel has no memory left for another entry"
        if error == errno.EBUSY:
            return "a program that this CPU interrupted is using that part of the map: try again"
        if error == errno.EINVAL and flags & lib.BPF_F_LOCK:
            return "the flag LOCK needs a struct bpf_spin_lock in the value"
        return device_hint(error)

    def _forbidden(self) -> str:
        with self._handle.lock:
            facts = _map_open.fdinfo(self.fd)
        if facts.get("frozen") == "1":
            return "the map is frozen: user space can only read it"
        access = int(facts.get("flags", "0"), 8) & os.O_ACCMODE
        if access == os.O_RDONLY:
            return "this map was opened, or created, read-only"
        if access == os.O_WRONLY:
            return "this map was opened, or created, write-only"
        return "the kernel forbids this for maps of this type"
