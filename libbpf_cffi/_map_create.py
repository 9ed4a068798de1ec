"""What `Map.create` knows of the types of maps: what goes without saying, which types take BTF, what each wants."""

from __future__ import annotations

import errno

from . import _map_open
from ._check import ENOTSUPP, check
from ._ffi import lib
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._btf_type import BtfType
    from ._handle import Handle
    from ._libbpf import CData, lbc_map
    from ._map_elements import Accessible
    from .btf import Btf

    Given = bool | BtfType | None

__all__ = ["create", "given_types", "refused_hint"]

STACK_DEPTH = 127
"""As many frames as the kernel takes by default (sysctl kernel.perf_event_max_stack)."""

_KEYS = {
    lib.BPF_MAP_TYPE_ARRAY: "u32",
    lib.BPF_MAP_TYPE_PERCPU_ARRAY: "u32",
    lib.BPF_MAP_TYPE_TASK_STORAGE: "s32",
    lib.BPF_MAP_TYPE_SK_STORAGE: "s32",
    lib.BPF_MAP_TYPE_INODE_STORAGE: "s32",
    lib.BPF_MAP_TYPE_CGRP_STORAGE: "s32",
    lib.BPF_MAP_TYPE_CGROUP_STORAGE: 16,
    lib.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: 16,
    lib.BPF_MAP_TYPE_DEVMAP_HASH: "u32",
    lib.BPF_MAP_TYPE_STACK_TRACE: 4,
    lib.BPF_MAP_TYPE_INSN_ARRAY: 4,
}
"""The keys of types whose keys are always the same, or nearly so."""

_VALUES = {
    lib.BPF_MAP_TYPE_DEVMAP: 8,
    lib.BPF_MAP_TYPE_DEVMAP_HASH: 8,
    lib.BPF_MAP_TYPE_CPUMAP: 8,
    lib.BPF_MAP_TYPE_SOCKMAP: 8,
    lib.BPF_MAP_TYPE_SOCKHASH: 8,
    lib.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: 8,
    lib.BPF_MAP_TYPE_HASH_OF_MAPS: 4,
    lib.BPF_MAP_TYPE_INSN_ARRAY: 16,
    lib.BPF_MAP_TYPE_STACK_TRACE: 8 * STACK_DEPTH,
}

for _number in (
    lib.BPF_MAP_TYPE_PROG_ARRAY,
    lib.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    lib.BPF_MAP_TYPE_CGROUP_ARRAY,
    lib.BPF_MAP_TYPE_ARRAY_OF_MAPS,
    lib.BPF_MAP_TYPE_XSKMAP,
):
    _KEYS[_number] = _VALUES[_number] = 4
for _number in (
    lib.BPF_MAP_TYPE_DEVMAP,
    lib.BPF_MAP_TYPE_CPUMAP,
    lib.BPF_MAP_TYPE_SOCKMAP,
    lib.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
):
    _KEYS[_number] = 4

_STORAGES = frozenset((
    lib.BPF_MAP_TYPE_TASK_STORAGE,
    lib.BPF_MAP_TYPE_SK_STORAGE,
    lib.BPF_MAP_TYPE_INODE_STORAGE,
    lib.BPF_MAP_TYPE_CGRP_STORAGE,
))  # fmt: skip
"""What cannot be without BTF (bpf_local_storage_map_alloc_check() in the kernel)."""

_FLAGS = dict.fromkeys((*_STORAGES, lib.BPF_MAP_TYPE_LPM_TRIE), lib.BPF_F_NO_PREALLOC)
_FLAGS[lib.BPF_MAP_TYPE_ARENA] = lib.BPF_F_MMAPABLE
"""Flags without which the kernel refuses a type."""

_PREFIXES = {"ipv4": 8, "ipv6": 20}
"""Bytes of a trie's keys, by what they are."""

_BUFFER = "it has neither keys nor values; max_entries is its size: a power of two, whole pages"
_OUTER = "it needs inner=, a map that those in it are like, and which holds no maps itself; max_entries is 1 or more"
_REDIRECT = "a key has 4 bytes, a value 4 or, with a program, 8, and max_entries is 1 or more"
_GROUP = "a key has 8 or 16 bytes, and max_entries is 0"

