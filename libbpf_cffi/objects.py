"""BPF objects: open a compiled file, configure it, load it, attach it, close it."""

from __future__ import annotations

import errno
import os
from itertools import starmap

from . import _elf, _log
from ._arguments import buffer, path_name
from ._check import check, failure, not_null
from ._ffi import Options, c_string, ffi, lib, path_bytes, text, unsigned
from ._files import IS_SOURCE, read_file
from ._handle import ObjectHandle
from ._isolate import check_object
from ._object_load import Loading
from ._pin_paths import PinPaths, pin_all, pinned_elsewhere, unpin_all
from ._pins import Folders, absolute_path
from .errors import LibbpfError, NotSupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typing_extensions import Self

    from ._libbpf import bpf_object
    from .links import Link
    from .programs import Program

__all__ = ["Object"]

PREPARED, LOADED = ObjectHandle.PREPARED, ObjectHandle.LOADED


class Object(Loading):
    """A BPF object file, opened.

    ::

        open ──▶ configure ──▶ load ──▶ attach ──▶ close
                 Program and Map settings          (or leave the `with` block)

    What is open may be configured, what is loaded may be attached; at the wrong time either raises
    `StateError`. The object owns its programs, maps and links: closing it closes them. *Wraps* ``struct
    bpf_object``.

    Threads may share an object: its calls take turns. A child made by ``fork`` cannot use its parent's
    objects.
    """

    __slots__ = ()

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use Object.open()")

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str] | bytes | bytearray | memoryview,
        *,
        object_name: str | None = None,
        relaxed_maps: bool = False,
        pin_root_path: str | os.PathLike[str] | None = None,
        kconfig: str | None = None,
        btf_custom_path: str | os.PathLike[str] | None = None,
        kernel_log_buf: bytearray | None = None,
        kernel_log_size: int | None = None,
        kernel_log_level: int = 0,
        bpf_token_path: str | os.PathLike[str] | None = None,
        isolate: bool = False,
    ) -> Object:
        """Open a compiled BPF object: the path of a file, or its content.

        *Wraps* ``bpf_object__open_mem()``; a file is read first, so that nobody can cut it short under
        libbpf's feet. The keywords are the fields of ``struct bpf_object_open_opts``:

        `object_name` names the object (and its data sections) instead of the file name up to its first dot; of a
        content that is the name of the source file, where the content tells it, or else ``object``.
        `relaxed_maps` ignores what libbpf does not know in a map's definition.
        `pin_root_path` is the folder for maps that are declared with ``LIBBPF_PIN_BY_NAME``, instead of
        /sys/fs/bpf.
        `kconfig` holds ``CONFIG_…=value`` lines that come before those of the running kernel.
        `btf_custom_path` is a file with the kernel's BTF, for kernels that have none of their own: CO-RE goes by it,
        while tracing by BTF, struct_ops and ``__ksym`` need the kernel's.
        `kernel_log_buf` receives the kernel's logs (BTF, programs) instead of an exception; with only
        `kernel_log_size`, in bytes, the object has a buffer of its own, which `kernel_log` reads.
        `kernel_log_level` is that of `Program.log_level`.
        `bpf_token_path` is a BPF file system that delegates; ``""`` asks for no token even if the environment
        (``LIBBPF_BPF_TOKEN_PATH``) names one. Linux 6.9.

        Whatever libbpf relies on is checked before it reads the object: what is malformed, as what is no BPF object,
        gives libbpf's own code ``LIBBPF_ERRNO__FORMAT``, with the section, field and value in `LibbpfError.hint`. With
        `isolate` the object is opened in a child process first, some milliseconds long: if libbpf crashes there, or
        comes to no end (EINVAL), or takes gigabytes of memory (ENOMEM), that is an exception too, and nothing but that.
        """
        _log.listen()
        if isinstance(source, (bytes, bytearray, memoryview)):
            data = buffer(source, "source")
            if object_name is None:
                object_name, what = _name_of(data)
            else:
                what = f"object {object_name!r}"
        else:
            path = os.fsdecode(path_bytes(source))
            what = f"object {path!r}"
            try:
                data = read_file(path, f"open {what}")
            except LibbpfError as error:
                if error.hint is None and ("\n" in path or "SEC(" in path):
                    error.hint = IS_SOURCE
                raise
            if object_name is None:
                object_name = os.path.basename(path).partition(".")[0]
        action = f"open {what}"

        opts = Options(
            "bpf_object_open_opts",
            object_name=c_string(object_name, "object_name"),
            relaxed_maps=bool(relaxed_maps),
            pin_root_path=None if pin_root_path is None else path_bytes(pin_root_path, "pin_root_path"),
            kconfig=None if kconfig is None else c_string(kconfig, "kconfig"),
            btf_custom_path=None if btf_custom_path is None else path_bytes(btf_custom_path, "btf_custom_path"),
            kernel_log_level=unsigned(kernel_log_level, 32, "kernel_log_level"),
            # An empty path is a value of its own here.
            bpf_token_path=None if bpf_token_path is None
            else (bpf_token_path != "" and path_bytes(bpf_token_path, "bpf_token_path")) or b"",
        )
        kernel_log = _kernel_log(kernel_log_buf, kernel_log_size)
        log_memory = None
        if kernel_log is not None:
            log_memory = ffi.from_buffer("char[]", kernel_log, require_writable=True)
            opts.set("kernel_log_buf", log_memory)
            opts.set("kernel_log_size", len(log_memory))

        if not data:
            # Of an empty file libbpf says this, of an empty buffer only EINVAL.
            raise failure(lib.LIBBPF_ERRNO__FORMAT, action)
        check_object(data, action)
        if isolate:
            from ._isolate import open_in_child

            open_in_child(data, opts.pointer, action)
        self = object.__new__(cls)
        self._handle = handle = ObjectHandle(lib.bpf_object__close, name=what)
        handle.close_with(self)
        # libbpf writes the kernel's log there until the object is closed.
        handle.kept += [log_memory]
        self._kernel_log = kernel_log
        self._custom_btf = ""
        if btf_custom_path is not None and _elf.has_core_relocations(data):
            self._custom_btf = os.fsdecode(btf_custom_path)
        try:
            memory = ffi.from_buffer(data)
            hint = IS_SOURCE if what.endswith(".c'") else None
            pointer = handle.make(lib.lbc_object__open_mem, memory, len(data), opts.pointer)
            not_null(pointer, action, hint, handle.errno)
            if not what.startswith("an object"):
                # As libbpf keeps it, cut to 15 bytes.
                handle.name = f"object {text(lib.bpf_object__name(handle.pointer))!r}"
            self._look(data)
            if what.startswith("an object") and self._programs:
                # To whom reads an error that says more than how many bytes it has.
                handle.name = f"object of program {next(iter(self._programs))!r}"
        except BaseException:
            handle.close()
            raise
        return self

    # What is done with it

    def attach(self) -> dict[str, Link]:
        """Attach every program that has `Program.autoattach`, by its section, and every such struct_ops map.

        Return the links by the name of the program or map. What its section does not say how to attach is
        left out and named in `skipped`. If one fails, those that this call has attached are detached again. A
        program that is not loaded (`Program.autoload`) is left out. As libbpf's
        ``bpf_object__attach_skeleton()`` does.
        """
        links: dict[str, Link] = {}
        skipped: dict[str, NotSupportedError] = {}
        with self._handle.lock:
            self._handle.check()
            self._handle.require(f"attach {self._handle.name}", LOADED)
            before = self._handle.children
            try:
                for name, program in self._programs.items():
                    if not (lib.bpf_program__autoload(program) and lib.bpf_program__autoattach(program)):
                        continue
                    if lib.bpf_program__type(program) == lib.BPF_PROG_TYPE_STRUCT_OPS:
                        continue  # a member of a map, which is attached below
                    try:
                        links[name] = self._attachable(name).attach()
                    except NotSupportedError as error:
                        # When the kernel cannot, libbpf says something; when the section names no target, it does not.
                        if error.errno != errno.EOPNOTSUPP or error.messages:
                            raise
                        # Without the frames, whose variables would keep this object until a garbage collection.
                        skipped[name] = error.with_traceback(None)
                for name, each in self._maps.items():
                    # Not Map.type, which would import `enums`: that takes longer than load and attach together.
                    if lib.bpf_map__type(each) != lib.BPF_MAP_TYPE_STRUCT_OPS:
                        continue
                    if lib.bpf_map__autocreate(each) and lib.bpf_map__autoattach(each):
                        links[name] = self.maps[name].attach_struct_ops()
            except BaseException:
                # Not those of `links`: an interrupt may come before a link is in there.
                for child in reversed(self._handle.children):
                    if child not in before:
                        child._close()
                raise
            self._skipped = skipped
        return links

    @property
    def skipped(self) -> Mapping[str, NotSupportedError]:
        """What the last `attach` left out because its section does not say what to attach to: errors by name."""
        return dict(self._skipped)

    def _attachable(self, name: str) -> Program:
        found = self._program(name)
        assert found is not None
        return found

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Pin every map and program in the folder `path` by its name: ``bpf_object__pin()``.

        If one fails, none is pinned that was not before. Checks of the path as in `Program.pin`. *Wraps*
        ``bpf_map__pin()`` and ``bpf_object__pin_programs()``.
        """
        self._pin("pin", lib.bpf_object__pin_programs, path, LOADED)

    def unpin(self, path: str | os.PathLike[str]) -> None:
        """Remove the pins that `pin` made: ``bpf_object__unpin()``.

        It ends at the first program whose pin cannot be removed; of maps, what is refused is told when all others are
        removed. *Wraps* ``bpf_object__unpin_programs()`` and ``bpf_map__unpin()``.
        """
        self._pin("unpin", lib.bpf_object__unpin_programs, path, LOADED)

    def pin_maps(self, path: str | os.PathLike[str] | None = None) -> None:
        """Pin every map in the folder `path`, or each that has one at its `Map.pin_path`: no map where none has one.

        If one fails, none is pinned that was not before. A map has one pin at a time: one that is pinned elsewhere is
        EINVAL. *Wraps* ``bpf_map__pin()``.
        """
        self._pin("pin the maps of", None, path, LOADED, PREPARED)

    def unpin_maps(self, path: str | os.PathLike[str] | None = None) -> None:
        """Remove the pins of the maps in the folder `path`, or of each that has a `Map.pin_path`.

        What is refused is told when all others are removed. *Wraps* ``bpf_map__unpin()``.
        """
        self._pin("unpin the maps of", None, path, LOADED, PREPARED)

    def pin_programs(self, path: str | os.PathLike[str]) -> None:
        """Pin every program in the folder `path` by its name. *Wraps* ``bpf_object__pin_programs()``."""
        self._pin("pin the programs of", lib.bpf_object__pin_programs, path, LOADED)

    def unpin_programs(self, path: str | os.PathLike[str]) -> None:
        """Remove the programs' pins. *Wraps* ``bpf_object__unpin_programs()``."""
        self._pin("unpin the programs of", lib.bpf_object__unpin_programs, path, LOADED)

    def _pin(
        self,
        verb: str,
        function: Callable[[bpf_object, Any], int] | None,
        path: str | os.PathLike[str] | None,
        *phases: str,
    ) -> None:
        action = f"{verb} {self._handle.name}"
        with self._handle.lock:
            pointer = self._handle.pointer
            self._handle.require(action, *phases)
            if path is None and len(phases) == 1:
                raise TypeError(f"cannot {action}: a path is needed")
            maps = () if "programs" in verb else self._maps.values()
            pins = not verb.startswith("unpin")
            anew = path is not None and pins
            folder = None
            if path is None:
                folders, encoded = self._pin_by_name(action), ffi.NULL
            else:
                folder = path_name(path)
                action += f" in {folder!r}"
                folder = absolute_path(folder, action)
                folders, encoded = Folders(action, folder), path_bytes(folder)
                if anew and (why := pinned_elsewhere(maps, folder)) is not None:
                    raise failure(errno.EINVAL, action, why)
            _log.listen()
            # An iterator of C, in which no handler runs.
            rest = starmap(function, [(pointer, encoded)]) if function is not None else iter([0])
            with folders, PinPaths(self._handle, maps, anew=anew):
                if pins:
                    check(pin_all(maps, folder, rest), action)
                else:
                    status, hint = next(rest), None
                    if status >= 0:
                        status, hint = unpin_all(maps, folder)
                    check(status, action, hint)

    # Its end

    @property
    def closed(self) -> bool:
        """Whether the object has been closed."""
        return self._handle.closed

    def close(self) -> None:
        """Detach and close the links, newest first, then free the object; what is pinned stays. Twice does
        nothing.

        *Wraps* ``bpf_object__close()``. Another thread's call on the object is waited for.
        """
        check(self._handle.close(), f"close {self._handle.name}")

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else self._handle.phase
        counts = f"{len(self._programs)} programs, {len(self._maps)} maps"
        return f"<Object {self._handle.name.partition(' ')[2]} ({state}): {counts}>"


def _name_of(data: bytes) -> tuple[str, str]:
    """Give a content its name and, for messages, what it is; libbpf would name it by its address."""
    # A text that was compiled has a source's name without a dot, of the compiler's making.
    name, dot, _ = os.path.basename(_elf.source(data)).partition(".")
    return (name, f"object {name!r}") if dot and name.isidentifier() else ("object", f"an object of {len(data)} bytes")


KERNEL_LOG_BITS = 30
"""No longer log is taken by the kernel: ``bpf_verifier_log_attr_valid()``."""


def _kernel_log(given: bytearray | None, size: int | None) -> bytearray | None:
    """Give the buffer for the kernel's log: the user's, or a zeroed one of `size` bytes."""
    if given is None:
        return None if size is None else bytearray(unsigned(size, KERNEL_LOG_BITS, "kernel_log_size"))
    if not isinstance(given, bytearray):
        raise TypeError(f"kernel_log_buf must be bytearray, not {type(given).__name__}")
    if size is not None and size != len(given):
        raise ValueError(f"kernel_log_size is {size}, but kernel_log_buf has {len(given)} bytes")
    # What it holds of an earlier object is not this one's.
    given[:1] = bytes(len(given[:1]))
    return given
