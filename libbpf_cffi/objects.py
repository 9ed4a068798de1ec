"""BPF objects: open a compiled file, configure it, load it, attach it, close it."""

from __future__ import annotations

import errno
import os
from _weakref import ref

from . import _elf, _log, _prog_handlers
from ._arguments import path_name
from ._check import check, failure, load_logs, not_null
from ._ffi import Options, c_string, ffi, lib, path_bytes, text, unsigned
from ._files import read_file
from ._handle import ObjectHandle
from ._head_room import check_head_room
from ._isolate import check_object
from ._map_access import close_elements
from ._map_settings import address_of
from ._named import Named
from ._pins import Folders, check_pin
from .errors import LibbpfError, NotSupportedError
from .maps import Map, kind_of
from .programs import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typing_extensions import Self

    from ._gen_loader import LoaderProgram
    from ._libbpf import CData, bpf_map, bpf_object, bpf_program
    from .btf import Btf, BtfType
    from .links import Link
    from .variables import Variables

__all__ = ["Object"]

OPEN, PREPARED, LOADED, FAILED = ObjectHandle.OPEN, ObjectHandle.PREPARED, ObjectHandle.LOADED, ObjectHandle.FAILED

WORD = 4
"""Bytes of a key and of a value of a map of perf events: a CPU and a descriptor."""

_RINGS = (lib.BPF_MAP_TYPE_RINGBUF, lib.BPF_MAP_TYPE_USER_RINGBUF)


