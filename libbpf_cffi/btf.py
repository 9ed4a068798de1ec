"""BTF, the types of BPF objects, of the kernel and of its modules: read, searched, written as C.

::

    btf = Btf.kernel()
    task = btf["struct task_struct"]
    print(task.size, [member.name for member in task.members])
    print(btf["enum pid_type"].c)
"""

from __future__ import annotations

import errno
import os

from . import _elf, _log
from ._arguments import buffer
from ._borrow import Descriptors
from ._btf_build import kernel_info
from ._btf_derive import Deriving
from ._btf_find import Finding
from ._btf_text import Writing
from ._btf_type import BtfEnumerator, BtfMember, BtfParam, BtfType, BtfVariable
from ._check import by_id_hint, check, failure, not_null
from ._ffi import c_string, ffi, lib, path_bytes, text, unsigned
from ._files import read_file
from ._handle import Handle, uncopied
from .enums import BtfKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Literal

    from typing_extensions import Self

    from ._handle import ObjectHandle
    from ._libbpf import btf as btf_pointer

__all__ = ["Btf", "BtfEnumerator", "BtfKind", "BtfMember", "BtfParam", "BtfType", "BtfVariable"]

_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")

_MALFORMED = "it is malformed, or split and not of the base that was given"

_NO_KERNEL_BTF = "the running kernel gives no BTF: it was built without CONFIG_DEBUG_INFO_BTF"


