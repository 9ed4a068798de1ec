"""Ring buffers as maps: they have no elements, but readers and writers. What carries events has a type of them."""

from __future__ import annotations

import sys

from ._ffi import lib
from ._map_no_elements import NoElements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._btf_type import BtfType
    from ._codec import Codec
    from ._map import Map
    from .ringbuf import RingBuffer
    from .user_ringbuf import UserRingBuffer

    Base = Map
else:
    Base = object

__all__ = ["EventMap", "RingBufferMap", "UserRingBufferMap"]


class EventMap(Base):
    """What maps that carry events have in common: a type of events, which is declared as that of a value."""

    __slots__ = ()

    @property
    def btf_value_type_id(self) -> int:
        """Id of the type that is declared for the events, ``__type(value, …)``, in the object's BTF, or 0.

        The kernel does not take it: it is taken away, with the size, when the object is opened.
        """
        return self._event_type_id or super().btf_value_type_id

    @property
    def _event_type_id(self) -> int:
        declared: dict[str, int] = getattr(self._owner, "_event_type_ids", {}) if self._facts is None else {}
        return declared.get(self._name, 0)

    @property
    def _event_type(self) -> BtfType | None:
        return self.value_type

    def _event_types(self, chars: str) -> tuple[Callable[[Any], Codec | None], BtfType | None]:
        """Give what turns a type, or its name in the object's BTF, into a codec; and the declared type."""
        self._handle.check()

        def resolve(type: Any) -> Codec | None:
            if type is None or type is bytes:
                return None
            found: Any = type
            if isinstance(type, str):
                if self._facts is not None:
                    raise ValueError(f"{self._what} belongs to no object, whose types have names: give a BtfType")
                try:
                    found = self._owner.types[type]
                except KeyError as missing:
                    from ._event_find import left_out

                    raise KeyError(f"{missing.args[0]}; {left_out(type)}") from None
            if not hasattr(found, "codec"):
                raise TypeError(f"the type of an event is a name, a BtfType or bytes, not {type!r}")
            codec: Codec = found.codec(chars)
            return codec

        return resolve, None if self._is_raw else self._event_type

    def _found_types(self, chars: str, asked: Any) -> tuple[Callable[[Any], Codec | None], BtfType | None, str]:
        """Do as `_event_types` for a reader: unless a type is `asked` for, look for one, and say how it was found."""
        resolve, declared = self._event_types(chars)
        if asked is not None or declared is not None or self._is_raw or self._facts is not None:
            return resolve, declared, ""
        from ._event_find import find_type

        found, why = find_type(self._owner, self)
        return resolve, found, "" if why == "declared" else why


class _Ring(EventMap, NoElements):
    __slots__ = ()


class RingBufferMap(_Ring):
    """A ring buffer, into which programs put events of any size. It is read by a `RingBuffer`.

    `max_entries` is its size in bytes, a power of two and a multiple of a page. Linux 5.8.
    """

    __slots__ = ()

    _instead = "a ring buffer has no elements: programs write events into it, which ring_buffer() reads"

    def ring_buffer(
        self,
        type: str | BtfType | type[bytes] | Mapping[Any, Any] | Callable[[bytes], Any] | None = None,
        *,
        chars: str = "str",
        discriminator: str | tuple[int, int] | None = None,
        errors: str = "raise",
    ) -> RingBuffer:
        """Open a reader; see `RingBuffer` for the keywords. Linux 5.8.

        It is closed by itself, with the map's object, or when it is collected.
        """
        from .ringbuf import RingBuffer

        return RingBuffer(self, type=type, chars=chars, discriminator=discriminator, errors=errors)

    @property
    def lost(self) -> int | None:
        """How many events found no room in the buffer, or ``None`` if the programs do not count them.

        They do with the macros of ``<libbpf_cffi.bpf.h>``, in the map ``NAME_lost`` of the same object.
        """
        self._handle.check()
        if self._facts is not None:
            return None
        counter = self._owner.maps.get(f"{self._name}_lost")
        if counter is None or (counter.type, counter.value_size) != (lib.BPF_MAP_TYPE_PERCPU_ARRAY, 8):
            return None
        return sum(int.from_bytes(each, sys.byteorder) for each in counter.raw.lookup_elem(bytes(4)))


class UserRingBufferMap(_Ring):
    """A user ring buffer, from which programs take what user space sends. It is written by a `UserRingBuffer`.

    `max_entries` is its size in bytes, as a ring buffer's is. Linux 6.1.
    """

    __slots__ = ()

    _instead = "a user ring buffer has no elements: user_ring_buffer() writes into it, and programs read"

    def user_ring_buffer(
        self, type: str | BtfType | type[bytes] | None = None, *, chars: str = "str"
    ) -> UserRingBuffer:
        """Open a writer; see `UserRingBuffer` for the keywords. Linux 6.1.

        It is closed by itself, with the map's object, or when it is collected.
        """
        from .user_ringbuf import UserRingBuffer

        return UserRingBuffer(self, type, chars=chars)