class Object:
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

    __slots__ = (
        "__weakref__",
        "_btf",
        "_custom_btf",
        "_data",
        "_event_type_ids",
        "_handle",
        "_kernel_log",
        "_license",
        "_logs",
        "_maps",
        "_programs",
        "_seen",
        "_skipped",
        "_variables",
    )

    _btf: Btf | None
    _custom_btf: str
    """The file that stands for the kernel's BTF, if relocations need one and `open` was given one."""
    _data: bytes
    _event_type_ids: dict[str, int]
    """The types of ring and perf buffers' events by the map's name, as far as they are declared."""
    _handle: ObjectHandle
    _kernel_log: bytearray | None
    _license: str
    _logs: dict[str, str]
    _maps: dict[str, bpf_map]
    _programs: dict[str, bpf_program]
    _seen: dict[tuple[str, str], ref[Program | Map]]
    _skipped: dict[str, NotSupportedError]
    _variables: Variables | None

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
        `btf_custom_path` is a file with the kernel's BTF, for kernels that have none of their own.
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
            data = bytes(source)
            if object_name is None:
                object_name, what = _name_of(data)
            else:
                what = f"object {object_name!r}"
        else:
            path = os.fsdecode(path_bytes(source))
            what = f"object {path!r}"
            data = read_file(path, f"open {what}")
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
            opts.set("kernel_log_size", len(kernel_log))

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
            hint = "this is C: compile it first, with compile_object()" if what.endswith(".c'") else None
            pointer = handle.make(lib.lbc_object__open_mem, memory, len(data), opts.pointer)
            not_null(pointer, action, hint, handle.errno)
            if not what.startswith("an object"):
                # As libbpf keeps it, cut to 15 bytes.
                handle.name = f"object {text(lib.bpf_object__name(handle.pointer))!r}"
            self._look(data)
        except BaseException:
            handle.close()
            raise
        return self

    def _look(self, data: bytes) -> None:
        """Learn what is in the object that has just been opened."""
        pointer = self._handle.pointer
        self._logs = {}
        self._license = (_elf.section(data, "license") or b"").partition(b"\0")[0].decode("utf-8", "replace")
        # Names in the file's order; of equal ones, which only a malformed file has, the first, as libbpf finds it.
        self._programs = {}
        self._maps = {}
        program = lib.bpf_object__next_program(pointer, ffi.NULL)
        while program:
            self._programs.setdefault(text(lib.bpf_program__name(program)), program)
            section = text(lib.bpf_program__section_name(program))
            check(_prog_handlers.set_up(section, program), f"set the type of a program of section {section!r}")
            program = lib.bpf_object__next_program(pointer, program)
        each = lib.bpf_object__next_map(pointer, ffi.NULL)
        while each:
            self._maps.setdefault(text(lib.bpf_map__name(each)), each)
            each = lib.bpf_object__next_map(pointer, each)
        self._event_type_ids = {}
        for name, each in self._maps.items():
            self._let_ring_load(name, each)
        self._btf = None
        self._data = data
        self._variables = None
        self._seen = {}
        self._skipped = {}

    def _let_ring_load(self, name: str, each: bpf_map) -> None:
        """Take away what a ring or perf buffer declares as its value, the type of its events: the kernel refuses it."""
        if lib.lbc_map_adopt_inner(each):
            inner = lib.bpf_map__inner_map(each)
            self._let_ring_load(text(lib.bpf_map__name(inner)), inner)
        kind = lib.bpf_map__type(each)
        action = f"open {self._handle.name}"
        if kind == lib.BPF_MAP_TYPE_PERF_EVENT_ARRAY:
            # Load itself leaves its types out.
            if lib.bpf_map__value_size(each) != WORD:
                self._event_type_ids[name] = lib.bpf_map__btf_value_type_id(each)
                check(lib.bpf_map__set_value_size(each, WORD), action)
            if not lib.bpf_map__key_size(each):
                check(lib.bpf_map__set_key_size(each, WORD), action)
        if kind not in _RINGS:
            return
        declared = lib.bpf_map__btf_value_type_id(each)
        if declared:
            self._event_type_ids[name] = declared
        if declared or lib.bpf_map__btf_key_type_id(each):
            lib.lbc_map_forget_btf(each)
        # What a size says, too: it can only be the type's.
        check(lib.bpf_map__set_key_size(each, 0), action)
        check(lib.bpf_map__set_value_size(each, 0), action)

    @property
    def _pointer(self) -> bpf_object:
        return self._handle.pointer

    # What it is

    @property
    def name(self) -> str:
        """The object's name, at most 15 bytes. *Wraps* ``bpf_object__name()``."""
        with self._handle.lock:
            return text(lib.bpf_object__name(self._handle.pointer))

    @property
    def license(self) -> str:
        """The licence that the object declares (section ``license``), such as ``GPL``; empty if it declares none."""
        return self._license

    @property
    def kversion(self) -> int:
        """The kernel version for which a kprobe object was compiled, as ``KERNEL_VERSION()``; settable before
        load.

        Kernels since 5.0 do not look at it. *Wraps* ``bpf_object__kversion()``,
        ``bpf_object__set_kversion()``.
        """
        with self._handle.lock:
            return lib.bpf_object__kversion(self._handle.pointer)

    @kversion.setter
    def kversion(self, value: int) -> None:
        action = f"set kversion of {self._handle.name}"
        with self._handle.lock:
            pointer = self._handle.pointer
            self._handle.require(action, OPEN, PREPARED)
            number = unsigned(value, 32, "kversion")
            _log.listen()
            check(lib.bpf_object__set_kversion(pointer, number), action)

    @property
    def btf_fd(self) -> int | None:
        """The descriptor of the object's BTF in the kernel; ``None`` before load, and for an object with no
        BTF.

        *Wraps* ``bpf_object__btf_fd()``.
        """
        with self._handle.lock:
            fd = lib.bpf_object__btf_fd(self._handle.pointer)
        return fd if fd >= 0 else None

    @property
    def token_fd(self) -> int | None:
        """The descriptor of the BPF token that the object uses, or ``None``.

        *Wraps* ``bpf_object__token_fd()``.
        """
        with self._handle.lock:
            fd = lib.bpf_object__token_fd(self._handle.pointer)
        return fd if fd > 0 else None

    @property
    def kernel_log(self) -> str:
        """What the kernel has written to the log buffer of `open`, so far; empty if there is none."""
        return _log_text(self._kernel_log)

    @property
    def programs(self) -> Named[Program]:
        """The programs by name, in the file's order; subprograms are not among them."""
        with self._handle.lock:
            self._handle.check()
        return Named(lambda: list(self._programs), self._program, "program", self._handle.name)

    @property
    def maps(self) -> Named[Map]:
        """The maps by name, in the file's order, data sections included.

        The map of section ``.rodata`` of object ``tool`` is called ``tool.rodata``, and found as ``.rodata`` too.
        """
        with self._handle.lock:
            self._handle.check()
        return Named(lambda: list(self._maps), self._map, "map", self._handle.name)

    @property
    def btf(self) -> Btf | None:
        """The object's types, as closed as the object is; ``None`` if it was compiled without ``-g``.

        *Wraps* ``bpf_object__btf()``.
        """
        from .btf import Btf

        with self._handle.lock:
            self._handle.check()
            if self._btf is None:
                self._btf = Btf._borrowed(self._handle)
            return self._btf

    @property
    def types(self) -> Named[BtfType]:
        """The object's types by name: ``event`` as well as ``struct event``, ``union``, ``enum`` and ``typedef``.

        Without a keyword a struct, union or enumeration comes before a typedef, and that before an integer.
        """
        btf = self.btf
        if btf is None:
            return Named(list, lambda _: None, "type", self._handle.name)
        return Named(btf._names, btf._find_type, "type", self._handle.name)

    @property
    def variables(self) -> Variables:
        """The global variables by name, with their values: ``obj.variables["target_pid"] = 4711``.

        An object without BTF (``clang -g``) has none by name.
        """
        found = self._variables
        if found is not None and self._handle._made:
            return found
        with self._handle.lock:
            self._handle.check()
            if self._variables is None:
                from .variables import Variables

                self._variables = Variables(self._handle, self.btf, self._data)
            return self._variables

    def _program(self, name: str) -> Program | None:
        with self._handle.lock:
            self._handle.check()
            pointer = self._programs.get(name)
            if pointer is None:
                return None
            seen = self._seen.get(("program", name))
            program = seen() if seen is not None else None
            if program is None:
                program = Program(self, self._handle, pointer, self._logs)
                self._seen["program", name] = ref(program)
            assert isinstance(program, Program)
            return program

    def _map(self, name: str) -> Map | None:
        with self._handle.lock:
            obj = self._handle.pointer
            if name not in self._maps and str(name).startswith("."):
                # A data section's map is called after the object as well; libbpf finds it by the section alone.
                section = lib.bpf_object__find_map_by_name(obj, c_string(name, "name"))
                name = text(lib.bpf_map__name(section)) if section else name
            pointer = self._maps.get(name)
            if pointer is None:
                return None
            seen = self._seen.get(("map", name))
            found = seen() if seen is not None else None
            # The type may change until load, and its class with it.
            kind = kind_of(lib.bpf_map__type(pointer))
            if type(found) is not kind:
                found = kind._of_object(self, self._handle, pointer)
                self._seen["map", name] = ref(found)
            assert isinstance(found, Map)
            return found

    # What is done with it

    def prepare(self) -> None:
        """Do everything of load but loading the programs: relocate them and create the maps.

        Afterwards `Program.insns` are what the kernel will see. *Wraps* ``bpf_object__prepare()``.
        """
        self._advance("prepare", lib.lbc_object_prepare, PREPARED, OPEN)

    def load(self) -> None:
        """Create the maps and load the programs into the kernel.

        *Wraps* ``bpf_object__load()``. Raises `VerifierError`, with the whole log, when the verifier refuses
        a program, and
        `LibbpfPermissionError`, with the missing capabilities, when the kernel refuses the process. After a
        load that failed the object can only be closed. Signals wait until the load is done: one that came in
        during a long verification would make it fail.
        """
        self._advance("load", lib.lbc_object_load, LOADED, OPEN, PREPARED)

    def gen_loader(self, *, gen_hash: bool = False) -> LoaderProgram:
        """Generate, instead of loading, a program that does all that load would do, for a place without libbpf.

        *Wraps* ``bpf_object__gen_loader()``. Light skeletons are made of such a program. It is of the type SYSCALL, and
        needs nothing of the object any more, which can only be closed afterwards. With `gen_hash` it compares the map
        of its data with a hash inside it, so that whoever signs the instructions has signed the data, too. Raises
        `NotSupportedError` for struct_ops maps and for variables in an arena, of which libbpf can make no loader. Linux
        5.14; `gen_hash` 6.18.
        """
        from ._gen_loader import Generation

        generation = Generation(self._handle, gen_hash)
        self._advance("generate the loader of", generation.run, ObjectHandle.GENERATED, OPEN)
        return generation.result(tuple(self._maps), tuple(self._programs))

    def _advance(self, verb: str, function: Callable[[bpf_object, CData], None], phase: str, *before: str) -> None:
        action = f"{verb} {self._handle.name}"
        self._handle.refuse_reentry(action)
        with self._handle.lock:
            pointer = self._handle.pointer
            self._handle.require(action, *before)
            _log.listen()
            check_head_room(len(self._programs) + len(self._maps), action)
            for each in self._maps.values():
                _check_arena(each, action)
                types = lib.bpf_map__btf_key_type_id(each), lib.bpf_map__btf_value_type_id(each)
                self._handle.map_types.setdefault(address_of(each), types)
            if self._custom_btf and self._handle.phase == OPEN:
                _check_custom_btf(self._custom_btf, action)
            with self._pin_by_name(action):
                _log.listen(debug=any(lib.bpf_program__log_level(each) for each in self._programs.values()))
                # A load that fails after a prepare closes the descriptors.
                close_elements(self._handle)
                result = ffi.new("int *", 1)
                try:
                    function(pointer, result)
                finally:
                    # A signal that was held back may raise here, with the work done.
                    if result[0] <= 0:
                        self._handle.phase = FAILED if result[0] else phase
                messages = _log.take()
                if messages:
                    self._logs.update(load_logs(messages))
                if result[0]:
                    # What failed may have been libbpf's probe of a feature, for want of a descriptor or a privilege.
                    lib.lbc_features_forget_missing()
                    hint = self._load_hint(messages)
                    raise failure(-result[0], action, hint, user_log=self.kernel_log, messages=messages)

    def _load_hint(self, messages: list[tuple[int, str]]) -> str | None:
        """Say what is wrong with the target of a program that libbpf has not found in the kernel's BTF."""
        from ._close_names import missing_btf_target

        sections = {name: text(lib.bpf_program__section_name(each)) for name, each in self._programs.items()}
        return missing_btf_target((said for _, said in messages), sections)

    def _pin_by_name(self, action: str) -> Folders:
        """Check the way to where load pins maps, or takes pinned ones from."""
        pointers = (lib.bpf_map__pin_path(each) for each in self._maps.values())
        paths = {os.path.abspath(text(pointer)) for pointer in pointers if pointer}
        for path in paths:
            check_pin(path, action)
        return Folders(action, *sorted({os.path.dirname(path) for path in paths}))

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
        """Pin every map and program in the folder `path` by its name. *Wraps* ``bpf_object__pin()``.

        If one fails, none is pinned. Checks of the path as in `Program.pin`.
        """
        self._pin("pin", lib.bpf_object__pin, path, LOADED)

    def unpin(self, path: str | os.PathLike[str]) -> None:
        """Remove the pins that `pin` made. *Wraps* ``bpf_object__unpin()``."""
        self._pin("unpin", lib.bpf_object__unpin, path, LOADED)

    def pin_maps(self, path: str | os.PathLike[str] | None = None) -> None:
        """Pin every map in the folder `path`, or each that has one at its `Map.pin_path`.

        *Wraps* ``bpf_object__pin_maps()``.
        """
        self._pin("pin the maps of", lib.bpf_object__pin_maps, path, LOADED, PREPARED)

    def unpin_maps(self, path: str | os.PathLike[str] | None = None) -> None:
        """Remove the maps' pins. *Wraps* ``bpf_object__unpin_maps()``."""
        self._pin("unpin the maps of", lib.bpf_object__unpin_maps, path, LOADED, PREPARED)

    def pin_programs(self, path: str | os.PathLike[str]) -> None:
        """Pin every program in the folder `path` by its name. *Wraps* ``bpf_object__pin_programs()``."""
        self._pin("pin the programs of", lib.bpf_object__pin_programs, path, LOADED)

    def unpin_programs(self, path: str | os.PathLike[str]) -> None:
        """Remove the programs' pins. *Wraps* ``bpf_object__unpin_programs()``."""
        self._pin("unpin the programs of", lib.bpf_object__unpin_programs, path, LOADED)

    def _pin(
        self, verb: str, function: Callable[[bpf_object, Any], int], path: str | os.PathLike[str] | None, *phases: str
    ) -> None:
        action = f"{verb} {self._handle.name}"
        with self._handle.lock:
            pointer = self._handle.pointer
            self._handle.require(action, *phases)
            if path is None and len(phases) == 1:
                raise TypeError(f"cannot {action}: a path is needed")
            if path is None:
                folders, encoded = self._pin_by_name(action), ffi.NULL
            else:
                folder = path_name(path)
                action += f" in {folder!r}"
                folder = os.path.abspath(folder)
                folders, encoded = Folders(action, folder), path_bytes(folder)
            _log.listen()
            with folders:
                check(function(pointer, encoded), action)

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


