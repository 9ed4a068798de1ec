"""Tries of prefixes, which find the longest match: routes and firewalls."""

from __future__ import annotations

import errno
import sys

from ._ffi import lib
from ._map_hash import TwoStepHash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._codec import Codec

__all__ = ["LpmCodec", "LpmTrie"]

HEADER = 4
"""Bytes of the prefix length before the data (struct bpf_lpm_trie_key_hdr), in the machine's byte order."""

FAMILIES = {4: 4, 16: 6}
"""Version of the addresses by the bytes of the data."""


class LpmCodec:
    """A prefix length and the data: a network of `ipaddress`, a pair of the two, or the record of the key's type."""

    format = None
    flexible = False

    def __init__(self, size: int, data_size: int, typed: Codec | None) -> None:
        """Make the codec of keys of `size` bytes; `typed` is that of a struct whose data is several members."""
        self.size = size
        self.data_size = data_size
        # A struct of 10 bytes has 2 more at its end.
        self._fill = bytes(size - HEADER - data_size)
        self.version = FAMILIES.get(self.data_size) if typed is None else None
        self.typed = typed
        what = typed.typename if typed is not None else f"an IPv{self.version} network" if self.version else "a prefix"
        self.typename = f"{what} ({size} bytes)"

    @property
    def dtype(self) -> Any:
        """The NumPy dtype; imports NumPy."""
        import numpy as np

        if self.typed is not None:
            return self.typed.dtype
        return np.dtype([("prefixlen", "u4"), ("data", "u1", (self.data_size,))])

    # Bytes to keys

    def unpack(self, buffer: Any, offset: int = 0) -> Any:
        """Give the key that is at `offset`."""
        return self.decode(buffer, offset)

    def decode(self, buffer: Any, offset: int = 0) -> Any:
        """Give the key that is at `offset`."""
        if self.typed is not None:
            return self.typed.decode(buffer, offset)
        data = bytes(memoryview(buffer)[offset : offset + self.size])
        return self._key(int.from_bytes(data[:HEADER], sys.byteorder), data[HEADER : HEADER + self.data_size])

    def _key(self, prefixlen: int, data: bytes) -> Any:
        if self.version is None or prefixlen > len(data) * 8:
            return prefixlen, data
        import ipaddress

        # A program may have put in a prefix with host bits, which the kernel does not look at.
        network = ipaddress.IPv4Network if self.version == 4 else ipaddress.IPv6Network
        return network((data, prefixlen), strict=False)

    def decode_many(self, buffer: Any, stride: int | None = None, count: int | None = None) -> list[Any]:
        """Give the keys that follow one another."""
        step = self.size if stride is None else stride
        number = len(buffer) // step if count is None else count
        if self.typed is not None:
            return self.typed.decode_many(buffer, step, number)
        return [self.decode(buffer, at) for at in range(0, number * step, step)]

    # Keys to bytes

    def encode(self, value: Any) -> bytes:
        """Give the bytes of a key; `ValueError` for a network with host bits."""
        prefixlen, data = self._parts(value)
        return prefixlen.to_bytes(HEADER, sys.byteorder) + data + self._fill

    def encode_many(self, values: Iterable[Any], stride: int | None = None) -> bytes:
        """Give the bytes of many keys."""
        fill = bytes((stride or self.size) - self.size)
        return b"".join(self.encode(value) + fill for value in values)

    def _parts(self, value: Any) -> tuple[int, bytes]:
        if self.typed is not None and not _is_pair(value):
            encoded = self.typed.encode(value)
            return self._checked(int.from_bytes(encoded[:HEADER], sys.byteorder), encoded[HEADER:], value)
        if _is_pair(value):
            return self._checked(value[0].__index__(), bytes(value[1]), value)
        if self.version is None:
            raise TypeError(
                f"a key must be a pair of the prefix length and {self.data_size} bytes, not {type(value).__name__}"
            )
        network = value if hasattr(value, "packed") or hasattr(value, "network_address") else _network(value)
        if network.version != self.version:
            raise ValueError(f"{value!s} is IPv{network.version}, and the keys of the map are IPv{self.version}")
        # An interface is both, an address and its network: what it says is the network.
        if hasattr(network, "network"):
            network = network.network
        if hasattr(network, "network_address"):
            return network.prefixlen, network.network_address.packed
        return self.data_size * 8, network.packed

    def _checked(self, prefixlen: int, data: bytes, value: Any) -> tuple[int, bytes]:
        if len(data) != self.data_size:
            raise ValueError(f"the data of a key must have {self.data_size} bytes, not {len(data)}: {value!r}")
        if not 0 <= prefixlen <= self.data_size * 8:
            raise ValueError(f"a prefix length must be from 0 to {self.data_size * 8}, not {prefixlen}: {value!r}")
        return prefixlen, data


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and hasattr(value[0], "__index__")
        and isinstance(value[1], (bytes, bytearray, memoryview))
    )


def _network(value: Any) -> Any:
    import ipaddress

    if not isinstance(value, str):
        raise TypeError(
            "a key must be a network or address of ipaddress, a str such as '10.0.0.0/8', or a pair of prefix length "
            f"and bytes, not {type(value).__name__}"
        )
    try:
        return ipaddress.ip_network(value) if "/" in value else ipaddress.ip_address(value)
    except ValueError:
        try:
            meant = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"{value!r} is neither an IP address nor a network such as '10.0.0.0/8'") from None
        raise ValueError(f"{value!r} has host bits set: the network is {str(meant)!r}") from None


class LpmTrie(TwoStepHash):
    """A trie of prefixes: a mutable mapping, whose lookups find the longest prefix that matches.

    A key is a network or address of `ipaddress`, a string such as ``"10.0.0.0/8"``, ``"2001:db8::/32"`` or
    ``"10.1.2.3"`` (all of its bits), or a pair of prefix length and data. Keys come back as networks if their data is
    one member of 4 or 16 bytes (or these are the bytes of a map without BTF), as records if it is several members, and
    as pairs otherwise. The data is compared from its first bit on: what is no address belongs there in big-endian
    order.

    ``trie["10.1.2.3"]``, `get` and ``in`` match; a network matches as far as its own prefix length. Writing and
    deleting are about exactly that prefix; a network with host bits is refused. *Wraps* ``BPF_MAP_TYPE_LPM_TRIE``.
    Linux 4.11.
    """

    __slots__ = ()

    def _make_key_codec(self) -> Any:
        if self._is_raw:
            return super()._make_key_codec()
        type_ = self.key_type
        typed = None
        size = self.key_size - HEADER
        # A struct of the prefix length and more than one member, or a key that libbpf's struct is not, is a record.
        if type_ is not None and type_.size == self.key_size:
            resolved = type_.resolve()
            if resolved.kind == lib.BTF_KIND_STRUCT:
                behind = [member for member in resolved.members if member.bit_offset >= HEADER * 8 and member.type.size]
                if len(behind) > 1 or (len(behind) == 1 and behind[0].bit_offset != HEADER * 8):
                    typed = type_.codec()
                elif behind:
                    size = behind[0].type.size or size
        return LpmCodec(self.key_size, size, typed)

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.ENOSPC:
            return f"the trie is full: its max_entries is {self.max_entries}"
        return super()._hint(error, flags)