_ARRAY = "a key has 4 bytes, a value at least a byte, and max_entries is 1 or more"
_HASH = "a key and a value have at least a byte, and max_entries is 1 or more"
_QUEUE = "it has no keys, a value has at least a byte, and max_entries is its length, 1 or more"
_PLACES = "a key and a value have 4 bytes, and max_entries is 1 or more"
_SOCKETS = "a key has 4 bytes, a value 4 or, to be read as a cookie, 8, and max_entries is 1 or more"

_RULES = {
    lib.BPF_MAP_TYPE_HASH: _HASH,
    lib.BPF_MAP_TYPE_PERCPU_HASH: _HASH,
    lib.BPF_MAP_TYPE_LRU_HASH: _HASH,
    lib.BPF_MAP_TYPE_LRU_PERCPU_HASH: _HASH,
    lib.BPF_MAP_TYPE_ARRAY: _ARRAY,
    lib.BPF_MAP_TYPE_PERCPU_ARRAY: _ARRAY,
    lib.BPF_MAP_TYPE_PROG_ARRAY: _PLACES,
    lib.BPF_MAP_TYPE_PERF_EVENT_ARRAY: _PLACES,
    lib.BPF_MAP_TYPE_CGROUP_ARRAY: _PLACES,
    lib.BPF_MAP_TYPE_XSKMAP: _PLACES,
    lib.BPF_MAP_TYPE_LPM_TRIE: (
        "a key has a prefix length of 4 bytes and 1 to 256 bytes of data, a value at least a byte, and max_entries is "
        "1 or more"
    ),
    lib.BPF_MAP_TYPE_QUEUE: _QUEUE,
    lib.BPF_MAP_TYPE_STACK: _QUEUE,
    lib.BPF_MAP_TYPE_BLOOM_FILTER: (
        "it has no keys, a value has at least a byte, and max_entries is 1 or more; map_extra is the number of hashes, "
        "from 0 to 15"
    ),
    lib.BPF_MAP_TYPE_RINGBUF: _BUFFER,
    lib.BPF_MAP_TYPE_USER_RINGBUF: _BUFFER,
    lib.BPF_MAP_TYPE_STACK_TRACE: (
        "a key has 4 bytes, a value 8 bytes a frame (32 with the flag STACK_BUILD_ID) for at most as many frames as "
        "/proc/sys/kernel/perf_event_max_stack says, and max_entries is 1 or more"
    ),
    lib.BPF_MAP_TYPE_ARRAY_OF_MAPS: _OUTER,
    lib.BPF_MAP_TYPE_HASH_OF_MAPS: _OUTER,
    lib.BPF_MAP_TYPE_ARENA: (
        "it has neither keys nor values; max_entries is its pages, 4 GiB at most; map_extra its address"
    ),
    lib.BPF_MAP_TYPE_STRUCT_OPS: "it comes with the object that has its programs: Object.maps",
    lib.BPF_MAP_TYPE_CGROUP_STORAGE: _GROUP,
    lib.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: _GROUP,
    lib.BPF_MAP_TYPE_SOCKMAP: _SOCKETS,
    lib.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: _SOCKETS,
    lib.BPF_MAP_TYPE_SOCKHASH: _SOCKETS.replace("has 4 bytes", "has at least a byte", 1),
    lib.BPF_MAP_TYPE_DEVMAP: _REDIRECT,
    lib.BPF_MAP_TYPE_DEVMAP_HASH: _REDIRECT,
    lib.BPF_MAP_TYPE_CPUMAP: _REDIRECT,
    lib.BPF_MAP_TYPE_INSN_ARRAY: "a key has 4 bytes and a value 16",
} | dict.fromkeys(
    _STORAGES, "a key is a descriptor (s32), max_entries is 0, and the kernel must take BTF for the value's type"
)
"""What the kernel wants of a type, for the message when it has refused."""