def _check_custom_btf(path: str, action: str) -> None:
    """Raise when relocating against the BTF in a file would crash, or never end: libbpf reads it in the next moment."""
    from .btf import Btf

    try:
        Btf.from_file(path).close()
    except LibbpfError as error:
        hint = f"the file {path!r}, which btf_custom_path names, cannot be read, or has no BTF"
        if error.errno == errno.EINVAL:
            hint = f"btf_custom_path: {error}"
        raise failure(error.errno or errno.EINVAL, action, hint) from None


KERNEL_LOG_BITS = 30
"""No longer log is taken by the kernel: ``bpf_verifier_log_attr_valid()``."""


def _kernel_log(buffer: bytearray | None, size: int | None) -> bytearray | None:
    """Give the buffer for the kernel's log: the user's, or a zeroed one of `size` bytes."""
    if buffer is None:
        return None if size is None else bytearray(unsigned(size, KERNEL_LOG_BITS, "kernel_log_size"))
    if not isinstance(buffer, bytearray):
        raise TypeError(f"kernel_log_buf must be bytearray, not {type(buffer).__name__}")
    if size is not None and size != len(buffer):
        raise ValueError(f"kernel_log_size is {size}, but kernel_log_buf has {len(buffer)} bytes")
    # What it holds of an earlier object is not this one's.
    buffer[:1] = bytes(len(buffer[:1]))
    return buffer


