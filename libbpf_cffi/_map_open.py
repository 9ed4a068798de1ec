"""Stand-alone maps: their handles, and how each is made. What a map is like is `_map`'s."""

from __future__ import annotations

import errno
import os

from . import _log
from ._arguments import buffer
from ._check import by_id_hint, check, failure, not_null
from ._ffi import Options, c_string, ffi, lib, path_bytes, text, unsigned
from ._handle import Handle
from ._pins import check_pin, opening_hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._check import Hint
    from ._libbpf import CData, lbc_map

__all__ = ["create", "descriptor", "descriptors", "fdinfo", "from_fd", "from_id", "from_pin", "ids"]

NAME_MAX = 15
"""Bytes of a name in the kernel (BPF_OBJ_NAME_LEN, less the NUL)."""


def descriptor(handle: Handle[lbc_map]) -> int:
    """Give a stand-alone map's descriptor; hold the lock."""
    return int(handle.pointer.fd)


def descriptors(pointer: Any) -> tuple[int, ...]:
    """Give what a forked child has to close."""
    return (int(pointer.fd),)


def _make(
    function: Callable[..., lbc_map], *arguments: object, action: str, name: str, hint: Hint = None
) -> tuple[Handle[lbc_map], CData]:
    """Call the C function that makes a map's descriptor; give the handle, and what the kernel says of the map."""
    handle = Handle(lib.lbc_map__close, name=name, fds=descriptors)
    info = ffi.new("struct bpf_map_info *")
    # Whatever interrupts the making of the map that will hold this, nothing is lost.
    handle.close_with(info)
    try:
        _log.listen()
        not_null(handle.make(function, *arguments), action, hint, handle.errno)
        fd = descriptor(handle)
        if not _is_map(fd):
            # Also a program, a link or BTF can be pinned, or be behind a descriptor.
            check(-errno.EINVAL, action, "that is something other than a map")
        size = ffi.new("__u32 *", ffi.sizeof("struct bpf_map_info"))
        check(lib.bpf_map_get_info_by_fd(fd, info, size), action)
    except BaseException:
        handle._close()
        raise
    handle.name = f"map {text(info.name)!r}" if info.name[0] != b"\0" else f"map {info.id}"
    return handle, info


