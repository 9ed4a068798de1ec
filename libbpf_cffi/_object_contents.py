"""What an object is, and what is in it: programs, maps, types and variables by name."""

from __future__ import annotations

from _weakref import ref

from . import _elf, _log, _prog_handlers
from ._check import check
from ._ffi import c_string, ffi, lib, text, unsigned
from ._handle import ObjectHandle, uncopied
from ._named import Named
from .maps import kind_of
from .programs import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._libbpf import bpf_map, bpf_object, bpf_program
    from .btf import Btf, BtfType
    from .errors import NotSupportedError
    from .maps import AnyMap, Map
    from .variables import Variables

__all__ = ["Contents"]

WORD = 4
"""Bytes of a key and of a value of a map of perf events: a CPU and a descriptor."""

_RINGS = (lib.BPF_MAP_TYPE_RINGBUF, lib.BPF_MAP_TYPE_USER_RINGBUF)


class Contents:
    """The part of `Object` that says what it is and what is in it."""

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
    __reduce_ex__ = uncopied

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
            self._handle.require(action, ObjectHandle.OPEN, ObjectHandle.PREPARED)
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
    def maps(self) -> Named[AnyMap]:
        """The maps by name, in the file's order, data sections included.

        The map of section ``.rodata`` of object ``tool`` is called ``tool.rodata``, and found as ``.rodata`` too. Each
        is of the class of its type; `Map.of` tells type checkers which.
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
                program = Program(self, self._handle, pointer, self._logs)  # type: ignore[arg-type]  # parts are of Object alone
                self._seen["program", name] = ref(program)
            assert isinstance(program, Program)
            return program

    def _map(self, name: str) -> AnyMap | None:
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
            found: Any = seen() if seen is not None else None
            # The type may change until load, and its class with it.
            kind = kind_of(lib.bpf_map__type(pointer))
            if type(found) is not kind:
                found = kind._of_object(self, self._handle, pointer)
                self._seen["map", name] = ref(found)
            return found  # type: ignore[no-any-return]


def _log_text(buffer: bytearray | None) -> str:
    if buffer is None:
        return ""
    end = buffer.find(0)
    return buffer[: end if end >= 0 else None].decode("utf-8", "replace")