def create(
    kind: int, key: Any, value: Any, max_entries: int, name: str, fields: dict[str, Any]
) -> tuple[tuple[Handle[lbc_map], CData], Btf | None]:
    """Create a map; give it, and the BTF of its key and value if one of them has a type.

    The ids that the kernel's facts have are then those of the types in that BTF, whether the kernel has them or not.
    """
    key = _KEYS.get(kind, 0) if key is None else key
    value = _VALUES.get(kind, 0) if value is None else value
    fields["map_flags"] = fields.get("map_flags", 0) | _FLAGS.get(kind, 0)
    if kind == lib.BPF_MAP_TYPE_PERF_EVENT_ARRAY and not max_entries:
        max_entries = check(lib.libbpf_num_possible_cpus(), "count the possible CPUs")
    if kind == lib.BPF_MAP_TYPE_LPM_TRIE:
        key = _prefix(key)
    rule = _RULES.get(kind)
    if _is_number(key) and _is_number(value) and kind not in _STORAGES:
        return _map_open.create(kind, key, value, max_entries, name, fields, rule), None
    from ._type_spec import TypeSpecs

    shown_value = value
    if kind in _STORAGES and _is_number(value) and value.__index__() > 0:
        # The kernel wants a type; here it stays bytes.
        value = f"u8[{value.__index__()}]"
    types = TypeSpecs(key, value, name)
    sizes = types.key_size, types.value_size
    loaded = types.load()
    made = None
    if loaded is not None:
        typed = {"btf_fd": loaded.fd, "btf_key_type_id": types.key_id, "btf_value_type_id": types.value_id}
        try:
            made = _map_open.create(kind, *sizes, max_entries, name, {**fields, **typed}, rule)
        except LibbpfError as error:
            # Types that have no use for it (map_check_no_btf() in the kernel), or want it for a key that they have not.
            if kind in _STORAGES or error.errno not in (ENOTSUPP, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
                raise
        finally:
            loaded.close()
    if made is None:
        made = _map_open.create(kind, *sizes, max_entries, name, fields, rule)
    _, facts = made
    facts.btf_key_type_id = types.key_id
    facts.btf_value_type_id = 0 if _is_number(shown_value) else types.value_id
    return made, types.btf


def refused_hint(kind: int, key_size: int, value_size: int, max_entries: int, map_flags: int) -> str:
    """Say what is wrong with the definition of a map that the kernel has refused when an object was loaded."""
    return _map_open.definition_hint(kind, key_size, value_size, max_entries, map_flags, _RULES.get(kind))


def _prefix(key: Any) -> Any:
    """Give the type of a trie's keys: a struct, without which the kernel takes no BTF (trie_check_btf())."""
    if isinstance(key, str) and key in _PREFIXES:
        key = _PREFIXES[key]
    # A struct of any other size would be filled up.
    if not _is_number(key) or not 4 < key.__index__() <= 260 or key.__index__() % 4:
        return key
    return {"prefixlen": "u32", "data": f"u8[{key.__index__() - 4}]"}


def given_types(map: Accessible, key: Any, value: Any) -> tuple[Given, Given]:
    """Give the types that a user says the keys and values of a map have, as `Accessible._types` keeps them."""
    old_key, old_value = map._types
    if key is None and value is None:
        return old_key, old_value
    from ._type_spec import TypeSpecs

    for what, spec, own in (("key", key, map._own_key), ("value", value, map._own_value)):
        if spec is not None and own:
            raise TypeError(f"{map._what} is of class {type(map).__name__}, which says itself what a {what} is")
    if map.type == lib.BPF_MAP_TYPE_LPM_TRIE and key is not None:
        key = _prefix(key)
    types = TypeSpecs(0 if key is None else key, 0 if value is None else value, map.name)

    def given(what: str, spec: Any, old: Given, number: int, sizes: tuple[int, int]) -> Given:
        if spec is None:
            return old
        wanted, size = sizes
        if size != wanted:
            raise ValueError(f"a {what} of {map._what} has {wanted} bytes, and not {size} as {what}={spec!r}")
        return types.btf[number] if number else False

    return (
        given("key", key, old_key, types.key_id, (map.key_size, types.key_size)),
        given("value", value, old_value, types.value_id, (map.value_size, types.value_size)),
    )


def _is_number(spec: object) -> bool:
    # A class has the method too.
    return hasattr(spec, "__index__") and not isinstance(spec, type)