def _is_map(fd: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:bpf-map"
    except FileNotFoundError:
        # No /proc: the kernel refuses later what is none.
        return True


def type_name(number: int) -> str:
    """Give the name of a map type."""
    from .enums import MapType

    return MapType(number).name


def create(
    kind: int, key_size: int, value_size: int, max_entries: int, name: str, fields: dict[str, Any], rule: str | None
) -> tuple[Handle[lbc_map], CData]:
    """Create a map; `fields` are those of ``struct bpf_map_create_opts``, `rule` is what the type wants."""
    encoded = c_string(name, "name")
    if len(encoded) > NAME_MAX:
        raise ValueError(f"name has {len(encoded)} bytes, more than the {NAME_MAX} that the kernel keeps: {name!r}")
    fields = dict(fields)
    excl_prog_hash = fields.pop("excl_prog_hash", None)
    opts = Options("bpf_map_create_opts", **{field: value for field, value in fields.items() if value is not None})
    if excl_prog_hash is not None:
        digest = buffer(excl_prog_hash, "excl_prog_hash")
        memory = ffi.new("char[]", digest)
        opts.kept.append(memory)
        opts.set("excl_prog_hash", memory)
        opts.set("excl_prog_hash_size", len(digest))
    action = f"create map {name!r}"

    def hint(error: int) -> str | None:
        if error == errno.EINVAL and not all(each.isascii() and (each.isalnum() or each in "_.") for each in name):
            # bpf_obj_name_cpy() in the kernel.
            return f"a map's name has only ASCII letters, digits, '_' and '.': {name!r} does not"
        if error in (errno.EINVAL, errno.E2BIG):
            said = (
                f"the kernel refuses this definition: type {type_name(kind)}, key_size {key_size}, value_size "
                f"{value_size}, max_entries {max_entries}, map_flags {fields.get('map_flags') or 0:#x}"
            )
            # Of tables of functions old kernels do not tell: they come with an object in any case.
            probed = kind != lib.BPF_MAP_TYPE_STRUCT_OPS and error == errno.EINVAL
            if probed and lib.libbpf_probe_bpf_map_type(kind, ffi.NULL) in (0, -errno.EOPNOTSUPP):
                return f"this kernel has no maps of the type {type_name(kind)}"
            return said if rule is None else f"{said}; of this type {rule}"
        return "there is not enough memory for it" if error == errno.ENOMEM else None

    return _make(
        lib.lbc_map__create,
        kind,
        encoded or ffi.NULL,
        unsigned(key_size, 32, "key_size"),
        unsigned(value_size, 32, "value_size"),
        unsigned(max_entries, 32, "max_entries"),
        opts.pointer,
        action=action,
        name=f"map {name!r}",
        hint=hint,
    )


def _access(read_only: bool, write_only: bool) -> int:
    if read_only and write_only:
        raise ValueError("a map cannot be opened both read_only and write_only")
    return lib.BPF_F_RDONLY if read_only else lib.BPF_F_WRONLY if write_only else 0


def from_id(number: int, read_only: bool, write_only: bool) -> tuple[Handle[lbc_map], CData]:
    """Open the map that has an id."""
    number = unsigned(number, 32, "id")
    action = f"open map {number}"

    def hint(error: int) -> str | None:
        return f"no map has the id {number}" if error == errno.ENOENT else by_id_hint(error)

    flags = _access(read_only, write_only)
    return _make(lib.lbc_map__from_id, number, flags, action=action, name=f"map {number}", hint=hint)


def from_pin(
    path: str | os.PathLike[str], read_only: bool, write_only: bool
) -> tuple[tuple[Handle[lbc_map], CData], str]:
    """Open the map that is pinned at a path; give the absolute path too."""
    absolute = os.path.abspath(os.fsdecode(path_bytes(path)))
    action = f"open the map pinned at {absolute!r}"
    check_pin(absolute, action)
    flags = _access(read_only, write_only)
    name = f"the map pinned at {absolute!r}"
    made = _make(
        lib.lbc_map__from_pin,
        path_bytes(absolute),
        flags,
        action=action,
        name=name,
        hint=lambda error: opening_hint(error, absolute),
    )
    return made, absolute


def from_fd(fd: int) -> tuple[Handle[lbc_map], CData]:
    """Duplicate a descriptor of a map."""
    number = unsigned(fd, 31, "fd")
    action = f"open the map of descriptor {number}"
    return _make(lib.lbc_map__from_fd, number, action=action, name=f"map of descriptor {number}")


def ids() -> Iterator[int]:
    """Give the id of every map of the kernel."""
    following = ffi.new("__u32 *")
    at = 0
    while True:
        result = lib.bpf_map_get_next_id(at, following)
        if result == -errno.ENOENT:
            return
        if result < 0:
            raise failure(-result, "list the maps of the kernel", by_id_hint)
        at = following[0]
        yield at


def names() -> set[str]:
    """Give the names of the kernel's maps."""
    found = set()
    for number in ids():
        try:
            handle, facts = from_id(number, read_only=False, write_only=False)
        except OSError:
            continue  # gone meanwhile, or not ours to open
        found.add(text(facts.name))
        handle.close()
    return found - {""}


def close_names(name: str) -> str:
    """Say which of the kernel's maps have a name like that one, for a message."""
    import difflib

    close = difflib.get_close_matches(name[:NAME_MAX], names(), n=3, cutoff=0.5)
    return f"; close names: {', '.join(close)}" if close else ""


def fdinfo(fd: int) -> dict[str, str]:
    """Give what /proc tells of a map's descriptor; nothing without /proc."""
    try:
        # As bytes: a signal handler may have interrupted the import of whatever encoding `open` would look up.
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            lines = file.read().decode().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise failure(error.errno or errno.EIO, f"read what /proc tells of descriptor {fd}") from None
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
