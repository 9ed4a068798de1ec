"""Stand-alone maps: how one is made or opened. What a map is like is `_map`'s."""

from __future__ import annotations

import errno
import os

from ._arguments import buffer
from ._check import failure
from ._ffi import Options, ffi, lib, unsigned
from ._kernel_open import Kind
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._handle import Handle
    from ._libbpf import CData, lbc_map

__all__ = ["MAPS", "create", "definition_hint", "fdinfo", "from_id", "from_pin", "type_name"]


def _id_hint(error: int, number: int) -> str | None:
    return f"no map has the id {number}" if error == errno.ENOENT else None


def _name_hint(error: int, name: str) -> str | None:
    if error == errno.EINVAL and not all(each.isascii() and (each.isalnum() or each in "_.") for each in name):
        # bpf_obj_name_cpy() in the kernel.
        return f"a map's name has only ASCII letters, digits, '_' and '.': {name!r} does not"
    return None


MAPS = Kind(
    "map",
    "anon_inode:bpf-map",
    "struct bpf_map_info",
    close=lib.lbc_map__close,
    from_id=lib.lbc_map__from_id,
    from_pin=lib.lbc_map__from_pin,
    from_fd=lib.lbc_map__from_fd,
    get_info=lib.bpf_map_get_info_by_fd,
    next_id=lib.bpf_map_get_next_id,
    gone=_id_hint,
)


def type_name(number: int) -> str:
    """Give the name of a map type."""
    from .enums import MapType

    return MapType(number).name


def creation(name: str) -> str:
    """Return what `create` does, in words."""
    return f"create map {name!r}" if name else "create a map without a name"


PERCPU_VALUE = max(32 << 10, os.sysconf("SC_PAGESIZE"))
"""As many bytes as a value may have of which each CPU has its own (PCPU_MIN_UNIT_SIZE in the kernel)."""

_PER_CPU = (lib.BPF_MAP_TYPE_PERCPU_ARRAY, lib.BPF_MAP_TYPE_PERCPU_HASH, lib.BPF_MAP_TYPE_LRU_PERCPU_HASH)


def definition_hint(
    kind: int, key_size: int, value_size: int, max_entries: int, map_flags: int, rule: str | None
) -> str:
    """Say what a map was to be like that the kernel has refused, and what its type wants."""
    said = (
        f"the kernel refuses this definition: type {type_name(kind)}, key_size {key_size}, value_size {value_size}, "
        f"max_entries {max_entries}, map_flags {map_flags:#x}"
    )
    if kind in _PER_CPU and -(-value_size // 8) * 8 > PERCPU_VALUE:
        return f"{said}; of this type a value has at most {PERCPU_VALUE} bytes, for each CPU has its own"
    return said if rule is None else f"{said}; of this type {rule}"


def create(
    kind: int, key_size: int, value_size: int, max_entries: int, name: str, fields: dict[str, Any], rule: str | None
) -> tuple[Handle[lbc_map], CData]:
    """Create a map; `fields` are those of ``struct bpf_map_create_opts``, `rule` is what the type wants."""
    encoded = MAPS.encode(name)
    fields = dict(fields)
    excl_prog_hash = fields.pop("excl_prog_hash", None)
    opts = Options("bpf_map_create_opts", **{field: value for field, value in fields.items() if value is not None})
    if excl_prog_hash is not None:
        digest = buffer(excl_prog_hash, "excl_prog_hash")
        memory = ffi.new("char[]", digest)
        opts.kept.append(memory)
        opts.set("excl_prog_hash", memory)
        opts.set("excl_prog_hash_size", len(digest))
    action = creation(name)

    def hint(error: int) -> str | None:
        if named := _name_hint(error, name):
            return named
        if error in (errno.EINVAL, errno.E2BIG):
            # Of tables of functions old kernels do not tell: they come with an object in any case.
            probed = kind != lib.BPF_MAP_TYPE_STRUCT_OPS and error == errno.EINVAL
            if probed and lib.libbpf_probe_bpf_map_type(kind, ffi.NULL) in (0, -errno.EOPNOTSUPP):
                return f"this kernel has no maps of the type {type_name(kind)}"
            flags = fields.get("map_flags") or 0
            return definition_hint(kind, key_size, value_size, max_entries, flags, rule)
        if error == errno.EPERM:
            from ._capabilities import map_hint

            return map_hint(error, kind)
        return "there is not enough memory for it" if error == errno.ENOMEM else None

    return MAPS.make(
        lib.lbc_map__create,
        kind,
        encoded or ffi.NULL,
        unsigned(key_size, 32, "key_size"),
        unsigned(value_size, 32, "value_size"),
        unsigned(max_entries, 32, "max_entries"),
        opts.pointer,
        action=action,
        name=f"map {name!r}" if name else "a map without a name",
        hint=hint,
    )


def _access(read_only: bool, write_only: bool) -> int:
    if read_only and write_only:
        raise ValueError("a map cannot be opened both read_only and write_only")
    return lib.BPF_F_RDONLY if read_only else lib.BPF_F_WRONLY if write_only else 0


def from_id(number: int, read_only: bool, write_only: bool) -> tuple[Handle[lbc_map], CData]:
    """Open the map that has an id."""
    return MAPS.from_id(number, _access(read_only, write_only))


def from_pin(
    path: str | os.PathLike[str], read_only: bool, write_only: bool
) -> tuple[tuple[Handle[lbc_map], CData], str]:
    """Open the map that is pinned at a path; give the absolute path too."""
    return MAPS.from_pin(path, _access(read_only, write_only))


def fdinfo(fd: int) -> dict[str, str]:
    """Give what /proc tells of a map's descriptor; nothing without /proc."""
    try:
        # As bytes: a signal handler may have interrupted the import of whatever encoding `open` would look up.
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            lines = file.read().decode().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise failure(refused(error), f"read what /proc tells of descriptor {fd}") from None
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