def _log_text(buffer: bytearray | None) -> str:
    if buffer is None:
        return ""
    end = buffer.find(0)
    return buffer[: end if end >= 0 else None].decode("utf-8", "replace")


def _check_arena(pointer: bpf_map, action: str) -> None:
    """Raise when load would write over this process's own memory, or where it gets a SIGSEGV.

    libbpf maps an arena with ``MAP_FIXED`` at the address in its ``map_extra``, over whatever is there (EEXIST), and
    writes the initial values of variables into pages that with ``BPF_F_SEGV_ON_FAULT`` must not be touched (EFAULT).
    """
    if lib.bpf_map__type(pointer) != lib.BPF_MAP_TYPE_ARENA or not lib.bpf_map__autocreate(pointer):
        return
    arena = f"arena {text(lib.bpf_map__name(pointer))!r}"
    if lib.bpf_map__map_flags(pointer) & lib.BPF_F_SEGV_ON_FAULT and lib.bpf_map__initial_value(
        pointer, ffi.new("size_t *")
    ):
        why = "holds variables, whose initial values cannot be written with the map flag SEGV_ON_FAULT"
        raise failure(errno.EFAULT, action, f"{arena} {why}")
    start = lib.bpf_map__map_extra(pointer)
    if not start:
        return
    end = start + lib.bpf_map__max_entries(pointer) * os.sysconf("SC_PAGESIZE")
    with open("/proc/self/maps", "rb") as file:
        for line in file:
            first, _, last = line.partition(b" ")[0].partition(b"-")
            if start < int(last, 16) and int(first, 16) < end:
                wants = f"{arena} wants the addresses from {start:#x} to {end:#x}"
                why = "where this process has other memory: choose another map_extra"
                raise failure(errno.EEXIST, action, f"{wants}, {why}")