class Btf(Deriving, Finding, Writing):
    """A set of types: of an object, the kernel, a module, a file, or one that is being built.

    A sequence of `BtfType` by id, 0 being void; names find one too: ``btf["struct task_struct"]``. Split BTF, such as a
    module's, begins with the types of its `base`. *Wraps* ``struct btf``.

    It holds memory only: closing it is of no urgency, and happens by itself. Closing a base closes what is based on it.
    """

    __slots__ = (
        "__weakref__",
        "_age",
        "_base",
        "_checked",
        "_codecs",
        "_handle",
        "_id",
        "_name",
        "_of_object",
        "_tag_index",
    )
    __reduce_ex__ = uncopied

    _handle: Handle[Any]
    _name: str
    _base: Btf | None
    _id: int | None
    _of_object: bool
    # Counts the changes: what was read at another age is read again.
    _age: int
    # The age at which the shape was checked last.
    _checked: int
    _codecs: dict[tuple[int, int, str], Any]
    # Declaration tags by the id of the type and the number of the component, and the age at which they were gathered.
    _tag_index: tuple[int, dict[tuple[int, int], tuple[str, ...]]]

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use Btf.kernel(), Btf.from_file() or another of its constructors")

    @classmethod
    def _new(cls, handle: Handle[Any], name: str, base: Btf | None = None) -> Self:
        self = object.__new__(cls)
        self._handle = handle
        self._name = name
        self._base = base
        self._id = None
        self._of_object = False
        self._age = 0
        self._checked = -1
        self._codecs = {}
        self._tag_index = (-1, {})
        return self

    @classmethod
    def _make(
        cls,
        name: str,
        action: str,
        function: Callable[..., btf_pointer],
        *arguments: object,
        base: Btf | None = None,
        hint: str | Callable[[int], str | None] | None = None,
    ) -> Self:
        """Make one by a function of libbpf, whose last argument is the base if there is one."""
        _require_btf(base, "base")
        handle = Handle(lib.btf__free, None if base is None else base._handle, name=name)
        self = cls._new(handle, name, base)
        handle.close_with(self, quietly=True)
        _log.listen()
        try:
            with handle.lock:
                if base is not None:
                    arguments = (*arguments, base._pointer)
                not_null(handle.make(function, *arguments), action, hint, handle.errno)
        except BaseException:
            with handle.lock:
                handle._close()
            raise
        return self

    @classmethod
    def _borrowed(cls, handle: ObjectHandle) -> Btf | None:
        """Give the BTF of an object, if it has one."""
        if not lib.bpf_object__btf(handle.pointer):
            return None
        self = cls._new(handle, f"the BTF of {handle.name}")
        self._of_object = True
        self._check_shape(f"read {self._name}")
        return self

    # Where it comes from

    @classmethod
    def kernel(cls) -> Self:
        """Load the running kernel's types. *Wraps* ``btf__load_vmlinux_btf()``."""
        name = "the kernel's BTF"
        self = cls._make(name, f"load {name}", lib.btf__load_vmlinux_btf, hint=_NO_KERNEL_BTF)
        self._checked = 0  # the kernel's own word
        return self

    @classmethod
    def module(cls, name: str, base: Btf | None = None) -> Self:
        """Load the types of a loaded kernel module, based on the kernel's, which are loaded too if not given.

        *Wraps* ``btf__load_module_btf()``. Linux 5.11.
        """
        encoded = c_string(name, "name")
        if not name or "/" in name:
            raise ValueError(f"{name!r} is no name of a module")
        if base is None:
            base = Btf.kernel()
        what = f"the BTF of module {name!r}"
        hint = f"no such module is loaded, or it has no BTF: /sys/kernel/btf has no {name!r}"
        self = cls._make(
            what,
            f"load {what}",
            lib.btf__load_module_btf,
            encoded,
            base=base,
            hint=lambda error: hint if error == errno.ENOENT else None,
        )
        self._checked = 0
        return self

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], base: Btf | None = None) -> Btf:
        """Read the types of a file: raw BTF, or an ELF file with a section ``.BTF``.

        Of a module's file, whose section ``.BTF.base`` says what it needs of its base, the types are based on that, or
        fitted to `base` if one is given (`relocate`). Raises `LibbpfError` (EINVAL) for what is malformed, whoever made
        it; nothing that libbpf could not bear reaches it.
        """
        decoded = os.fsdecode(path_bytes(path))
        what = f"the BTF of {decoded!r}"
        action = f"read {what}"
        data = read_file(decoded, action)
        if not data.startswith(b"\x7fELF"):
            return cls._from_data(data, what, base)
        section = _elf.section(data, ".BTF")
        if section is None:
            raise failure(errno.ENODATA, action, hint="the file has no section .BTF: compile it with -g")
        distilled = _elf.section(data, ".BTF.base")
        if distilled is None:
            return cls._from_data(section, what, base)
        self = cls._from_data(section, what, Btf._from_data(distilled, f"what {decoded!r} needs of its base"))
        return self if base is None else self.relocate(base)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, base: Btf | None = None) -> Self:
        """Read raw BTF, of either byte order. Raises `LibbpfError` (EINVAL) for what is malformed.

        *Wraps* ``btf__new()``, ``btf__new_split()``.
        """
        copied = buffer(data, "data")
        return cls._from_data(copied, f"a BTF of {len(copied)} bytes", base)

    @classmethod
    def _from_data(cls, data: bytes, what: str, base: Btf | None = None) -> Self:
        action = f"read {what}"
        _require_btf(base, "base")
        if base is not None:
            base._check_shape(action)
        memory = ffi.from_buffer(data)
        why = ffi.new("char[256]")
        if lib.lbc_btf_check_header(memory, len(data), why, len(why)) < 0:
            raise failure(errno.EINVAL, action, text(why))
        function = lib.btf__new if base is None else lib.btf__new_split
        self = cls._make(what, action, function, memory, len(data), base=base, hint=_MALFORMED)
        self._check_shape(action)
        return self

    @classmethod
    def from_id(cls, id: int, base: Btf | None = None) -> Self:
        """Get the BTF of that id from the kernel; a module's is based on the kernel's, which is loaded if not given.

        *Wraps* ``btf__load_from_kernel_by_id_split()``. Linux 4.18. Needs CAP_SYS_ADMIN.
        """
        number = unsigned(id, 32, "id")
        what = f"BTF {number}"
        action = f"get {what} from the kernel"
        _log.listen()
        with Descriptors() as made:
            fd = check(made.make(lib.bpf_btf_get_fd_by_id, number), action, by_id_hint)
            _, name, of_kernel = kernel_info(fd, action)
        if base is None and of_kernel and name not in ("", "vmlinux"):
            base = Btf.kernel()
        if base is None:
            self = cls._make(what, action, lib.btf__load_from_kernel_by_id, number)
        else:
            self = cls._make(what, action, lib.btf__load_from_kernel_by_id_split, number, base=base)
        self._id = number
        if of_kernel:
            self._checked = 0
        else:
            self._check_shape(action)
        return self

    @classmethod
    def new(cls, base: Btf | None = None) -> Self:
        """Make an empty one to add types to. *Wraps* ``btf__new_empty()``, ``btf__new_empty_split()``."""
        what = "a new BTF"
        if base is None:
            return cls._make(what, f"make {what}", lib.btf__new_empty)
        return cls._make(what, f"make {what}", lib.btf__new_empty_split, base=base)

    # What it is

    @property
    def _pointer(self) -> btf_pointer:
        # An object's is asked for each time: it is the object's to replace.
        pointer = self._handle.pointer
        return lib.bpf_object__btf(pointer) if self._of_object else pointer

    @property
    def base(self) -> Btf | None:
        """What a split BTF is based on, or ``None``."""
        return self._base

    @property
    def id(self) -> int | None:
        """The kernel's number for it, if it came from there by id or was loaded into it, else ``None``."""
        return self._id

    @property
    def fd(self) -> int | None:
        """The descriptor, which stays the BTF's own; ``None`` if it has none. *Wraps* ``btf__fd()``."""
        with self._handle.lock:
            fd = lib.btf__fd(self._pointer)
        return fd if fd >= 0 else None

    @property
    def raw(self) -> bytes:
        """The whole as bytes, as files and the kernel have it, without the base. *Wraps* ``btf__raw_data()``."""
        with self._handle.lock:
            size = ffi.new("__u32 *")
            data = not_null(lib.btf__raw_data(self._pointer, size), f"write {self._name} as bytes")
            return ffi.buffer(data, size[0])[:]

    @property
    def pointer_size(self) -> int:
        """The size of a pointer in bytes, 4 or 8; this machine's where the types do not tell. Can be set.

        *Wraps* ``btf__pointer_size()``, ``btf__set_pointer_size()``.
        """
        with self._handle.lock:
            return lib.btf__pointer_size(self._pointer) or ffi.sizeof("void *")

    @pointer_size.setter
    def pointer_size(self, value: int) -> None:
        with self._changing(f"set the size of pointers of {self._name} to {value!r}") as (pointer, action):
            check(lib.btf__set_pointer_size(pointer, unsigned(value, 32, "pointer_size")), action)

    @property
    def endianness(self) -> str:
        """The byte order of the machine that it is of: ``"little"`` or ``"big"``. Can be set: `raw` is in it.

        *Wraps* ``btf__endianness()``, ``btf__set_endianness()``.
        """
        with self._handle.lock:
            order = lib.btf__endianness(self._pointer)
        return "big" if order == lib.BTF_BIG_ENDIAN else "little"

    @endianness.setter
    def endianness(self, value: Literal["little", "big"]) -> None:
        if value not in _ORDERS:
            raise ValueError(f"endianness must be 'little' or 'big', not {value!r}")
        order = lib.BTF_BIG_ENDIAN if value == "big" else lib.BTF_LITTLE_ENDIAN
        with self._changing(f"set the byte order of {self._name}") as (pointer, action):
            check(lib.btf__set_endianness(pointer, order), action)

    @property
    def start_id(self) -> int:
        """The id of the first type of its own, after those of its base."""
        return 1 if self._base is None else len(self._base)

    def __len__(self) -> int:
        """How many types there are: void and those of the base count. *Wraps* ``btf__type_cnt()``."""
        with self._handle.lock:
            return lib.btf__type_cnt(self._pointer)

    def __iter__(self) -> Iterator[BtfType]:
        """Give every type by its id, void and those of the base first."""
        return (BtfType(self, type_id) for type_id in range(len(self)))

    def own_types(self) -> Iterator[BtfType]:
        """Give the types that are not of the base, void left out."""
        return (BtfType(self, type_id) for type_id in range(self.start_id, len(self)))

    # Keeping libbpf from harm

    def _id_of(self, type: BtfType | int) -> int:
        """Give the id of what may be one already; it must be a type that there is, of this BTF or its base."""
        if not isinstance(type, BtfType):
            return self[unsigned(type, 31, "type")].id
        if type.btf is not self and type.btf is not self._base:
            raise ValueError(f"{type} is a type of {type.btf._name}, not of {self._name}")
        return type.id

    def _check_shape(self, action: str) -> None:
        """Raise `LibbpfError` (EINVAL) unless the types make sense; libbpf's dumper would crash or never end."""
        if self._checked == self._age:
            return
        if self._base is not None:
            self._base._check_shape(action)
        with self._handle.lock:
            age = self._age
            why = ffi.new("char[256]")
            result = lib.lbc_btf_check(self._pointer, why, len(why))
            if result < 0:
                reason = ffi.string(why).decode("utf-8", "replace")
                raise failure(-result, action, f"the types are malformed: {reason}" if reason else None)
            self._checked = age

    # Its end

    @property
    def closed(self) -> bool:
        """Whether it has been closed, or the object that it is of."""
        return self._handle.closed

    def close(self) -> None:
        """Free the memory, and what is based on it; twice does nothing. *Wraps* ``btf__free()``.

        What is an object's own stays until the object is closed.
        """
        if not self._of_object:
            check(self._handle.close(), f"close {self._name}")

    def __enter__(self) -> Self:
        with self._handle.lock:
            self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Btf of {self._name}: {'closed' if self.closed else f'{len(self)} types'}>"


def _require_btf(value: object, what: str) -> None:
    if value is not None and not isinstance(value, Btf):
        raise TypeError(f"{what} must be Btf, not {type(value).__name__}")
